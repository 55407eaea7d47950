"""检索规则 how text is folded and cut so that any substring of it can be found.

The embedded PostgreSQL has no pg_trgm. Grams (`search.grams`) in an `int[]` column under a GIN index narrow
the rows; a look at the folded text then decides, so a hash collision costs time and never correctness.
Sealed values have keyed grams: what those find is opened and looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

from services.common.clock import utc_now
from services.registry.search.grams import (
    SEPARATOR,
    Grams,
    Remembered,
    around,
    keyed_grams,
    piece_grams,
    plain_grams,
)
from services.registry.search.places import Gram, named_elsewhere, plain, with_elsewhere

MAX_FOLDED: Final = 4_000
# Filters for one value of a column: name in the query, column, letter of its token (`search.models`).
EQUAL: Final = (
    ("kind", "kind", "k"),
    ("channel", "channel", "c"),
    ("platform", "platform", "p"),
    ("claim", "claim_state", "j"),
    ("status", "status", "s"),
    ("source", "source", "o"),
)
_PERIOD, _PERIODS = 90 * 24 * 3600, 40
_BEIJING: Final = timezone(timedelta(hours=8))
# White space, control and format characters: all of them lie in planes 0, 1 and the tags of plane 14.
_INVISIBLE: Final[dict[int, None]] = {
    code: None
    for code in (*range(0x20000), *range(0xE0000, 0xE0100))
    if chr(code).isspace() or unicodedata.category(chr(code)) in {"Cf", "Cc"}
}
# Visible ASCII and Han characters: NFKC and case folding do nothing to them but lower the case.
_PLAIN: Final = re.compile("[!-~\u4e00-\u9fff]*")
_PLAIN_LINES: Final = re.compile("[!-~\u4e00-\u9fff\n]*")
_SEPARATORS: Final = "-._()+/*#~–—"
_BETWEEN_DIGITS: Final = re.compile(rf"(?<=[0-9])[{re.escape(_SEPARATORS)}]+(?=[0-9])")


def fold(text: str) -> str:
    """Search form of a text: NFKC, case folded, without white space, format and control characters."""
    bare = text.replace(" ", "")
    if _PLAIN.fullmatch(bare):
        return bare.lower()
    kept = unicodedata.normalize("NFKC", text).casefold().translate(_INVISIBLE)
    return kept if unicodedata.is_normalized("NFKC", kept) else unicodedata.normalize("NFKC", kept)


def _folded(values: Sequence[str]) -> list[str]:
    """Each value folded: all at once where nothing but capitals and spaces is in the way."""
    joined = SEPARATOR.join(values).replace(" ", "")
    if _PLAIN_LINES.fullmatch(joined) and joined.count(SEPARATOR) == len(values) - 1:
        return joined.lower().split(SEPARATOR)
    return [fold(value) for value in values]


def visible(text: str) -> str:
    """The text without white space, control and format characters."""
    return text.translate(_INVISIBLE)


def search_fields(values: Iterable[str | None], region: str) -> tuple[str, list[int]]:
    """`(search_text, grams)` for one row: its searchable values folded, one a line; grams never cross values.

    region: the row's; places it names that lie elsewhere give a gram more (`search.places`). The text is cut
    at 4,000 characters in all, so that one absurd value cannot blow an index up.
    """
    return search_fields_many([values], [region])[0]


def search_fields_many(
    rows: Iterable[Iterable[str | None]], regions: Sequence[str]
) -> list[tuple[str, list[int]]]:
    """`search_fields` of many rows at once, several times as fast a row."""
    texts, grams = search_fields_flat(rows, regions)
    return list(zip(texts, grams.lists(), strict=True))


def search_fields_flat(
    rows: Iterable[Iterable[str | None]], regions: Sequence[str]
) -> tuple[list[str], Grams]:
    """The same with all grams in one array (imports)."""
    texts = [_search_text(values) for values in rows]
    return texts, with_elsewhere(plain_grams(texts), regions)


def _search_text(values: Iterable[str | None]) -> str:
    folded = _folded([value for value in values if value])
    parts = dict.fromkeys([_bare(text) if text[:4] == "http" else text for text in folded])
    parts.pop("", None)
    return SEPARATOR.join(parts)[:MAX_FOLDED]


def start_of(day: date) -> datetime:
    """The first moment of a day in China."""
    return datetime.combine(day, time(), tzinfo=_BEIJING)


def inspection_periods(since: date) -> list[tuple[str, ...]]:
    """Tokens of the 90 days in which something was inspected on a day or later; none for a day long ago."""
    first, last = (int(moment.timestamp()) // _PERIOD for moment in (start_of(since), utc_now()))
    periods = tuple(f"i{period}" for period in range(first, last + 2))
    return [periods] if 0 < len(periods) <= _PERIODS else []


def _bare(folded: str) -> str:
    return folded.partition("://")[2] if folded.startswith(("http://", "https://")) else folded


def needle(query: str) -> str:
    """What a search text must contain: the query folded; a web address without scheme and last slash."""
    folded = fold(query)
    bare = _bare(folded)
    return folded if bare == folded else bare.rstrip("/")


def query_grams(query: str) -> list[int]:
    """Grams that a row must have to contain the query, sorted; none when the query is too short."""
    return piece_grams(needle(query))


def query_around(query: str) -> list[int]:
    """Grams of which a row must have one to contain a query of two ASCII characters or three digits."""
    return around(needle(query))


def query_elsewhere(query: str, area: str) -> list[int]:
    """Grams that each row of an area has that contains the query and has not moved, if that names a place
    elsewhere; area: leading digits of its divisions, empty for all.
    """
    return named_elsewhere(needle(query), area, plain)


def contact_elsewhere(query: str, area: str, gram: Gram) -> list[int]:
    """The same of a sealed value."""
    return named_elsewhere(_contact_needle(query), area, gram)


def like_pattern(query: str) -> str:
    """LIKE pattern (escape character `\\`) for a substring match of the folded query."""
    escaped = needle(query).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contact_grams(values: Mapping[str, str], region: str, gram: Gram) -> list[int]:
    """Keyed hashes of the grams of one row's sealed values; gram: the keyed hash (`PersonalData.gram`).

    region: the row's, as for `search_fields`. Values are cut in the form `contact_form` gives them.
    """
    return contact_grams_many([values], [region], gram)[0]


def contact_grams_many(
    rows: Iterable[Mapping[str, str]], regions: Sequence[str], gram: Gram
) -> list[list[int]]:
    """`contact_grams` of many rows at once, several times as fast a row."""
    return contact_grams_flat(rows, regions, gram).lists()


def contact_grams_flat(
    rows: Iterable[Mapping[str, str]],
    regions: Sequence[str],
    gram: Gram,
    remembered: Remembered | None = None,
) -> Grams:
    """The same with all grams in one array (imports)."""
    texts = [_apart(SEPARATOR.join(_folded(list(values.values())))) for values in rows]
    return with_elsewhere(keyed_grams(texts, gram, remembered), regions, gram)


def contact_query(query: str, gram: Gram) -> list[int]:
    """Keyed grams a sealed value must have to hold the query; none when the query is too short to ask.

    Shortest query: two characters when one is Chinese, three of a Latin account, four digits.
    """
    return keyed_grams([_contact_needle(query)], gram).lists()[0]


def contact_form(value: str) -> str:
    """How a sealed value is searched: folded, numbers without what separates them (0797-123 456)."""
    return _apart(fold(value))


def _apart(folded: str) -> str:
    """Folded text, its numbers without what separates them."""
    return folded if folded.isalnum() else _BETWEEN_DIGITS.sub("", folded)


def contact_holds(values: Iterable[str], query: str) -> bool:
    """Whether one of the opened values holds the query, both in the form in which they are searched."""
    wanted = _contact_needle(query)
    return wanted != "" and any(wanted in contact_form(value) for value in values)


def _contact_needle(query: str) -> str:
    return contact_form(query).strip(_SEPARATORS)
