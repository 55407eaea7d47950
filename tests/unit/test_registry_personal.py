"""Personal values: sealed for their row, equal only by keyed hash, keys never made twice."""

import hmac
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.personal import KeyRing, PersonalData, PersonalDataError
from services.registry.changes.rules import Changed, compared
from services.registry.changes.rules import shown as history_shows
from services.registry.personal.rules import PERSONAL, mask, masked, personal_of

RING = KeyRing({1: b"\x01" * 32, 2: b"\x02" * 32}, 2, b"\x03" * 32)
HERE, THERE = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"
VALUES = {"phone": "13870911234", "address": "江西省南昌市"}
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)


@pytest.fixture
def personal() -> PersonalData:
    return PersonalData(RING)


@given(values=st.dictionaries(texts.filter(bool), texts, max_size=6), about=texts)
def test_what_is_sealed_opens_again(values: dict[str, str], about: str) -> None:
    personal = PersonalData(RING)
    assert personal.open(personal.seal(values, about), about) == values


@given(before=texts, after=texts)
def test_nul_is_refused_and_never_read_as_another_field(before: str, after: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        PersonalData(RING).seal({"phone": f"{before}\0{after}", "qq": before}, HERE)


def test_a_value_moved_to_another_row_does_not_open(personal: PersonalData) -> None:
    sealed = personal.seal(VALUES, HERE)
    assert personal.open(sealed, HERE) == VALUES
    with pytest.raises(PersonalDataError):
        personal.open(sealed, THERE)


def test_negative_control_unbound_values_would_open_anywhere(personal: PersonalData) -> None:
    """The binding is what the test above sees: sealed about nothing, the same value opens in every row."""
    sealed = personal.seal(VALUES, "")
    assert personal.open(sealed, "") == VALUES


def test_any_changed_byte_is_noticed(personal: PersonalData) -> None:
    sealed = personal.seal(VALUES, HERE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(PersonalDataError):
            personal.open(bytes(changed), HERE)
    for length in range(len(sealed)):
        with pytest.raises(PersonalDataError):
            personal.open(sealed[:length], HERE)


def test_the_same_value_never_looks_the_same(personal: PersonalData) -> None:
    assert len({personal.seal(VALUES, HERE) for _ in range(200)}) == 200
    assert b"13870911234" not in personal.seal(VALUES, HERE)


def test_hashes_tell_equality_within_a_kind_and_a_key_only(personal: PersonalData) -> None:
    other = PersonalData(KeyRing(RING.data, 2, b"\x04" * 32))
    key = personal.key(1, "13870911234")
    assert key == PersonalData(RING).key(1, "13870911234")
    assert (
        len({key, personal.key(2, "13870911234"), personal.key(1, "1387091123"), other.key(1, "13870911234")})
        == 4
    )
    assert -(2**63) <= key < 2**63
    assert personal.gram("1387") != other.gram("1387")
    assert -(2**31) <= personal.gram("1387") < 2**31


@given(key=st.binary(min_size=1, max_size=130), kind=st.integers(0, 254), norm=texts)
def test_the_keyed_hash_is_hmac_sha256(key: bytes, kind: int, norm: str) -> None:
    expected = hmac.digest(key, bytes([kind]) + norm.encode(), "sha256")[:8]
    personal = PersonalData(KeyRing(RING.data, 2, key))
    assert personal.key(kind, norm) == int.from_bytes(expected, "big", signed=True)


def test_many_rows_are_sealed_each_for_itself(personal: PersonalData) -> None:
    rows = [(VALUES, HERE)] * 300 + [({"qq": "1"}, THERE), ({}, THERE)]
    sealed = personal.seal_many(rows)
    assert [personal.open(one, about) for one, (_, about) in zip(sealed, rows, strict=True)] == [
        values for values, _ in rows
    ]
    assert len({one[3:15] for one in sealed}) == len(sealed)  # no nonce is drawn twice
    with pytest.raises(PersonalDataError):
        personal.open(sealed[0], THERE)
    assert personal.seal_many([]) == []


def test_many_values_are_sealed_each_for_itself(personal: PersonalData) -> None:
    rows = [("phone", "13870911234", HERE)] * 300 + [("qq", "", THERE)]
    sealed = personal.seal_each(rows)
    assert [personal.open(one, about) for one, (_, _, about) in zip(sealed, rows, strict=True)] == [
        {name: value} for name, value, _ in rows
    ]
    assert len({one[3:15] for one in sealed}) == len(sealed)
    for name, value in (("phone", "1\x002"), ("pho\0ne", "1")):
        with pytest.raises(ValueError):
            personal.seal_each([(name, value, HERE)])


def test_old_data_keys_open_and_the_newest_seals(personal: PersonalData) -> None:
    old = PersonalData(KeyRing({1: b"\x01" * 32}, 1, b"\x03" * 32))
    assert personal.open(old.seal(VALUES, HERE), HERE) == VALUES
    with pytest.raises(PersonalDataError):
        old.open(personal.seal(VALUES, HERE), HERE)
    old.adopt(RING)
    assert old.open(personal.seal(VALUES, HERE), HERE) == VALUES


def test_it_goes_into_other_processes_and_says_nothing_about_its_keys(personal: PersonalData) -> None:
    copy = pickle.loads(pickle.dumps(personal))  # noqa: S301 - our own bytes
    assert copy.open(personal.seal(VALUES, HERE), HERE) == VALUES
    assert copy.gram("1387") == personal.gram("1387")
    for text in (repr(personal), str(personal), repr(personal.ring)):
        assert "\\x01" not in text and "\\x03" not in text


def test_threads_share_it(personal: PersonalData) -> None:
    def work(number: int) -> bool:
        value = {"phone": str(number)}
        same = personal.key(1, str(number)) == PersonalData(RING).key(1, str(number))
        return same and personal.open(personal.seal(value, HERE), HERE) == value

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(500)))


