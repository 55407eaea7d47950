"""检索计划 in which windows a list is walked, newest first, until its page is full.

Three ways to look through a window: read rows in order and stop at the page, either all rows or those of one
area (cheap when matches are frequent), or let GIN intersect grams and facts (cheap when they are rare). Which
is cheaper depends on how frequent matches are *after* filtering, and frequencies of single tokens do not
tell: tokens attract and exclude each other (a county's name in a shop's name). So a window is small at
first, what it yields tells the next one's way and width, and every step is bounded: a wrong guess costs
milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.registry.search.places import MOVED

BUCKET_BITS: Final = 14
GRAMS_ASKED: Final = 3
# Fewer rows than this are fetched in one go, whatever the page.
FEW: Final = 1_000
# From this share of rows on it pays to read rows in order, as long as nothing better is known.
FREQUENT: Final = 0.02
_FIRST_READ: Final = 512
_LONGEST_READ: Final = 65_536
# Asked for many rows of an area at once, the planner may sort the whole table rather than walk the index.
_LONGEST_AREA: Final = 4_096
# So many candidates are asked of the index at first, for a page of a few dozen.
_FIRST_ASKED: Final = 300
# What asking GIN costs, reading a row being 1: for each arm; each row with one of the tokens it merges, and
# that once for each token of an "any of".
_ASKING: Final = 400
_MERGED: Final = 0.01
_MERGED_AROUND: Final = 0.002
# Rows that could be read in the time that a stretch asked of the index takes, about.
_COST_ASKED: Final = 2_000
# GIN pays for every token of an "any of" at every row it looks at: too many cost more than they save.
_BUCKETS_ASKED: Final = 8
_BUCKETS_IN_AREA: Final = 32
# On more rows than this a further gram costs more than it narrows.
_COMMON: Final = 0.1
# Those who name a place from elsewhere are asked for when they are no more than this, the moved included.
_SELDOM: Final = 0.02


class Way(StrEnum):
    """How a window is looked through: all rows in order, those of the area in order, by GIN."""

    SCAN = "scan"
    AREA = "area"
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

    grams: all of these; around: one of these, where a query is too short to have grams; elsewhere: one of
    these as well, where it names a place outside the area (`search.places`), and the same of contacts; area:
    leading digits (4 or 6) of the divisions asked for, empty for all; facets: all of these; groups: one of
    each. Without grams and around there is no query, or GIN cannot narrow it.
    """

    grams: tuple[int, ...] = ()
    around: tuple[int, ...] = ()
    contacts: tuple[int, ...] = ()
    elsewhere: tuple[int, ...] = ()
    contacts_elsewhere: tuple[int, ...] = ()
    area: str = ""
    facets: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def narrow(self) -> bool:
        """Whether GIN can narrow anything but the area."""
        return bool(self.grams or self.around or self.facets or self.groups)


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked through next, and the way.

    Numbers from `low` (None: the lowest) to below `before` (None: the highest); of those at most `rows`
    (None: all), the highest.
    """

    way: Way
    before: int | None
    low: int | None = None
    rows: int | None = None
    buckets: tuple[str, ...] = ()


def rarest(grams: Sequence[int], shares: Mapping[int, float], sure: int = 1) -> tuple[int, ...]:
    """The few grams that narrow most; among those not known to be frequent, any.

    sure: so many are asked, however frequent.
    """
    ordered = sorted(grams, key=lambda gram: shares.get(gram, 0.0))
    further = [gram for gram in ordered[sure:GRAMS_ASKED] if shares.get(gram, 0.0) < _COMMON]
    return (*ordered[:sure], *further)


def or_moved(elsewhere: Sequence[int], shares: Mapping[int, float]) -> tuple[int, ...]:
    """The rarest of the grams that those have who name a place from elsewhere, and that of the moved.

    None where that would not narrow: when too many rows have one of them.
    """
    if not elsewhere:
        return ()
    asked = (min(elsewhere, key=lambda gram: shares.get(gram, 0.0)), MOVED)
    return asked if sum(shares.get(gram, 0.0) for gram in asked) < _SELDOM else ()


def share(tokens: Tokens, shape: Shape) -> float:
    """At most this share of the area's rows can match, by the rarest token asked, the area apart."""
    facets = [shape.facets.get(token, shape.floor) for token in tokens.facets]
    facets += [sum(shape.facets.get(token, shape.floor) for token in group) for group in tokens.groups]
    narrowed = min([1.0, *facets])
    if tokens.around:
        found = shape.floor + sum(shape.grams.get(gram, 0.0) for gram in tokens.around)
        return min(narrowed, found)
    if not tokens.grams:
        return narrowed
    found = _share(tokens.grams, tokens.elsewhere, shape.grams, shape.floor)
    if tokens.contacts:
        found += _share(tokens.contacts, tokens.contacts_elsewhere, shape.contacts, shape.floor)
    return min(narrowed, found)


