"""Alembic environment of the evidence service."""

from services.common.migrate import run_env
from services.evidence.tables import Base

run_env(Base.metadata)
