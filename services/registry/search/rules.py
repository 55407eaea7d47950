"""检索规则 how text is folded and cut so that any substring of it can be found.

The embedded PostgreSQL has no pg_trgm. Grams (`search.grams`) in an `int[]` column under a GIN index narrow
the rows; a LIKE on the folded text then decides, so a hash collision costs time and never correctness.
Sealed values have keyed grams: what those find is opened and looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from services.registry.search.grams import SEPARATOR, keyed_grams, plain_grams

MAX_FOLDED: Final = 4_000
# White space, control and format characters: all of them lie in planes 0, 1 and the tags of plane 14.
_INVISIBLE: Final[dict[int, None]] = {
    code: None
    for code in (*range(0x20000), *range(0xE0000, 0xE0100))
    if chr(code).isspace() or unicodedata.category(chr(code)) in {"Cf", "Cc"}
}
_INVISIBLE_ASCII: Final = re.compile(r"[\x00-\x20\x7f]")
_FOLDED: Final = re.compile("[0-9a-z\u4e00-\u9fff]*")
_LETTER: Final = re.compile(r"[^\W\d_]")


def fold(text: str) -> str:
    """Search form of a text: NFKC, case folded, without white space, format and control characters."""
    if _FOLDED.fullmatch(text):
        return text
    if text.isascii():
        return _INVISIBLE_ASCII.sub("", text).lower()
    kept = unicodedata.normalize("NFKC", text).casefold().translate(_INVISIBLE)
    return kept if unicodedata.is_normalized("NFKC", kept) else unicodedata.normalize("NFKC", kept)


def visible(text: str) -> str:
    """The text without white space, control and format characters."""
    return text.translate(_INVISIBLE)


def search_fields(values: Iterable[str | None]) -> tuple[str, list[int]]:
    """`(search_text, grams)` for one row: its searchable values folded, one a line; grams never cross values.

    The text is cut at 4,000 characters in all, so that one absurd value cannot blow an index up.
    """
    return search_fields_many([values])[0]


def search_fields_many(rows: Iterable[Iterable[str | None]]) -> list[tuple[str, list[int]]]:
    """`search_fields` of many rows at once, several times as fast a row (imports)."""
    texts = [_search_text(values) for values in rows]
    return list(zip(texts, plain_grams(texts), strict=True))


def _search_text(values: Iterable[str | None]) -> str:
    parts = dict.fromkeys([_bare(fold(value)) for value in values if value])
    parts.pop("", None)
    return SEPARATOR.join(parts)[:MAX_FOLDED]


def _bare(folded: str) -> str:
    return folded.partition("://")[2] if folded.startswith(("http://", "https://")) else folded


def needle(query: str) -> str:
    """What a search text must contain: the query folded; a web address without scheme and last slash."""
    folded = fold(query)
    bare = _bare(folded)
    return folded if bare == folded else bare.rstrip("/")


def query_grams(query: str) -> list[int]:
    """Grams that a row must have to contain the query, sorted; none when the query is too short."""
    return sorted(plain_grams([needle(query)])[0])


def like_pattern(query: str) -> str:
    """LIKE pattern (escape character `\\`) for a substring match of the folded query."""
    escaped = needle(query).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contact_grams(values: Mapping[str, str], gram: Callable[[str], int]) -> list[int]:
    """Keyed hashes of the grams of one row's sealed values; gram: the keyed hash (`PersonalData.gram`).

    Values are cut in the forms `contact_forms` gives them.
    """
    return contact_grams_many([values], gram)[0]


def contact_grams_many(rows: Iterable[Mapping[str, str]], gram: Callable[[str], int]) -> list[list[int]]:
    """`contact_grams` of many rows at once, several times as fast a row (imports)."""
    texts = [SEPARATOR.join([form for v in values.values() for form in contact_forms(v)]) for values in rows]
    return keyed_grams(texts, gram)


def contact_query(query: str, gram: Callable[[str], int]) -> list[int]:
    """Keyed grams a sealed value must have to hold the query; none when the query is too short to ask.

    Shortest query: two characters when one is Chinese, three of a Latin account, four digits. A number
    written with separators is asked without them.
    """
    return sorted(keyed_grams([contact_forms(query)[-1]], gram)[0])


def contact_forms(value: str) -> tuple[str, ...]:
    """How a sealed value is searched: folded; a number with separators (0797-123 456) by its digits too."""
    folded = fold(value)
    if folded.isdigit() or _LETTER.search(folded):
        return (folded,)
    number = "".join([c for c in folded if c.isdecimal()])
    return (folded, number) if len(number) >= 4 else (folded,)


def contact_holds(values: Iterable[str], query: str) -> bool:
    """Whether one of the opened values holds the query, in the forms in which they are searched."""
    wanted = contact_forms(query)[-1]
    return any(wanted in held for value in values for held in contact_forms(value))
