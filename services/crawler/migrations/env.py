"""Alembic environment of the crawler."""

from services.common.migrate import run_env
from services.crawler.tables import Base

run_env(Base.metadata)
