"""The evidence service's declarative base, with the tables every service keeps."""

from sqlalchemy.orm import DeclarativeBase

from services.common.database import make_base
from services.common.tables import attach_common_tables


class Base(DeclarativeBase):
    """Base of all tables of the evidence service."""

    metadata = make_base().metadata


attach_common_tables(Base)