@given(field=st.sampled_from(sorted(PERSONAL)), value=st.text(min_size=1, max_size=40))
def test_a_mask_keeps_little(field: str, value: str) -> None:
    shown = mask(field, value)
    assert shown is not None
    kept = sum(a != "*" for a in shown)
    assert kept <= 7 and (len(value) <= 4 or "*" in shown)


def test_masks() -> None:
    assert masked({"phone": "13870911234", "id_card": "360121198001010019", "legal_person": "王五"}) == {
        **dict.fromkeys(PERSONAL),
        "phone": "138****1234",
        "id_card": "********0019",
        "legal_person": "王*",
    }
    assert personal_of({"phone": "", "qq": None, "name": "店", "wechat": "a"}) == {"wechat": "a"}


plain = st.none() | st.booleans() | st.text(max_size=8) | st.lists(st.text(max_size=4), max_size=2)
records = st.dictionaries(st.sampled_from(["name", "phone", "scope", "over_100k", "categories"]), plain)


@given(before=records, after=records)
def test_a_change_is_what_differs_and_nothing_else(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Applied to what was, the changes give what is; taken back, what was."""
    changed = compared(before, after)
    merged = {**before, **{one.field: one.new for one in changed}}
    assert compared(merged, after) == []
    assert [one.field for one in changed if one.field not in after] == []
    assert all(one.old == before.get(one.field) and one.personal == (one.field == "phone") for one in changed)
    back = {**merged, **{one.field: one.old for one in changed}}
    assert compared(back, before) == []


@given(field=st.sampled_from(sorted(PERSONAL)), value=st.text(min_size=8, max_size=30))
def test_the_history_never_shows_a_personal_value(field: str, value: str) -> None:
    assert history_shows(field, value) != value or set(value) == {"*"}
    assert history_shows("name", value) == value


def test_no_and_empty_differ_only_where_it_matters() -> None:
    assert compared({"over_100k": None}, {"over_100k": False}) == [Changed("over_100k", None, False)]
    assert compared({"scope": ""}, {"scope": None}) == []
