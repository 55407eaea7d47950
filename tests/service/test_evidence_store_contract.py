"""What every object store must do; run against the disk and against a real S3 server with object lock."""

import hashlib
import io
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.common.problems import Problem
from services.evidence.objects.disk import DiskStore, object_path
from services.evidence.objects.s3 import S3Store, object_key
from services.evidence.objects.store import ObjectStore


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind."""
    if request.param == "disk":
        return DiskStore(tmp_path / "objects")
    made: S3Store = request.getfixturevalue("make_s3_store")()
    made.prepare()
    return made


def _names(store: ObjectStore, after: str = "") -> list[str]:
    return [item.name for item in store.listing(after)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _chunks(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def _damage(store: Any, sha256: str, bad: bytes) -> None:
    """Behind the store's back: other bytes where the object was, or what comes nearest to that."""
    if isinstance(store, DiskStore):
        file = object_path(store.root, sha256)
        file.chmod(0o600)
        file.write_bytes(bad)
    else:
        # A locked version cannot be changed; a store that lies looks like this from here.
        store._known.clear()
        store.client.put_object(store.config.bucket, object_key(sha256), io.BytesIO(bad), len(bad))


def test_what_is_put_can_be_read_under_its_digest(store: ObjectStore) -> None:
    """Digests, size and CRC are right; the same bytes twice are one object."""
    data = b"evidence" * 1000
    stored = store.put(data)
    sm3 = Hash(SM3())
    sm3.update(data)
    assert (stored.sha256, stored.sm3, stored.bytes) == (_digest(data), sm3.finalize().hex(), len(data))
    assert store.put(data) == stored
    assert store.read(stored.sha256) == data
    assert _names(store) == [stored.sha256]
    if isinstance(store, S3Store):
        assert store.versions(stored.sha256) == [stored.version], "not written again"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    """Zero bytes have a digest too."""
    stored = store.put(b"")
    assert store.read(stored.sha256) == b""


async def test_a_stream_is_kept_or_dropped(store: ObjectStore) -> None:
    """Kept: there. Left without keeping: nothing anywhere, not even in the spool."""
    with await store.receive(_chunks(b"a" * 700_000, b"b" * 700_000), 1 << 22) as arrival:
        await arrival.keep()
    assert store.read(arrival.stored.sha256) == b"a" * 700_000 + b"b" * 700_000
    with await store.receive(_chunks(b"never kept"), 1 << 22):
        pass
    with pytest.raises(Problem) as refused:
        await store.receive(_chunks(b"x" * 2000), 1000)
    assert refused.value.status == 413
    assert _names(store) == [arrival.stored.sha256]
    assert not list((store.root / "tmp").iterdir())


async def test_a_large_object_comes_in_parts_and_is_read_anywhere(store: ObjectStore) -> None:
    """20 MB: several parts on S3; reading from any place gives the bytes of that place."""
    rng = random.Random(7)
    data = rng.randbytes(20_000_000)
    with await store.receive(
        _chunks(*(data[at : at + 65_536] for at in range(0, len(data), 65_536))), 1 << 25
    ) as a:
        await a.keep()
    with store.open(a.stored.sha256) as file:
        assert hashlib.sha256(file.read()).hexdigest() == _digest(data)
        for _ in range(30):
            at, count = rng.randrange(len(data)), rng.randrange(300_000)
            assert file.seek(at) == at
            assert file.read(count) == data[at : at + count]
        assert file.seek(0, 2) == len(data)
        assert file.read(10) == b""


def test_what_is_not_there_is_said_so(store: ObjectStore) -> None:
    """FileNotFoundError, for reading and for protecting on S3."""
    with pytest.raises(FileNotFoundError):
        store.read(_digest(b"never stored"))
    with pytest.raises(FileNotFoundError):
        store.open(_digest(b"never stored")).read(1)


def test_the_listing_is_in_order_and_goes_on_from_anywhere(store: ObjectStore) -> None:
    """Names in order; `after` leaves out what came before and nothing else."""
    names = sorted(store.put(bytes([number])).sha256 for number in range(24))
    assert _names(store) == names
    assert _names(store, names[9]) == names[10:]
    first = next(iter(store.listing()))
    assert first.bytes == 1
    assert abs(first.modified - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_missing_or_damaged_object_is_put_back_and_a_good_one_is_left_alone(store: ObjectStore) -> None:
    """A copy with another digest is refused whatever is there."""
    good = b"the right bytes"
    sha256 = _digest(good)
    with pytest.raises(ValueError, match="another digest"):
        store.put_back(sha256, io.BytesIO(b"wrong bytes"))
    assert _names(store) == []
    assert store.put_back(sha256, io.BytesIO(good))
    assert not store.put_back(sha256, io.BytesIO(good)), "a good one is there"
    _damage(store, sha256, b"the wrong bytes")
    store.put_back(sha256, io.BytesIO(good))
    assert store.read(sha256) == good
    assert not list((store.root / "tmp").iterdir())


def test_protection_is_told_honestly(store: ObjectStore) -> None:
    """S3 locks and says so; the disk says that it does not."""
    sha256 = store.put(b"to be kept").sha256
    locks = store.protect(sha256, datetime.now(UTC) + timedelta(days=400), hold=True)
    assert locks == (store.kind == "s3")
    assert store.probe().state == ("enforced" if store.kind == "s3" else "not offered (disk)")
    if locks:
        store.protect(sha256, None, hold=False)
