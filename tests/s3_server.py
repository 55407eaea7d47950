"""A real S3 server with object lock for tests marked `s3`: Ceph's object gateway, once a run.

Without its programs these tests are skipped and say what to install; with REQUIRE_S3 set (`make test-s3`,
continuous integration) that is a failure instead.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.radosgw import ACCESS_KEY, PACKAGES, SECRET_KEY, ObjectGateway, missing
from services.common.ids import new_id
from services.evidence.objects.s3 import S3Store
from services.evidence.objects.s3_config import S3Config


@pytest.fixture(scope="session")
def s3_server() -> Iterator[ObjectGateway]:
    """The server; started when the first test asks for it."""
    absent = missing()
    if absent:
        line = f"no S3 server here ({', '.join(absent)}): apt-get install {' '.join(PACKAGES)}"
        if os.environ.get("REQUIRE_S3"):
            pytest.fail(line)
        pytest.skip(line)
    server = ObjectGateway()
    server.start()
    yield server
    server.stop()


def s3_config(server: ObjectGateway, **changes: object) -> S3Config:
    """Settings for a bucket of its own on the server."""
    config = S3Config(
        endpoint=server.endpoint,
        bucket=f"wj-{new_id().lower()}",
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        tls=False,
        timeout_seconds=10.0,
        lock_days=1,
    )
    return S3Config(**{**config.__dict__, **changes})  # type: ignore[arg-type]


@pytest.fixture
def make_s3_store(s3_server: ObjectGateway, tmp_path: Path) -> Iterator[Callable[..., S3Store]]:
    """`make_s3_store()` gives a store in a fresh bucket; keyword arguments change its settings."""
    made: list[S3Store] = []

    def make(**changes: object) -> S3Store:
        made.append(S3Store(s3_config(s3_server, **changes), tmp_path / f"spool-{len(made)}"))
        return made[-1]

    yield make
    for store in made:
        store.close()
