"""Judging a chain of custody: what each kind of tampering shows as, and that a sound chain shows as sound."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.custody.chain import Kept, judge, read
from services.evidence.custody.rules import Actor, Happened, document, log_entry, reported_actor
from services.evidence.grants.rules import Word, is_news, read_word
from services.evidence.log.merkle import leaf_hash

ITEM = "01JD0000000000000000000000"
AT = dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC)
ACTOR = Actor("u-1", "李取证", "360121-SJ", "192.0.2.7", "南昌县市场监督管理局")


def kept(seq: int, previous: bytes | None, happened: Happened, item: str = ITEM) -> Kept:
    link = hashlib.sha256(previous).hexdigest() if previous else ""
    made = document(item, seq, happened, AT, link)
    said = read(made) or {}
    names = ("event", "actor", "via", "client_ip", "reason", "about", "at")
    entry = log_entry(made)
    return Kept(seq, made, {name: said[name] for name in names}, entry, seq + 40, leaf_hash(entry))


def chain(length: int, item: str = ITEM) -> list[Kept]:
    found: list[Kept] = []
    for seq in range(1, length + 1):
        happened = Happened("viewed", ACTOR, f"事由 {seq}", {"path": "evidence/page.png"})
        found.append(kept(seq, found[-1].document if found else None, happened, item))
    return found


def changed(one: Kept, **fields: Any) -> bytes:
    return json.dumps(json.loads(one.document) | fields).encode()


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_sound_chain_is_intact_and_its_newest_events_may_wait(length: int, logged: int) -> None:
    events = chain(length)
    events[logged:] = [dataclasses.replace(one, index=None, leaf=None) for one in events[logged:]]
    found = judge(ITEM, events, length)
    assert found.verdict == ("waiting" if logged < length else "intact")
    assert found.waiting == list(range(logged + 1, length + 1))
    assert not found.altered and not found.missing and all(not one.faults for one in found.events)


TAMPERINGS: dict[str, tuple[Callable[[Kept], Kept], str]] = {
    "column": (
        lambda one: dataclasses.replace(one, columns={**one.columns, "reason": "别的事由"}),
        "columns",
    ),
    "person in a column": (
        lambda one: dataclasses.replace(
            one, columns={**one.columns, "actor": {**one.columns["actor"], "name": "王外地"}}
        ),
        "columns",
    ),
    "document": (lambda one: dataclasses.replace(one, document=changed(one, reason="x")), "leaf_differs"),
    "document that is none": (lambda one: dataclasses.replace(one, document=b"{"), "document"),
    "document and queued entry": (
        lambda one: dataclasses.replace(
            one, document=changed(one, reason="x"), entry=log_entry(changed(one, reason="x"))
        ),
        "leaf_differs",
    ),
    "queued entry": (lambda one: dataclasses.replace(one, entry=log_entry(b"other")), "leaf_differs"),
    "no entry": (lambda one: dataclasses.replace(one, entry=None, index=None, leaf=None), "leaf_missing"),
    "tree": (lambda one: dataclasses.replace(one, leaf=bytes(32)), "leaf_differs"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
@given(length=st.integers(1, 6), data=st.data())
def test_a_changed_record_is_named_and_only_that_one(name: str, length: int, data: st.DataObject) -> None:
    tamper, code = TAMPERINGS[name]
    at = data.draw(st.integers(0, length - 1))
    events = chain(length)
    events[at] = tamper(events[at])
    found = judge(ITEM, events, length)
    assert found.verdict == "altered"
    assert found.altered == [at + 1]
    assert code in found.events[at].faults


@given(length=st.integers(2, 8), data=st.data())
def test_removed_records_are_gaps_with_their_numbers(length: int, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(1, length), min_size=1, max_size=length))
    found = judge(ITEM, [one for one in chain(length) if one.seq not in gone], length)
    assert (found.verdict, found.missing) == ("gap", sorted(gone))
    after = [one.seq for one in found.events if one.verdict == "gap"]
    assert after == [seq for seq in range(1, length + 1) if seq not in gone and seq - 1 in gone]


def test_records_that_change_places_or_items_are_found() -> None:
    one, two, three = chain(3)
    swapped = [one, dataclasses.replace(three, seq=2), dataclasses.replace(two, seq=3)]
    assert judge(ITEM, swapped, 3).altered == [2, 3]
    foreign = chain(2, item="01JD0000000000000000000001")
    assert judge(ITEM, [*chain(1), foreign[1]], 2).altered == [2]


def test_a_record_made_anew_in_the_middle_breaks_the_link() -> None:
    """Even with leaf and entry of its own: the event after it was bound to the one that was there."""
    events = chain(3)
    events[1] = kept(2, events[0].document, Happened("viewed", ACTOR, "伪造"))
    found = judge(ITEM, events, 3)
    assert found.verdict == "altered"
    assert (found.events[2].link, found.events[2].faults) == ("altered", ["link"])


def test_a_counter_set_back_does_not_hide_events() -> None:
    assert judge(ITEM, chain(3), 2).verdict == "altered"


def test_documents_of_version_1_are_judged_as_they_are() -> None:
    plain = {
        "v": 1, "evidence_id": ITEM, "seq": 1, "event": "viewed", "client_ip": "", "reason": "", "salt": "00",
        "actor": {"sub": "u", "name": "n", "org": "o"}, "at": "2026-11-21T08:00:00Z", "previous_sha256": "",
    }  # fmt: skip
    made = json.dumps(plain).encode()
    columns = {
        "event": "viewed", "actor": {"sub": "u", "name": "n", "org": "o", "org_name": ""}, "via": "",
        "client_ip": "", "reason": "", "about": {}, "at": plain["at"],
    }  # fmt: skip
    entry = log_entry(made)
    assert judge(ITEM, [Kept(1, made, columns, entry, 0, leaf_hash(entry))], 1).verdict == "intact"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_fact_without_a_person_names_the_service(given_actor: Any) -> None:
    assert reported_actor("casework", given_actor) == Actor("service:casework", "casework")


def test_a_reported_person_is_recorded_with_who_told_of_it() -> None:
    told = {"sub": "u-1", "name": "李", "org": "360121-SJ", "org_name": "县局", "client_ip": "192.0.2.7"}
    expected = Actor("u-1", "李", "360121-SJ", "192.0.2.7", "县局", "casework")
    assert reported_actor("casework", told) == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_the_newest_word_wins_whatever_the_order(versions: list[int]) -> None:
    known: int | None = None
    for version in versions:
        if is_news(Word("e", "o", "clue:1", version, ""), known):
            known = version
    assert known == max(versions)


def test_words_from_before_grounds_were_named_are_understood() -> None:
    assert read_word({"evidence_id": "e", "org_code": "o"}) == Word("e", "o", "", 0, "")
