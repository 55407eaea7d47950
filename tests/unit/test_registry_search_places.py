"""Names of places: a row outside a place that names it has the gram that other areas ask for."""

import hashlib
import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from services.common.scope import region_prefix
from services.registry.bootstrap import shipped_divisions
from services.registry.search.places import elsewhere, foreign, homes, named_elsewhere, plain
from services.registry.search.rules import (
    contact_elsewhere,
    contact_grams,
    contact_holds,
    needle,
    query_elsewhere,
    search_fields,
)

CODES = sorted(division.code for division in shipped_divisions())
REGION = st.sampled_from(CODES)
TEXT = st.text(alphabet="南昌市赣州章贡区东湖吉安县 -1a\n", max_size=12)


def keyed(text: str) -> int:
    return zlib.crc32(text.encode()) - (1 << 31)


@given(TEXT, REGION, st.sampled_from((4, 6)), st.integers(0, 12), st.integers(1, 12))
def test_what_an_area_asks_for_its_rows_have(
    value: str, region: str, digits: int, begin: int, size: int
) -> None:
    prefix = region_prefix(region)
    area = prefix[:digits] if len(prefix) >= digits else ""
    piece = value[begin : begin + size]
    text, grams = search_fields([value], region)
    if needle(piece) in text:
        assert set(query_elsewhere(piece, area)) <= set(grams)
    if contact_holds([value], piece):
        hidden = contact_grams({"address": value}, region, keyed)
        assert set(contact_elsewhere(piece, area, keyed)) <= set(hidden)


@given(TEXT, REGION)
def test_a_row_has_the_grams_of_elsewhere_for_what_it_names_and_no_others(value: str, region: str) -> None:
    text, grams = search_fields([value], region)
    named = {name for name in foreign(region_prefix(region)) if name in text}
    assert {number for name in homes() if (number := elsewhere(name, plain)) in grams} == {
        elsewhere(name, plain) for name in named
    }


def test_whose_names_are_foreign() -> None:
    asked = {("赣州", "3601"), ("赣州", "360702"), ("章贡", "360703"), ("章贡", "3607"), ("州市", "3610")}
    assert {one for one in asked if one[0] in foreign(one[1])} == {("赣州", "3601"), ("章贡", "360703")}
    assert named_elsewhere("赣州脐橙", "", plain) == []
    assert named_elsewhere("脐橙", "3601", plain) == []
    assert foreign("36") == frozenset()


def test_other_divisions_need_a_migration_that_cuts_anew() -> None:
    """Rows are cut by this list; whoever changes it must mark the rows anew, as migration 0020 does."""
    told = json.dumps(homes(), ensure_ascii=False, sort_keys=True).encode()
    assert hashlib.sha256(told).hexdigest()[:16] == "ae33ec21957753cf"
