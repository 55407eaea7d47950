"""地名 who names a place from elsewhere: a gram of its own, for what areas and words exclude.

The name of a place is on every other row there and on hardly any row elsewhere. Asked in another area, the
index would merge hundreds of thousands of rows that have the name with as many of the area, to find almost
nothing. So a row that names a place outside of it has one gram more ("names it from elsewhere"), and an area
the place does not belong to asks for that one: what it finds is few, however many rows there are.

The grams are cut for the region a row has at the time. When that changes later, the database itself notes in
them that the row has moved (migration 0020), and who asks for those elsewhere asks for the moved as well.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.common.scope import region_prefix
from services.registry.search.grams import SEPARATOR, Grams, piece_grams

MOVED: Final = 0x4D4F5645
"""In both arrays of grams of a row whose region has changed since they were cut (kept in migration 0020)."""

_DIVISIONS: Final = Path(__file__).parents[1] / "data" / "jiangxi_divisions.csv"
_ELSEWHERE: Final = 0x5A17C9E3
_SLOTS: Final = 1 << 16

_Numbers = npt.NDArray[np.int32]
Gram = Callable[[str], int]
"""The number of a gram: `plain`, or the keyed hash (`PersonalData.gram`)."""


@cache
def homes() -> Mapping[str, tuple[str, ...]]:
    """Of each two characters in the name of a city or a county: the leading digits of the places so named.

    A new list of divisions needs a migration that cuts the rows anew, as 0020 does.
    """
    found: dict[str, set[str]] = defaultdict(set)
    with _DIVISIONS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            prefix, name = region_prefix(row["code"]), row["name"]
            for at in range(len(name) - 1) if len(prefix) > 2 else ():
                found[name[at : at + 2]].add(prefix)
    return {name: tuple(sorted(prefixes)) for name, prefixes in sorted(found.items())}


@lru_cache(maxsize=4_096)
def foreign(prefix: str) -> frozenset[str]:
    """The names of `homes` no place of which shares rows with the area (leading digits of its divisions)."""
    return frozenset(
        name
        for name, places in homes().items()
        if not any(prefix.startswith(place) or place.startswith(prefix) for place in places)
    )


def plain(name: str) -> int:
    """The number of a gram of texts that are not sealed, and of a name from elsewhere (`elsewhere`)."""
    bare = name.removeprefix(SEPARATOR)
    (number,) = piece_grams(bare)
    return number if bare == name else number ^ _ELSEWHERE


def elsewhere(name: str, gram: Gram) -> int:
    """The gram of a row that has the name (one of `homes`) and lies elsewhere."""
    return gram(SEPARATOR + name)


def named_elsewhere(needle: str, area: str, gram: Gram) -> list[int]:
    """Grams that each row of an area has that holds the needle and has not moved; none if it names no place
    that lies elsewhere.

    area: leading digits of its divisions; empty for all.
    """
    names = {needle[at : at + 2] for at in range(len(needle) - 1)}
    return [elsewhere(name, gram) for name in sorted(names & foreign(area))] if area else []


class _Named(NamedTuple):
    """The names of `homes` by the numbers of their grams, ascending; `order`: where each stands there.

    slots: whether a name's number ends in these bits, which tells nearly all other grams apart at once.
    """

    numbers: _Numbers
    elsewhere: _Numbers
    order: npt.NDArray[np.int64]
    slots: npt.NDArray[np.bool_]


def _named(gram: Gram) -> _Named:
    numbers = np.array([gram(name) for name in homes()], np.int32)
    more = np.array([elsewhere(name, gram) for name in homes()], np.int32)
    slots = np.zeros(_SLOTS, np.bool_)
    slots[numbers & (_SLOTS - 1)] = True
    order = np.argsort(numbers)
    return _Named(numbers[order], more[order], order, slots)


_plain_named: Final = cache(lambda: _named(plain))


def with_elsewhere(grams: Grams, regions: Sequence[str], gram: Gram = plain) -> Grams:
    """The grams of many rows, each in its region, and those of the places it names from elsewhere.

    gram: the keyed hash, where the grams are those of sealed values.
    """
    named = _plain_named() if gram is plain else _named(gram)
    hits = np.flatnonzero(named.slots[grams.numbers & (_SLOTS - 1)])
    at = np.minimum(np.searchsorted(named.numbers, grams.numbers[hits]), len(named.numbers) - 1)
    same = named.numbers[at] == grams.numbers[hits]
    if not same.any():
        return grams
    at, rows = at[same], np.searchsorted(grams.ends, hits[same], side="right")
    known: dict[str, int] = {}
    region = np.array([known.setdefault(code, len(known)) for code in regions], np.int64)
    away = np.stack([_away(code) for code in known])
    from_elsewhere = away[region[rows], named.order[at]]
    at, rows = at[from_elsewhere], rows[from_elsewhere]
    more = np.cumsum(np.bincount(rows, minlength=len(regions)))
    return Grams(np.insert(grams.numbers, grams.ends[rows], named.elsewhere[at]), grams.ends + more)


@lru_cache(maxsize=4_096)
def _away(region: str) -> npt.NDArray[np.bool_]:
    """Of each name of `homes` whether it is foreign to the region."""
    away = foreign(region_prefix(region))
    return np.array([name in away for name in homes()], np.bool_)
