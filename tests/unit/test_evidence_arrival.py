"""The custodian verifies a package while it arrives: same report, no endless wait, nothing left."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.custodian.arrival import Arrival, CutShortError
from infra.custodian.identity import load_or_create
from infra.custodian.vault import RefusedError, Vault
from services.evidence.verification.verifier import verify
from tests.evidence_forger import Sample

WITHIN = 20


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


def _verified_on_arrival(arrival: Arrival, data: bytes, cuts: list[int], trust: dict) -> dict:
    with ThreadPoolExecutor(2) as threads, arrival:
        verifying = threads.submit(verify, cast(BinaryIO, arrival), trust)
        syncing = threads.submit(arrival.sync)
        edges = [0, *sorted(cuts), len(data)]
        for start, end in pairwise(edges):
            arrival.receive(data[start:end])
        arrival.end()
        syncing.result(WITHIN)
        return verifying.result(WITHIN)


@settings(max_examples=15, deadline=None)
@given(given=st.data())
def test_the_report_is_that_of_the_finished_file(sample, tmp_path_factory, given):
    data, last = bytearray(sample.bytes), len(sample.bytes) - 1
    cuts = given.draw(st.lists(st.integers(0, last), max_size=6))
    flipped = given.draw(st.none() | st.integers(0, last))
    if flipped is not None:
        data[flipped] ^= 1
    expected = verify(io.BytesIO(bytes(data)), sample.trust)
    assert (expected["verdict"] == "VALID") == (flipped is None)
    path = tmp_path_factory.mktemp("arrival") / "package"
    arrival = Arrival(path, 1 << 20)
    assert _verified_on_arrival(arrival, bytes(data), cuts, sample.trust) == expected
    assert not path.exists()


def test_a_reader_waits_for_its_bytes_and_for_no_more(tmp_path):
    with ThreadPoolExecutor(1) as threads, Arrival(tmp_path / "p", 10) as arrival:
        reading = threads.submit(arrival.read, 4)
        arrival.receive(b"abc")
        assert not reading.done()
        arrival.receive(b"d")
        assert reading.result(WITHIN) == b"abcd"


@pytest.mark.parametrize("reader", ["read", "sync"])
def test_a_sender_that_stops_early_ends_every_wait(tmp_path, reader):
    before = threading.active_count()
    with Arrival(tmp_path / "p", 10) as arrival, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(getattr(arrival, reader))
        arrival.receive(b"abc")
        arrival.cut()
        with pytest.raises(CutShortError):
            waiting.result(WITHIN)
    assert not (tmp_path / "p").exists()
    assert threading.active_count() == before


def test_more_bytes_than_the_limit_are_refused(tmp_path):
    with Arrival(tmp_path / "p", 3) as arrival, pytest.raises(ValueError, match="too large"):
        arrival.receive(b"abcd")


def _vault(folder, sample: Sample) -> Vault:
    return Vault(folder / "store", load_or_create(folder / "identity"), sample.trust)


def _kept(vault: Vault) -> list[str]:
    return [file.name for part in ("receipts", "sha256") for file in (vault._root / part).rglob("*.*")]


def test_a_whole_package_is_verified_before_its_end_and_kept_after_it(sample, tmp_path, monkeypatch):
    from infra.custodian import vault as module

    verified, real = threading.Event(), module.verifier.verify

    def verify_and_tell(*given, **named):
        report = real(*given, **named)
        verified.set()
        return report

    monkeypatch.setattr(module.verifier, "verify", verify_and_tell)
    vault, item = _vault(tmp_path, sample), verify(io.BytesIO(sample.bytes), sample.trust)["evidence_id"]
    with ThreadPoolExecutor(1) as threads, vault.begin() as arrival:
        taking = threads.submit(vault.take, item, arrival)
        arrival.receive(sample.bytes)
        assert verified.wait(WITHIN)
        assert not taking.done()
        assert _kept(vault) == [], "kept before its sender ended it"
        arrival.end()
        taking.result(WITHIN)
    assert len(_kept(vault)) == 2


def test_a_whole_package_that_is_not_ended_is_not_kept(sample, tmp_path):
    vault, item = _vault(tmp_path, sample), verify(io.BytesIO(sample.bytes), sample.trust)["evidence_id"]
    with ThreadPoolExecutor(1) as threads, vault.begin() as arrival:
        taking = threads.submit(vault.take, item, arrival)
        arrival.receive(sample.bytes)
        arrival.cut()
        with pytest.raises(CutShortError):
            taking.result(WITHIN)
    assert _kept(vault) == []


@pytest.mark.parametrize("more", [b"x", b"PK" + bytes(40), None])
def test_bytes_after_what_seemed_the_end_count(sample, tmp_path, more):
    """None: the whole package once more, so that it closes as a package a second time."""
    vault, item = _vault(tmp_path, sample), verify(io.BytesIO(sample.bytes), sample.trust)["evidence_id"]
    with ThreadPoolExecutor(1) as threads, vault.begin() as arrival:
        taking = threads.submit(vault.take, item, arrival)
        arrival.receive(sample.bytes)
        arrival.receive(sample.bytes if more is None else more)
        arrival.end()
        with pytest.raises(RefusedError, match="not valid"):
            taking.result(WITHIN)
    assert _kept(vault) == []
