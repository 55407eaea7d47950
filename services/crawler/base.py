"""The crawler's declarative base, with the tables every service keeps."""

from sqlalchemy.orm import DeclarativeBase

from services.common.database import make_base
from services.common.tables import attach_common_tables


class Base(DeclarativeBase):
    """Base of all crawler tables."""

    metadata = make_base().metadata


attach_common_tables(Base)
