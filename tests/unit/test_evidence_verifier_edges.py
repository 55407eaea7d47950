"""The verifier at its very edges: the last permitted moment, one byte too many, two logs, odd numbers."""

import datetime as dt
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.renewals import records
from services.evidence.verification.verifier import (
    Failed,
    Unreadable,
    container,
    contents,
    log,
    read_trust,
    timestamps,
    tokens,
    verify,
)
from services.evidence.verification.verifier.renewal import hashed
from services.evidence.verification.verifier.strict import canonical
from tests.evidence_renewal import add, authority, digests, year
from tests.evidence_samples import Signers, make_package, sample_artefacts

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
SKEW = dt.timedelta(seconds=300)
SECOND = dt.timedelta(seconds=1)


def written(when: dt.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- what can be a package at all --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (b"PK", True),
        (b"PK" + b"x" * 100, True),
        (b"x" * 50 + b"PK" + b"x" * 20, True),
        (b"x" * 50 + b"PK" + b"x" * 21, False),
        (b"x" * 50 + b"PK" + b"x" * 19, False),
        (b"x" + b"PK" + b"x" * 30, False),
        (b"P", False),
        (b"", False),
        (b"x" * 100, False),
    ],
)
def test_a_file_begins_or_ends_like_a_zip(data, is_one):
    assert container.is_package(io.BytesIO(data)) is is_one


def zipped(name: bytes, data: bytes, *, gap: bytes = b"", more: bytes = b"") -> bytes:
    """One stored file; gap: bytes between it and the directory; more: bytes at the directory's end."""
    crc = container.crc32(data)
    head = container.local_header(name, crc, len(data)) + data + gap
    directory = container.central_header(name, crc, len(data), 0) + more
    return head + directory + container.end_record(1, len(directory), len(head))


def test_nothing_lies_between_a_packages_parts():
    good = zipped(b"a", b"data")
    (member,) = container.read_members(io.BytesIO(good), len(good))
    assert (member.name, member.size) == ("a", 4)
    for bad in (zipped(b"a", b"data", gap=b"x"), zipped(b"a", b"data", more=b"x")):
        with pytest.raises(Failed, match="central directory does not match the files"):
            container.read_members(io.BytesIO(bad), len(bad))


# --- numbers as RFC 8785 writes them -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.5, "1.5"), (-1.5, "-1.5"), (0.1, "0.1"), (0.012, "0.012"),
        (0.000001, "0.000001"), (0.0000012, "0.0000012"), (1e-7, "1e-7"), (1.2e-7, "1.2e-7"),
        (-1.25e-9, "-1.25e-9"), (5e-324, "5e-324"), (123456.75, "123456.75"),
        (4503599627370495.5, "4503599627370495.5"),
    ],
)  # fmt: skip
def test_numbers_as_ecmascript_writes_them(value, text):
    assert canonical([value]) == f"[{text}]".encode()


@given(st.floats(-(2.0**53) + 1, 2.0**53 - 1))
def test_numbers_agree_with_another_implementation(value):
    assert canonical([value]) == rfc8785.dumps([value])


def test_members_are_in_the_order_of_utf_16():
    """RFC 8785 §3.2.3: a surrogate (D83D) comes before FB33, though its character is the greater one."""
    value = {"\ufb33": 1, "\U0001f600": 2, "a": 3}
    assert list(json.loads(canonical(value))) == ["a", "\U0001f600", "\ufb33"]
    assert canonical(value) == rfc8785.dumps(value)


# --- times that follow each other --------------------------------------------------------------------------


def captured(**changes: Any) -> SimpleNamespace:
    """What `check_times` looks at; every time is noon unless said otherwise."""
    given = {"start": NOON, "end": NOON, "seen": NOON, "stamped": NOON, "cosigned": NOON} | changes
    clock = {"offset_ms": given.get("offset_ms")}
    times = {"start": written(given["start"]), "end": written(given["end"]), "clock": clock}
    return SimpleNamespace(
        predicate={"times": times},
        policy={"max_skew_seconds": 300},
        beacon={"cosigned": [("w", given["seen"])]},
        proof={"cosigned": [("w", given["cosigned"])]},
        stamps=[{"time": given["stamped"]}],
    )


@pytest.mark.parametrize(
    ("at_the_edge", "beyond", "words"),
    [
        ({"end": NOON}, {"end": NOON - SECOND}, "ends before it starts"),
        ({"seen": NOON + SKEW}, {"seen": NOON + SKEW + SECOND}, "starts before its beacon"),
        ({"stamped": NOON - SKEW}, {"stamped": NOON - SKEW - SECOND}, "stamped before the capture ended"),
        ({"cosigned": NOON - SKEW}, {"cosigned": NOON - SKEW - SECOND}, "cosigned before it was stamped"),
        ({"offset_ms": 300_000}, {"offset_ms": 300_001}, "clock was too far off"),
    ],
)
def test_the_skew_is_permitted_to_the_last_second(at_the_edge, beyond, words):
    log.check_times(captured(**at_the_edge))
    with pytest.raises(Failed, match=words):
        log.check_times(captured(**beyond))


# --- two logs ----------------------------------------------------------------------------------------------


def grown(document: dict[str, Any], old: int, new: int) -> SimpleNamespace:
    """What `check_growth` looks at; old and new: which log of the trust file."""
    return SimpleNamespace(
        content=lambda _: rfc8785.dumps(document),
        beacon={"log": old, "size": 5, "root": b"a" * 32},
        proof={"log": new, "size": 9, "root": b"b" * 32},
    )


