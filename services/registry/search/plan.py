"""检索计划 in which windows a list is walked, newest first, until its page is full.

Two ways to look through a window of numbers (`no`): read its rows in order and stop at the page (cheap when
matches are frequent), or let GIN intersect grams and facts (cheap when they are rare). Which is cheaper
depends on how frequent matches are *after* filtering, and frequencies of single tokens do not tell: tokens
attract and exclude each other (a county's name in a shop's name). So a window is small at first, what it
yields tells the next one's way and width, and every step is bounded: a wrong guess costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

BUCKET_BITS: Final = 14
GRAMS_ASKED: Final = 3
# Fewer rows than this are fetched in one go, whatever the page.
FEW: Final = 1_000
# From this share of rows on it pays to read rows in order.
FREQUENT: Final = 0.02
_FIRST_SCAN: Final = 2_048
_LONGEST_SCAN: Final = 65_536
# So many candidates are asked of the index at first, for a page of a few dozen.
_FIRST_ASKED: Final = 300
# GIN pays for every token of an "any of" at every row it looks at: more than a few cost more than they save.
_BUCKETS_ASKED: Final = 8


class Way(StrEnum):
    """How a window is looked through."""

    SCAN = "scan"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a table: rows, lowest and highest number, share of rows that have a frequent token.

    Tokens that a sample of the rows did not show are rare; they are missing here.
    """

    rows: int = 0
    low: int = 0
    high: int = 0
    grams: Mapping[int, float] = field(default_factory=dict)
    contacts: Mapping[int, float] = field(default_factory=dict)
    facets: Mapping[str, float] = field(default_factory=dict)
    floor: float = 0.0001


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a row's arrays must have: the query's grams (of its text, or of its contacts) and facts.

    facets: all of these; groups: one of each. Without grams the query was too short to have any, or empty.
    """

    grams: tuple[int, ...] = ()
    contacts: tuple[int, ...] = ()
    facets: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def any(self) -> bool:
        """Whether GIN can narrow anything."""
        return bool(self.grams or self.facets or self.groups)


@dataclass(frozen=True, slots=True)
class Window:
    """Numbers from `low` (None: the lowest) to below `before` (None: the highest), and the way through."""

    way: Way
    before: int | None
    low: int | None
    buckets: tuple[str, ...] = ()


def rarest(grams: Sequence[int], shares: Mapping[int, float]) -> tuple[int, ...]:
    """The few grams that narrow most; among those not known to be frequent, any."""
    ordered = sorted(grams, key=lambda gram: shares.get(gram, 0.0))
    return tuple(ordered[:GRAMS_ASKED])


def share(tokens: Tokens, shape: Shape) -> float:
    """At most this share of rows can match, by the rarest token asked."""
    facets = [shape.facets.get(token, shape.floor) for token in tokens.facets]
    facets += [sum(shape.facets.get(token, shape.floor) for token in group) for group in tokens.groups]
    narrowed = min([1.0, *facets])
    if not tokens.grams:
        return narrowed
    found = min(shape.grams.get(gram, shape.floor) for gram in tokens.grams)
    if tokens.contacts:
        found += min(shape.contacts.get(gram, shape.floor) for gram in tokens.contacts)
    return min(narrowed, found)


class Walk:
    """The windows of one list, newest first; told after each how much it yielded."""

    def __init__(
        self, tokens: Tokens, shape: Shape, before: int | None, wanted: int, *, few: bool = False
    ) -> None:
        """before: only numbers below it (a page's cursor; None: all); wanted: how many matches are enough.

        few: other conditions leave few rows and have an index: one window is enough.
        """
        self._tokens, self._shape, self._wanted = tokens, shape, wanted
        self._before = before
        self._first = shape.high + 1 if before is None else before
        self._share = share(tokens, shape)
        # Numbers may have gaps (imports undone): widths are in numbers, shares in rows.
        self._spread = max((shape.high + 1 - shape.low) / max(shape.rows, 1), 1.0)
        self._width = self._found = 0
        self._few = few or (tokens.any and self._share * shape.rows <= FEW)
        self._done = False

    @property
    def needs_top(self) -> bool:
        """Whether the highest number must be known first: buckets get named, and `shape` may be old."""
        scans = self._share >= FREQUENT or not self._tokens.any
        return self._before is None and not self._few and not scans

    def next(self) -> Window | None:
        """The next window; None when the lowest number has been passed or enough was found."""
        if self._done or self._found >= self._wanted:
            return None
        if self._few:
            return self._last(Way.INDEX)
        start = self._first if self._before is None else self._before
        way, width = self._choose(start)
        low = start - width
        if way is Way.INDEX:
            low = low >> BUCKET_BITS << BUCKET_BITS
        if low <= self._shape.low:
            return self._last(way)
        self._width = start - low
        window = Window(way, self._before, low, self._buckets(way, low, start))
        self._before = low
        return window

    def learn(self, found: int) -> None:
        """How many matches the last window yielded."""
        self._found += found

    def resume(self, before: int) -> None:
        """The last window was not looked through to its end: go on below this number."""
        self._before, self._done = before, False

    def _last(self, way: Way) -> Window:
        self._done = True
        buckets = () if self._before is None else self._buckets(way, 0, self._before)
        return Window(way, self._before, None, buckets)

    def _choose(self, start: int) -> tuple[Way, int]:
        walked, most = self._first - start, _BUCKETS_ASKED - 1 << BUCKET_BITS
        missing = self._wanted - self._found
        if walked <= 0:
            if self._share >= FREQUENT or not self._tokens.any:
                return Way.SCAN, self._scan_width(missing / self._share)
            return Way.INDEX, min(int(max(_FIRST_ASKED, missing) / self._share * self._spread), most)
        rate = self._found / walked
        if rate * self._spread >= FREQUENT / 4:
            return Way.SCAN, self._scan_width(1.5 * missing / rate / self._spread)
        if not self._tokens.any:
            return Way.SCAN, 4 * self._width
        # What is left holds few by all that is known: ask for all of it.
        if self._width >= most and rate * start <= FEW:
            return Way.INDEX, start
        return Way.INDEX, most

    def _scan_width(self, rows: float) -> int:
        return int(min(max(rows, _FIRST_SCAN), _LONGEST_SCAN) * self._spread)

    def _buckets(self, way: Way, low: int, before: int) -> tuple[str, ...]:
        first, last = low >> BUCKET_BITS, (before - 1) >> BUCKET_BITS
        if way is Way.SCAN or last - first >= _BUCKETS_ASKED:
            return ()
        return tuple(f"b{bucket}" for bucket in range(first, last + 1))
