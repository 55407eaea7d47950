"""The store's parts that need no server: the ranged reader, what errors mean, settings, versions."""

import asyncio
import io
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.error import S3Error, ServerError
from urllib3.exceptions import MaxRetryError

from infra import radosgw
from services.common.problems import Problem
from services.evidence.objects.disk import DiskStore
from services.evidence.objects.faults import store_away
from services.evidence.objects.opening import open_store
from services.evidence.objects.s3_errors import asking
from services.evidence.objects.s3_reader import FIRST_WINDOW, LARGEST_WINDOW, S3Reader
from services.evidence.objects.s3_versions import by_name, described, whole_seconds
from services.evidence.objects.watch import StoreWatch
from services.evidence.settings import EvidenceSettings

MOVES = st.lists(st.tuples(st.integers(0, 900_000), st.integers(-1, 700_000)), max_size=12)


@given(st.integers(0, 800_000), MOVES)
def test_a_ranged_reader_is_a_file(size, moves):
    """Whatever is sought and read, the bytes are those of a file in memory; no request leaves the object."""
    data = bytes(size)[: size // 2] + bytes([1]) * (size - size // 2)
    asked = []

    def fetch(offset, length):
        assert 0 <= offset < size
        assert 0 < length <= size - offset
        asked.append(length)
        return data[offset : offset + length]

    ours, plain = S3Reader(size, fetch), io.BytesIO(data)
    for at, count in moves:
        assert ours.seek(at) == plain.seek(at) == ours.tell()
        assert ours.read(count) == plain.read(count)
        assert ours.tell() == plain.tell() or at > size


def test_reading_on_takes_few_requests_and_looking_around_small_ones():
    """From front to back the windows grow; a jump asks for a small one again."""
    size, asked = 64 << 20, []

    def fetch(offset, length):
        asked.append(length)
        return bytes(length)

    reader = S3Reader(size, fetch)
    while reader.read(1 << 20):
        pass
    assert len(asked) < 12
    assert max(asked) == LARGEST_WINDOW
    asked.clear()
    reader.seek(5)
    reader.read(10)
    assert asked == [FIRST_WINDOW]


def _s3(code, status=400):
    response = SimpleNamespace(status=status)
    return S3Error(response, code, "", "", "", "")


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (_s3("QuotaExceeded", 403), "evidence.store_full", 507),
        (_s3("XMinioStorageFull", 507), "evidence.store_full", 507),
        (ServerError("full", 507), "evidence.store_full", 507),
        (_s3("SlowDown", 503), "evidence.store_unavailable", 503),
        (_s3("InternalError", 500), "evidence.store_unavailable", 503),
        (ServerError("bad gateway", 502), "evidence.store_unavailable", 503),
        (MaxRetryError(None, "/"), "evidence.store_unavailable", 503),
        (ConnectionResetError(), "evidence.store_unavailable", 503),
        (TimeoutError(), "evidence.store_unavailable", 503),
        (_s3("AccessDenied", 403), "evidence.store_denied", 503),
        (_s3("InvalidAccessKeyId", 403), "evidence.store_denied", 503),
        (_s3("NoSuchBucket", 404), "evidence.store_denied", 503),
    ],
)
def test_every_trouble_says_what_it_is(error, code, status):
    """Full, away and denied are told apart: the worker repeats, the administrator knows where to look."""
    with pytest.raises(Problem) as told, asking():
        raise error
    assert (told.value.code, told.value.status) == (code, status)
    assert told.value.todo_zh


def test_what_is_not_there_is_no_trouble_of_the_store():
    """A missing object is FileNotFoundError, as on a disk."""
    with pytest.raises(FileNotFoundError), asking():
        raise _s3("NoSuchKey", 404)