def test_between_two_logs_there_is_nothing_to_prove_and_nothing_may_be_said():
    empty = {"hashes": [], "new": 0, "old": 0, "v": 1}
    assert log.check_growth(grown(empty, 0, 1)) == "an older log of the trust file"
    with pytest.raises(Failed, match="between two logs"):
        log.check_growth(grown(empty | {"hashes": ["A" * 43 + "="]}, 0, 1))
    for wrong in ({"old": 5}, {"new": 9}, {"new": 1}):
        with pytest.raises(Failed, match="not between beacon and seal"):
            log.check_growth(grown(empty | wrong, 0, 1))
    with pytest.raises(Failed, match="consistency proof: not base64"):
        log.check_growth(grown(empty | {"hashes": ["?"]}, 0, 1))


@pytest.mark.parametrize(
    ("beacon_log", "size", "older"), [(0, 1, True), (1, 4, True), (1, 5, False), (2, 1, False)]
)
def test_a_beacon_is_older_when_its_log_comes_earlier_or_its_tree_ends_before_the_leaf(
    beacon_log, size, older, monkeypatch
):
    monkeypatch.setattr(log, "read_note", lambda *_: {"log": beacon_log, "size": size})
    package = SimpleNamespace(
        predicate={"times": {"beacon_checkpoint": ""}}, trust={}, proof={"log": 1, "index": 4}, beacon=None
    )
    if older:
        assert log.check_beacon(package) == f"{size} entries"
    else:
        with pytest.raises(Failed, match="not older than the seal"):
            log.check_beacon(package)


# --- values at their least ---------------------------------------------------------------------------------


def test_an_empty_file_can_be_evidence():
    signers = Signers()
    package = make_package(signers, sample_artefacts({"evidence/empty.txt": b""}))
    trust = read_trust(json.dumps(signers.trust()).encode())
    assert verify(io.BytesIO(package), trust)["verdict"] == "VALID"


@pytest.mark.parametrize("since", ["yesterday", None, 5, "2030-01-01"])
def test_since_when_a_digest_is_weak_is_a_moment(since):
    with pytest.raises(Unreadable):
        read_trust(json.dumps(Signers().trust() | {"weak_digests": {"sha256": since}}).encode())
    read_trust(json.dumps(Signers().trust() | {"weak_digests": {"sha256": written(NOON)}}).encode())


# --- what was digested, and what is listed -----------------------------------------------------------------


def test_every_digested_file_is_the_one_the_directory_lists():
    """As many files of which one is another, and one file too few, are both no match."""
    data = make_package(Signers(), sample_artefacts())
    listed = container.read_members(io.BytesIO(data), len(data))
    other = container.Member(listed[0].name, listed[0].crc ^ 1, listed[0].size, listed[0].start)
    for scanned in ([other, *listed[1:]], listed[:-1]):
        package: Any = SimpleNamespace(reader=io.BytesIO(data), length=len(data), scanned=scanned)
        with pytest.raises(Failed, match="files that were digested are not those"):
            contents.check_structure(package)
    package = SimpleNamespace(reader=io.BytesIO(data), length=len(data), scanned=listed)
    assert contents.check_structure(package).startswith(f"{len(listed)} files")


# --- DER of time stamps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["1f8101", "1f0100", "3f2100", "bf1f00", "30"])
def test_tags_of_several_bytes_and_half_an_element_are_no_der_of_ours(data: str):
    with pytest.raises(Failed, match="broken DER"):
        list(tokens.der_elements(bytes.fromhex(data)))
    assert [element.tag for element in tokens.der_elements(bytes.fromhex("1e003e00"))] == [0x1E, 0x3E]


# --- time stamps that were renewed -------------------------------------------------------------------------

FIRST, SECOND_ONE = authority("edge-a", 0), authority("edge-b", 1)


def held(expires: dt.datetime, now: dt.datetime, weak: dict[str, str] | None = None) -> SimpleNamespace:
    """What `check_current` looks at: a stamp that ends at `expires`, and a record that begins in year(1)."""
    record = add({}, records.begin(digests({"p": b"package"})), FIRST, year(1))
    trust: dict[str, Any] = {"tsas": [FIRST.description(), SECOND_ONE.description()]}
    return SimpleNamespace(
        stamps=[{"expires": expires}, {"expires": expires + SECOND}],
        record=record["p"],
        trust=trust | ({"weak_digests": weak} if weak else {}),
        now=now,
        digest=lambda name: hashed(name, b"package"),
    )


def test_a_record_takes_over_before_the_first_stamp_ends():
    soon = year(1) + SECOND
    assert timestamps.check_current(held(year(1), soon)).startswith("renewed, until ")
    with pytest.raises(Failed, match="the record begins after the certificate expired"):
        timestamps.check_current(held(year(1) - SECOND, soon))


def test_a_digest_the_trust_file_calls_weak_no_longer_carries_a_record():
    later = year(1) + 30 * dt.timedelta(days=1)
    timestamps.check_current(held(year(1), later, {"sha256": written(later + SECOND)}))
    with pytest.raises(Failed, match="no longer safe"):
        timestamps.check_current(held(year(1), later, {"sha256": written(later)}))


def test_without_a_stamp_or_a_record_nothing_is_current():
    package = held(year(1), year(1))
    package.record = None
    assert timestamps.check_current(package) == f"until {year(1).isoformat()}"
    package.stamps = []
    with pytest.raises(Failed, match="no valid time stamp"):
        timestamps.check_current(package)
