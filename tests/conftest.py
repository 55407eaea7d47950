"""Fixtures that all tests share.

Strategy: one embedded PostgreSQL and Redis a test process, in a folder of its own under the system's
temporary folder; each test module that asks gets fresh databases, migrated with the real migrations. Nothing
is mocked that the platform brings itself; peers outside it are small real servers. `stack` is the whole
platform as `make up` starts it, once a run, for tests marked `stack`.
"""

import atexit
import faulthandler
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

# Before anything of ours is imported: settings and the Celery application are read once a process.
_HOME = Path(tempfile.mkdtemp(prefix="wj-test-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
_KEPT = ("WANGJIAN_CHROMIUM", "WANGJIAN_TEST_")
for _name in [name for name in os.environ if name.startswith("WANGJIAN_") and not name.startswith(_KEPT)]:
    del os.environ[_name]
os.environ["WANGJIAN_HOME"] = str(_HOME)
os.environ["WANGJIAN_SECRETS_DIR"] = str(_HOME / "secrets")  # the default lies in the account's own folder
# Each of the hundreds of processes the tests start would otherwise compile all our sources anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from infra.embedded.postgres import EmbeddedPostgres  # noqa: E402
from infra.embedded.redis import EmbeddedRedis  # noqa: E402
from services.common.identity import Claims, TokenIssuer  # noqa: E402
from services.common.ids import new_id  # noqa: E402
from services.common.migrate import upgrade  # noqa: E402
from services.common.settings import Settings, get_settings  # noqa: E402

# How long an example takes says how busy the machine is, nothing of the code.
hypothesis_settings.register_profile("wangjian", deadline=None)
hypothesis_settings.load_profile("wangjian")
pytest_plugins = ["tests.stack", "tests.s3_server", "tests.sharding"]


def pytest_unconfigure() -> None:
    """A run whose threads do not end says where they stand, and fails, instead of waiting for ever."""
    if "MUTANT_UNDER_TEST" not in os.environ:  # `mutmut run` calls pytest many times within one process
        faulthandler.dump_traceback_later(60, exit=True)


@pytest.fixture(scope="session")
def home() -> Path:
    """WANGJIAN_HOME of this test run; removed when the process ends."""
    return _HOME


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    """The settings of this test run."""
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    return get_settings()


@pytest.fixture(scope="session")
def postgres(home: Path, settings: Settings) -> Iterator[EmbeddedPostgres]:
    """The real PostgreSQL of the embedded stack; only a crash of the machine itself would harm its data."""
    server = EmbeddedPostgres(home, settings.run_dir, settings={"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(home: Path, settings: Settings) -> Iterator[EmbeddedRedis]:
    """The real Redis of the embedded stack."""
    server = EmbeddedRedis(home, settings.run_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def make_database(postgres: EmbeddedPostgres) -> Callable[[str], str]:
    """`make_database("casework")` gives the URL of a new, migrated database of that service.

    The migrations run once a service; each database is a copy of what they made.
    """

    def make(service: str) -> str:
        name, migrated = f"{service}_{new_id().lower()}", f"{service}_migrated"
        if postgres.ensure_database(migrated):
            upgrade(service, postgres.url(migrated))
        postgres.ensure_database(name, template=migrated)
        return postgres.url(name)

    return make


@pytest.fixture(scope="session")
def make_settings(settings: Settings, make_database: Callable[[str], str]) -> Callable[..., Settings]:
    """`make_settings("casework", port=1)` gives settings with a fresh database for that service."""

    def make(*services: str, **changes: object) -> Settings:
        urls = {f"database_url_{service}": make_database(service) for service in services}
        return settings.model_copy(update={**urls, **changes})

    return make


@pytest.fixture(scope="session")
def token_for(settings: Settings) -> Callable[[Claims], dict[str, str]]:
    """`token_for(claims)` gives the header with the internal token the gateway would issue for a person.

    Claims whose subject is `service:<name>` are signed with that service's own key.
    """
    issuers: dict[str, TokenIssuer] = {}

    def make(claims: Claims) -> dict[str, str]:
        name = claims.service or "gateway"
        if name not in issuers:
            issuers[name] = TokenIssuer(settings.keys_dir, name)
        return {"authorization": f"Bearer {issuers[name].issue(claims)}"}

    return make