def test_settings_that_do_not_suffice_are_named(tmp_path: Path):
    """S3 without its address or keys: one clear Problem that names the variables."""
    with pytest.raises(Problem, match="WANGJIAN_S3_ENDPOINT, WANGJIAN_S3_ACCESS_KEY, WANGJIAN_S3_SECRET_KEY"):
        open_store(EvidenceSettings(store="s3"), tmp_path)
    with pytest.raises(Problem, match="WANGJIAN_S3_SECRET_KEY_FILE"):
        open_store(EvidenceSettings(store="s3", s3_secret_key_file=tmp_path / "none"), tmp_path)
    keys = {"s3_access_key": "a", "s3_secret_key": "b"}
    with pytest.raises(Problem, match="WANGJIAN_S3_ENDPOINT"):
        open_store(EvidenceSettings(store="s3", s3_endpoint="https://s3.example", **keys), tmp_path)
    assert open_store(EvidenceSettings(), tmp_path).kind == "disk"


class _HangingStore(DiskStore):
    """A store that does not answer the probe for a while."""

    def probe(self):
        time.sleep(0.6)
        return super().probe()


async def test_a_store_that_hangs_does_not_hold_up_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The service comes up with `unknown` and learns the answer later."""
    monkeypatch.setattr("services.evidence.objects.watch._AT_START_SECONDS", 0.05)
    watch = StoreWatch(_HangingStore(tmp_path), require_worm=False)
    await watch.start()
    assert watch.report()["worm"] == "unknown"
    await asyncio.wait_for(watch._asked.wait(), 5)
    assert watch.report()["worm"] == "not offered (disk)"
    await watch.stop()


async def test_a_store_that_is_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`unknown` with the reason; a service that insists on WORM does not start."""
    store = DiskStore(tmp_path)
    monkeypatch.setattr("services.evidence.objects.watch._AGAIN_SECONDS", 0.05)
    with monkeypatch.context() as patch:

        def away():
            raise store_away("test")

        patch.setattr(store, "probe", away)
        watch = StoreWatch(store, require_worm=False)
        await watch.start()
        assert "not available" in watch.report()["worm_faults"][0]
        with pytest.raises(Problem, match="not available"):
            await StoreWatch(store, require_worm=True).start()
    await asyncio.sleep(0.3)
    assert watch.report()["worm"] == "not offered (disk)"
    await watch.stop()


def test_the_secret_is_not_in_what_settings_print(tmp_path: Path):
    """Neither the variable nor the file's content shows in a log line."""
    file = tmp_path / "secret"
    file.write_text("from-a-file\n", encoding="ascii")
    given_settings = EvidenceSettings(s3_secret_key="in-a-variable", s3_secret_key_file=file)
    assert "in-a-variable" not in repr(given_settings)
    assert given_settings.s3_secret() == "from-a-file"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)))
def test_a_lock_is_never_asked_for_early(moment):
    """Whole seconds, rounded up."""
    assert timedelta(0) <= whole_seconds(moment) - moment < timedelta(seconds=1)
    assert whole_seconds(moment).microsecond == 0


def test_only_compliance_counts_as_a_lock():
    """GOVERNANCE can be lifted by whoever has the right: it is no lock to us."""
    headers = {
        "x-amz-version-id": "v",
        "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00.000000000Z",
    }
    assert described({**headers, "x-amz-object-lock-mode": "GOVERNANCE"}, 1).until is None
    assert described({**headers, "x-amz-object-lock-mode": "COMPLIANCE"}, 1).until == datetime(
        2030, 1, 1, tzinfo=UTC
    )


def test_a_name_with_only_delete_markers_is_not_there():
    """And one with a version and a marker is there, and covered."""

    def row(key, *, marker=False):
        return SimpleNamespace(
            object_name=key, is_delete_marker=marker, last_modified=datetime.now(UTC), size=3, version_id="v"
        )

    listed = by_name(
        [row("sha256/aa/aa1", marker=True), row("sha256/aa/aa2"), row("sha256/aa/aa2", marker=True)]
    )
    assert [(one.name, one.covered) for one in listed] == [("aa2", True)]


def test_the_test_server_says_what_is_missing(monkeypatch, tmp_path):
    """A machine without Ceph gets names, not a crash."""
    monkeypatch.setattr(radosgw.shutil, "which", lambda *_, **__: None)
    assert "radosgw" in radosgw.missing()
