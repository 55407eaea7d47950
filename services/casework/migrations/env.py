"""Alembic environment of the casework."""

from services.casework.tables import Base
from services.common.migrate import run_env

run_env(Base.metadata)
