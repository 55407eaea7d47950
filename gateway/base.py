"""The gateway's declarative base, with the tables every service keeps (audit, outbox, inbox)."""

from sqlalchemy.orm import DeclarativeBase

from services.common.database import make_base
from services.common.tables import attach_common_tables


class Base(DeclarativeBase):
    """Base of all the gateway's tables."""

    metadata = make_base().metadata


attach_common_tables(Base)
