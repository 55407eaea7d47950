"""The S3 store against whoever holds its keys: deleting, overwriting, unlocking, lying, hanging, filling."""

import io
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import COMPLIANCE
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.retention import Retention

from infra.radosgw import ObjectGateway
from services.common.problems import Problem
from services.evidence.objects.disk import DiskStore
from services.evidence.objects.s3 import S3Store, object_key
from services.evidence.objects.s3_versions import Version
from services.evidence.objects.watch import StoreWatch
from tests.s3_server import s3_config

pytestmark = pytest.mark.s3
Make = Callable[..., S3Store]


def _version(store: S3Store, sha256: str) -> Version:
    return store.look(object_key(sha256), store.versions(sha256)[0])


@pytest.mark.parametrize("size", [10, 9 << 20], ids=["small", "in parts"])
def test_every_version_is_locked_from_its_first_moment(make_s3_store: Make, size: int) -> None:
    """Small objects and those uploaded in parts, whose lock some servers forget."""
    store = make_s3_store(lock_days=3)
    stored = store.put(b"z" * size)
    shown = _version(store, stored.sha256)
    assert shown.id == stored.version
    assert shown.until is not None
    assert timedelta(days=2.9) < shown.until - datetime.now(UTC) < timedelta(days=3.1)


def test_a_locked_version_cannot_be_deleted_or_unlocked(make_s3_store: Make) -> None:
    """By version, with the bypass, by a shorter retention; and the store's own code only ever extends."""
    store = make_s3_store()
    stored = store.put(b"kept")
    key, bucket, client = object_key(stored.sha256), store.config.bucket, store.client
    until = datetime.now(UTC) + timedelta(days=100)
    assert store.protect(stored.sha256, until, hold=False)
    with pytest.raises(S3Error, match="AccessDenied"):
        client.remove_object(bucket, key, stored.version)
    doomed = [DeleteObject(key, stored.version)]
    assert [e.code for e in client.remove_objects(bucket, doomed, bypass_governance_mode=True)] == [
        "AccessDenied"
    ]
    with pytest.raises(S3Error, match="AccessDenied"):
        client.set_object_retention(
            bucket, key, Retention(COMPLIANCE, until - timedelta(days=50)), stored.version
        )
    store.protect(stored.sha256, datetime.now(UTC) + timedelta(days=10), hold=False)
    shown = _version(store, stored.sha256).until
    assert shown is not None
    assert shown >= until


def test_a_delete_marker_or_an_overwrite_hides_nothing(make_s3_store: Make) -> None:
    """Both are allowed in a locked bucket; the right bytes are still given out, and the listing tells."""
    store = make_s3_store()
    hidden, replaced, plain = (store.put(word) for word in (b"hidden", b"replaced", b"plain"))
    store.client.remove_object(store.config.bucket, object_key(hidden.sha256))
    store.client.put_object(store.config.bucket, object_key(replaced.sha256), io.BytesIO(b"forged!!"), 8)
    store._known.clear()
    assert store.read(hidden.sha256) == b"hidden"
    assert store.read(replaced.sha256) == b"replaced"
    covered = {item.name: item.covered for item in store.listing()}
    assert covered == {hidden.sha256: True, replaced.sha256: True, plain.sha256: False}


def test_a_planted_version_is_not_taken_for_the_object(make_s3_store: Make) -> None:
    """Someone put other bytes under the name before us: ours are written beside them and read."""
    store = make_s3_store()
    sha256 = replace(store.put(b"x")).sha256
    other = make_s3_store(bucket=store.config.bucket)
    name = object_key("ab" + sha256[2:])
    store.client.put_object(store.config.bucket, name, io.BytesIO(b"planted"), 7)
    with pytest.raises(ValueError, match="another digest"):
        other.put_back("ab" + sha256[2:], io.BytesIO(b"planted"))
    data = b"the genuine article"
    genuine = DiskStore(other.root).put(data).sha256
    store.client.put_object(store.config.bucket, object_key(genuine), io.BytesIO(b"planted"), 7)
    stored = store.put(data)
    assert len(store.versions(genuine)) == 2
    assert other.read(genuine) == data
    assert stored.version == store.versions(genuine)[1]


def test_a_legal_hold_is_set_and_lifted(make_s3_store: Make) -> None:
    """On the version that is the object; it stays while only the retention changes."""
    store = make_s3_store()
    stored = store.put(b"held")
    store.protect(stored.sha256, datetime.now(UTC) + timedelta(days=5), hold=True)
    assert _version(store, stored.sha256).hold
    store.protect(stored.sha256, None, hold=False)
    assert not _version(store, stored.sha256).hold


