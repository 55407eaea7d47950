"""One short process that makes every service's database exist and brings its schema up to date.

Command: python -m infra.launcher.databases   (reads the same environment as the services)
"""

import importlib.util
import os
import sys
from pathlib import Path

from infra.embedded.postgres import EmbeddedPostgres
from infra.embedded.refusal import Refused
from infra.launcher.table import EMBEDDED
from services.common import migrate
from services.common.settings import DATABASES, Settings, get_settings


def has_migrations(service: str) -> bool:
    """Whether the service is installed and keeps a schema of its own."""
    try:
        spec = importlib.util.find_spec(migrate.package_of(service))
    except ModuleNotFoundError:
        return False  # not part of this installation
    return bool(spec and spec.origin and (Path(spec.origin).parent / "migrations" / "env.py").exists())


def bring_up_to_date(settings: Settings, embedded: list[str]) -> list[str]:
    """Create missing embedded databases, migrate all. Returns the services migrated."""
    if embedded:
        server = EmbeddedPostgres(settings.home, settings.run_dir)
        for name in embedded:
            server.ensure_database(name)
    migrated = [service for service in DATABASES if has_migrations(service)]
    for service in migrated:
        migrate.upgrade(service, settings.database_url(service))
    return migrated


def main() -> int:
    """Exit code 0 when every schema is current."""
    embedded = [name for name in os.environ.get(EMBEDDED, "").split(",") if name]
    try:
        print("schemas current:", ", ".join(bring_up_to_date(get_settings(), embedded)))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