def _share(all_of: Sequence[int], one_of: Sequence[int], shares: Mapping[int, float], floor: float) -> float:
    found = min(shares.get(gram, floor) for gram in all_of)
    return min(found, sum(shares.get(gram, floor) for gram in one_of)) if one_of else found


class Walk:
    """The windows of one list, newest first; told after each how much it yielded."""

    def __init__(
        self,
        tokens: Tokens,
        shape: Shape,
        before: int | None,
        wanted: int,
        *,
        few: bool = False,
        most: int | None = None,
    ) -> None:
        """before: only numbers below it (a page's cursor; None: all); wanted: how many matches are enough.

        few: other conditions leave few rows and have an index: one window is enough; most: the walk may end
        when about so many rows were looked through (None: never before its end).
        """
        self._tokens, self._shape, self._wanted = tokens, shape, wanted
        self._before = before
        self._share = share(tokens, shape)
        area = shape.facets.get(f"r{tokens.area}", shape.floor) if tokens.area else 1.0
        self._rows = max(shape.rows, 1) * area
        # Rows of the area there are for each number (imports undone leave gaps).
        self._density = min(self._rows / max(shape.high + 1 - shape.low, 1), 1.0)
        self._found = 0
        self._read = 0.0  # rows of the area that were looked through
        self._asked = 0  # numbers in the last window asked of the index
        self._rows_read = 0  # rows in the last window, if it was read within an area
        self._empty = False  # whether the last window had no match
        # Merging the index's lists for all of an area costs as much as to read so many rows.
        each = _MERGED + _MERGED_AROUND * len(tokens.around)
        self._merging = (each * self._share + _MERGED * area) * shape.rows
        # Tokens may attract each other: in an area there may be all the table's matches.
        at_most = min(self._share * shape.rows / 3, self._rows) if tokens.area else self._share * shape.rows
        self._few = few or (tokens.narrow and at_most <= max(FEW, wanted))
        self._done = False
        self._most, self._cost = most, 0.0
        self.cut = False
        """Whether the walk ended, or may have ended, because enough was looked through."""

    @property
    def needs_top(self) -> bool:
        """Whether the highest number must be known first: buckets get named, and `shape` may be old."""
        asks = not self._few and self._tokens.narrow and not self._tokens.area
        return self._before is None and asks and self._share < FREQUENT

    def next(self) -> Window | None:
        """The next window; None when the lowest number has been passed or enough was found."""
        if self._done or self._found >= self._wanted:
            return None
        if self._few:
            return self._last()
        if self._most is not None and self._cost >= self._most:
            if self._few_left(self._most):
                return self._last()
            self.cut = True
            return None
        if not self._tokens.narrow or self._frequent():
            return self._read_on()
        return self._ask()

    def learn(self, found: int, last: int | None = None) -> None:
        """How many matches the last window yielded, and the number of the last of them (None: no match)."""
        self._found += found
        self._empty = last is None
        if self._rows_read and last is not None:
            self.passed(last)  # or a little further: that is read again

    @property
    def must_pass(self) -> bool:
        """Whether the end of the last window must be told: an area's rows, no match, and reading goes on."""
        on = self._found > 0 or not self._tokens.narrow
        return self._rows_read > 0 and self._empty and on and self._found < self._wanted

    def passed(self, lowest: int | None) -> None:
        """The last window went down to this number; None: to the end."""
        if lowest is None:
            self._done = True
        else:
            # (More rows than numbers: those inserted since the shape was taken.)
            self._density = min(self._rows_read / max(self._start - lowest, 1), 1.0)
        self._before = lowest

    def resume(self, before: int) -> None:
        """The last window was not looked through to its end: go on below this number."""
        self._before, self._done = before, False

    def _frequent(self) -> bool:
        """Whether reading on costs less than asking the index: rows to read against rows it would give."""
        if self._read:
            rate = self._found / self._read
            missing = self._wanted - self._found
            if not self._tokens.area:
                return rate * rate * self._rows >= missing
            asked = min(self._needed / self._rows, 1.0) * (rate * self._rows + self._merging)
            return missing <= rate * (asked + _ASKING * (1 + bool(self._tokens.contacts)))
        return self._share >= FREQUENT or bool(self._tokens.area)

    def _few_left(self, most: int) -> bool:
        """Whether by what was read few match in all, and the index gives them for less than is allowed."""
        few = self._tokens.narrow and self._found / max(self._read, 1) * self._rows <= FEW
        return few and self._merging <= most

    def _read_on(self) -> Window:
        # With nothing to ask the index for, a wide window loses nothing: it is left when the page is full.
        longest = _LONGEST_AREA if self._tokens.area else self._most or _LONGEST_READ
        least = _FIRST_READ if self._tokens.narrow else longest
        if self._read == 0 and self._tokens.area:
            longest = least
        rows = min(max(self._needed, least), longest)
        self._read += rows
        self._cost += rows
        if self._tokens.area:
            self._rows_read = int(rows)
            return Window(Way.AREA, self._before, rows=self._rows_read)
        return self._down_to(Way.SCAN, self._start - int(rows / self._density))

    @property
    def _needed(self) -> float:
        """In so many rows there is what is missing, by what was found so far or else by the tokens' share."""
        rate = self._found / self._read if self._read else self._share
        return 1.5 * (self._wanted - self._found) / max(rate, 0.001)

    def _ask(self) -> Window:
        """Ask the index in stretches, or for all that is left when that is little by all that is known."""
        self._rows_read = 0
        most = self._most_buckets - 1 << BUCKET_BITS
        width = self._width(most)
        few = self._read > 0 and self._found / self._read * self._rows <= max(FEW, self._wanted)
        if few and width > most:
            return self._last()
        self._asked = min(width, most)
        self._cost += _COST_ASKED
        low = self._start - self._asked >> BUCKET_BITS << BUCKET_BITS
        self._read += max(self._start - low, 0) * self._density
        return self._down_to(Way.INDEX, low)

    def _width(self, most: int) -> int:
        """Over so many numbers the index is asked next; `most` is known to be too many."""
        if self._found:
            return max(int(max(self._needed, _COST_ASKED) / self._density), 2 * self._asked)
        if self._asked or self._tokens.area:
            return most + 1
        return int(max(_FIRST_ASKED, self._wanted) / self._share / self._density)

    @property
    def _most_buckets(self) -> int:
        return _BUCKETS_IN_AREA if self._tokens.area else _BUCKETS_ASKED

    @property
    def _start(self) -> int:
        return self._shape.high + 1 if self._before is None else self._before

    def _down_to(self, way: Way, low: int) -> Window:
        if low <= self._shape.low:
            self._done = True
            return Window(way, self._before, buckets=self._buckets(way, 0))
        window = Window(way, self._before, low, buckets=self._buckets(way, low))
        self._before = low
        return window

    def _last(self) -> Window:
        self._done, self._rows_read = True, 0
        return Window(Way.INDEX, self._before)

    def _buckets(self, way: Way, low: int) -> tuple[str, ...]:
        first, last = low >> BUCKET_BITS, (self._start - 1) >> BUCKET_BITS
        if way is not Way.INDEX or self._before is None or last - first >= self._most_buckets:
            return ()
        return tuple(f"b{bucket}" for bucket in range(first, last + 1))
