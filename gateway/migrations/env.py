"""Alembic environment of the gateway."""

from gateway.tables import Base
from services.common.migrate import run_env

run_env(Base.metadata)