def _corrupting(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = store.client.put_object

    def put(bucket: str, key: str, source: Any, length: int, **options: Any) -> Any:
        data = bytearray(source.read())
        data[len(data) // 2] ^= 1
        return sent(bucket, key, io.BytesIO(bytes(data)), length, **options)

    monkeypatch.setattr(store.client, "put_object", put)


def test_a_put_that_arrives_damaged_is_not_acknowledged(
    make_s3_store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit changed on the way; repeated over a good line it succeeds, beside the damaged version."""
    store = make_s3_store()
    with monkeypatch.context() as patch:
        _corrupting(store, patch)
        with pytest.raises(Problem) as refused:
            store.put(b"to be read back")
        assert refused.value.code == "evidence.store_mismatch"
    stored = store.put(b"to be read back")
    assert store.read(stored.sha256) == b"to be read back"


def test_negative_control_without_reading_back_the_damage_would_pass(
    make_s3_store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the read-back switched off the same damaged put is acknowledged: it is what finds it."""
    store = make_s3_store()
    _corrupting(store, monkeypatch)
    monkeypatch.setattr(store, "_read_back", lambda key, version, stored: store.look(key, version))
    stored = store.put(b"to be read back")
    assert store.read(stored.sha256) != b"to be read back"


def test_the_probe_says_enforced_only_when_it_is(make_s3_store: Make, s3_server: ObjectGateway) -> None:
    """Negative control: buckets without object lock, and without versioning, make it shout."""
    assert make_s3_store().probe().state == "enforced"
    bare = make_s3_store()
    bare.client.make_bucket(bare.config.bucket)
    found = bare.probe()
    assert found.state == "NOT enforced"
    assert set(found.faults) == {"versioning is off", "the bucket has no object lock"}
    stored = bare.put(b"still stored, and said to be unprotected")
    assert bare.read(stored.sha256)
    assert not bare.protect(stored.sha256, datetime.now(UTC) + timedelta(days=5), hold=True)


@pytest.mark.parametrize("lie", ["no retention", "governance"])
def test_negative_control_a_store_that_forgets_its_locks_is_found_out(
    make_s3_store: Make, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """A server with all the right settings that does not keep what it promised."""
    store = make_s3_store()
    store.prepare()
    sent = store.client.put_object

    def put(*arguments: Any, **options: Any) -> Any:
        retention = options.pop("retention")
        if lie == "governance":
            options["retention"] = Retention("GOVERNANCE", retention.retain_until_date)
        return sent(*arguments, **options)

    monkeypatch.setattr(store.client, "put_object", put)
    found = store.probe()
    assert found.state == "NOT enforced"
    assert found.faults


async def test_the_service_refuses_to_start_when_asked_to(make_s3_store: Make, tmp_path: Path) -> None:
    """WANGJIAN_STORE_REQUIRE_WORM: only a proven store passes; not a disk, not a bare bucket."""
    await StoreWatch(make_s3_store(), require_worm=True).start()
    bare = make_s3_store()
    bare.client.make_bucket(bare.config.bucket)
    for store in (bare, DiskStore(tmp_path / "disk")):
        with pytest.raises(Problem) as refused:
            await StoreWatch(store, require_worm=True).start()
        assert refused.value.code == "evidence.store_not_worm"
        await StoreWatch(store, require_worm=False).start()


def test_wrong_keys_are_a_clear_refusal(make_s3_store: Make) -> None:
    """503 evidence.store_denied, not a stack trace."""
    for wrong in ({"secret_key": "wrong"}, {"access_key": "nobody"}):
        with pytest.raises(Problem) as refused:
            make_s3_store(**wrong).put(b"x")
        assert (refused.value.code, refused.value.status) == ("evidence.store_denied", 503)


def test_a_store_that_is_away_is_said_to_be_away(make_s3_store: Make) -> None:
    """Nothing listens: 503 within seconds."""
    began = time.monotonic()
    with pytest.raises(Problem) as refused:
        make_s3_store(endpoint="127.0.0.1:1").put(b"x")
    assert (refused.value.code, refused.value.status) == ("evidence.store_unavailable", 503)
    assert time.monotonic() - began < 10


def test_a_store_that_hangs_is_given_up_in_bounded_time(
    make_s3_store: Make, s3_server: ObjectGateway
) -> None:
    """The gateway takes the connection and says nothing: three waits, then 503; thawed, all is well."""
    store = make_s3_store(timeout_seconds=0.5)
    store.prepare()
    s3_server.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(Problem) as refused:
            store.put(b"while it hangs")
        assert refused.value.code == "evidence.store_unavailable"
        assert time.monotonic() - began < 10
    finally:
        s3_server.thaw()
    patient = make_s3_store(bucket=store.config.bucket)
    assert patient.read(patient.put(b"while it hangs").sha256) == b"while it hangs"


def test_a_full_store_is_507(make_s3_store: Make, s3_server: ObjectGateway) -> None:
    """The user's quota is used up: nothing is acknowledged, the spool is empty, and it says what to do."""
    s3_server.admin(
        "user",
        "create",
        "--uid",
        "poor",
        "--display-name",
        "poor",
        "--access-key",
        "poor",
        "--secret-key",
        "poor",
    )
    s3_server.admin("quota", "set", "--quota-scope", "user", "--uid", "poor", "--max-size", "4096")
    s3_server.admin("quota", "enable", "--quota-scope", "user", "--uid", "poor")
    store = make_s3_store(access_key="poor", secret_key="poor")
    with pytest.raises(Problem) as refused:
        store.put(b"x" * 10_000)
    assert (refused.value.code, refused.value.status) == ("evidence.store_full", 507)
    assert not list((store.root / "tmp").iterdir())


def test_settings_of_the_fixture_are_those_of_the_store(s3_server: ObjectGateway) -> None:
    """Two stores of one run never share a bucket by accident."""
    assert s3_config(s3_server).bucket != s3_config(s3_server).bucket
