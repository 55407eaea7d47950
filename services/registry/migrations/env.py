"""Alembic environment of the registry."""

from services.common.migrate import run_env
from services.registry.tables import Base

run_env(Base.metadata)
