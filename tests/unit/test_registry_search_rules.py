"""Grams and forms of search: a piece of a value asks only for grams the value has; walks end."""

import zlib
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from services.registry.search.plan import Shape, Tokens, Walk, Way, Window
from services.registry.search.rules import (
    contact_grams,
    contact_grams_many,
    contact_holds,
    contact_query,
    fold,
    needle,
    query_around,
    query_grams,
    search_fields,
    search_fields_many,
)

TEXT = st.text(alphabet="赣州脐橙有限公司aB1２3456789-()~ \u200b１𠮷", max_size=14)
REGIONS = ("360702", "360102", "360000", "360700")
REGION = "360000"


def keyed(text: str) -> int:
    return zlib.crc32(text.encode()) - (1 << 31)


@given(st.lists(st.lists(st.one_of(st.none(), TEXT), max_size=4), max_size=6))
def test_many_rows_at_once_are_as_one_by_one(rows: list[list[str | None]]) -> None:
    regions = [REGIONS[at % len(REGIONS)] for at in range(len(rows))]
    assert [(t, sorted(g)) for t, g in search_fields_many(rows, regions)] == [
        (t, sorted(g)) for t, g in map(search_fields, rows, regions)
    ]
    values = [{str(n): value for n, value in enumerate(row) if value} for row in rows]
    together = [sorted(grams) for grams in contact_grams_many(values, regions, keyed)]
    assert together == [sorted(contact_grams(*one, keyed)) for one in zip(values, regions, strict=True)]


@given(TEXT, st.integers(0, 14), st.integers(1, 14))
def test_a_piece_of_a_contact_is_found(value: str, begin: int, size: int) -> None:
    piece = fold(value)[begin : begin + size]
    wanted = contact_query(piece, keyed)
    if wanted:
        assert set(wanted) <= set(contact_grams({"phone": value}, REGION, keyed))
        assert contact_holds([value], piece)


def test_what_is_a_gram() -> None:
    counts = {"茶": 1, "ab": 0, "123": 0, "a1": 0, "茶业": 1, "abc": 1, "1234": 1, "茶业行": 2}
    assert {text: len(query_grams(text)) for text in counts} == counts
    assert query_grams("ＡＢＣ") == query_grams("abc")
    assert needle("https://Shop1.example.com/") == "shop1.example.com"
    assert contact_query("0797-1234", keyed) == contact_query("07971234", keyed)
    assert contact_query("123", keyed) == []


@given(TEXT, st.integers(0, 14), st.integers(1, 14))
def test_a_piece_of_a_text_is_found(value: str, begin: int, size: int) -> None:
    text, grams = search_fields([value], REGION)
    piece = text[begin : begin + size]
    assert set(query_grams(piece)) <= set(grams)
    assert not query_around(piece) or set(query_around(piece)) & set(grams)


def test_what_has_grams_around_it() -> None:
    counts = {
        "茶": 0,
        "a": 0,
        "12": 0,
        "茶a": 0,
        "abc": 0,
        "1234": 0,
        "123": 21,
        "ab": 137,
        "1a": 137,
        "-.": 137,
    }
    assert {text: len(query_around(text)) for text in counts} == counts
    others = search_fields(["12", "a-1", "茶ba店", "1124 13"], REGION)[1]
    assert not {*query_around("123"), *query_around("ab")} & {*others}


def test_a_walk_through_an_area_ends_whatever_it_finds() -> None:
    shape = Shape(rows=2_000_000, low=1, high=2_000_000, grams={1: 0.4, 2: 0.01}, facets={"r360102": 0.1})
    for gram, found, apart in product((1, 2), (0, 1, 3, 9), (1, 10)):  # found: of each window
        walk, windows = Walk(Tokens(grams=(gram,), area="360102"), shape, None, 1_000_000), 0
        lowest = 2_000_900  # 900 rows came after the sample
        while (window := walk.next()) and windows < 5_000:
            windows += 1
            lowest -= min(apart * (window.rows or 0), lowest)
            walk.learn(found, lowest + 7 if found and window.rows else None)
            if walk.must_pass:
                walk.passed(lowest or None)
        assert windows < 5_000


def cost_bound(rows: int, found: int) -> tuple[Walk, list[Window]]:
    """A walk that may look through some 20,000 rows, each window of which yields `found`."""
    shape = Shape(rows=rows, low=1, high=rows, grams={1: 0.03}, floor=0.0001)
    walk, windows = Walk(Tokens(grams=(1,)), shape, None, 2_001, most=20_000), list[Window]()
    while window := walk.next():
        windows.append(window)
        walk.learn(found)
    return walk, windows


def test_a_bounded_walk_counts_the_few_there_are_and_leaves_the_many() -> None:
    for found in (0, 1):  # frequent grams, hardly any match: the index is asked for all of them, once
        walk, windows = cost_bound(171_466, found)
        assert not walk.cut and (windows[-1].way, windows[-1].low) == (Way.INDEX, None)
    many, _ = cost_bound(171_466, 300)
    assert many.cut
    # Merging so many entries would cost more than is allowed.
    large, _ = cost_bound(100_000_000, 0)
    assert large.cut


def test_a_walk_ends_whatever_it_finds() -> None:
    shape = Shape(rows=2_000_000, low=1, high=2_000_000, grams={1: 0.4, 2: 0.01}, floor=0.0001)
    for tokens in (
        Tokens(),
        Tokens(grams=(1,)),
        Tokens(grams=(2,)),
        Tokens(grams=(9,)),
        Tokens(facets=("r1",)),
    ):
        walk, windows = Walk(tokens, shape, 2_000_001, 21), []
        while window := walk.next():
            windows.append(window)
            walk.learn(0)
        assert windows[-1].low is None and len(windows) < 50
        edges = [(one.low, after.before) for one, after in pairwise(windows)]
        assert all(low == before for low, before in edges)
        assert not tokens.narrow or windows[-1].way is Way.INDEX
