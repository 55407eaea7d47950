"""Schema migrations with Alembic, one history a service, run under an advisory lock.

Command: python -m services.common.migrate upgrade|downgrade|revision SERVICE [...]
"""

import argparse
import importlib
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import MetaData, create_engine, text

from services.common.settings import DATABASES, get_settings

# Any fixed number: migrations of one database wait for each other.
_LOCK = 7_420_001


def package_of(service: str) -> str:
    """The Python package of a service: `gateway`, or `services.<name>`."""
    return service if service == "gateway" else f"services.{service}"


def _config(service: str) -> Config:
    package = importlib.import_module(package_of(service))
    config = Config()
    config.set_main_option("script_location", str(Path(str(package.__file__)).parent / "migrations"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def run(service: str, url: str, action: str, *arguments: str, **options: object) -> None:
    """Run one Alembic command against `url` under the lock."""
    config = _config(service)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
            config.attributes["connection"] = connection
            getattr(command, action)(config, *arguments, **options)
            connection.commit()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    finally:
        engine.dispose()


def upgrade(service: str, url: str) -> None:
    """Bring a service's database to the newest schema."""
    run(service, url, "upgrade", "head")


def run_env(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls: migrate over the connection `run` opened."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Command line for developers."""
    parser = argparse.ArgumentParser(prog="python -m services.common.migrate")
    parser.add_argument("action", choices=["upgrade", "downgrade", "revision"])
    parser.add_argument("service", choices=DATABASES)
    parser.add_argument("--to", default="head", help="target revision of upgrade or downgrade")
    parser.add_argument("--message", "-m", default="change")
    parser.add_argument("--rev-id", help="revision id, e.g. 0002")
    parser.add_argument("--url", help="database; default: this installation's")
    given = parser.parse_args()
    url = given.url or get_settings().database_url(given.service)
    if given.action == "revision":
        run(given.service, url, "revision", message=given.message, autogenerate=True, rev_id=given.rev_id)
    else:
        run(given.service, url, given.action, given.to)


if __name__ == "__main__":
    main()
