"""检索规则 how text is folded and cut into grams so that any substring of it can be found.

The embedded PostgreSQL has no pg_trgm. Bigrams hashed to 32-bit integers in an `int[]` column
under a GIN index narrow the rows; a LIKE on the folded text then decides, so a hash collision
costs time and never correctness.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

SEPARATOR: Final = "\n"
QUERY_GRAMS: Final = 6
MAX_FOLDED: Final = 4_000
# White space, control and format characters: all of them lie in planes 0, 1 and the tags of plane 14.
_INVISIBLE: Final[dict[int, None]] = {
    code: None
    for code in (*range(0x20000), *range(0xE0000, 0xE0100))
    if chr(code).isspace() or unicodedata.category(chr(code)) in {"Cf", "Cc"}
}


def fold(text: str) -> str:
    """Search form of a text: NFKC, case folded, without white space, format and control characters."""
    kept = unicodedata.normalize("NFKC", text).casefold().translate(_INVISIBLE)
    return unicodedata.normalize("NFKC", kept)


@lru_cache(maxsize=1 << 16)
def gram_hash(gram: str) -> int:
    """A gram as a signed 32-bit integer, stable across processes and versions (CRC-32)."""
    value = zlib.crc32(gram.encode())
    return value - (1 << 32) if value >= (1 << 31) else value


def visible(text: str) -> str:
    """The text without white space, control and format characters."""
    return text.translate(_INVISIBLE)


def bigrams(folded: str) -> list[str]:
    """The pairs of neighbouring characters of a folded text, in order."""
    return [a + b for a, b in pairwise(folded)]


def search_fields(values: Iterable[str | None]) -> tuple[str, list[int]]:
    """`(search_text, grams)` for a row: its searchable values folded, one a line; grams never cross values.

    The text is cut at 4,000 characters in all, so that one absurd value cannot blow an index up.
    """
    parts = list(dict.fromkeys(f for f in (fold(v) for v in values if v) if f))
    text = SEPARATOR.join(parts)[:MAX_FOLDED]
    grams = {gram_hash(g) for part in text.split(SEPARATOR) for g in bigrams(part)}
    return text, sorted(grams)


def query_grams(query: str) -> list[int]:
    """Grams a match must contain (at most six, spread over the query); none for a single character."""
    pairs = list(dict.fromkeys(bigrams(fold(query))))
    if len(pairs) > QUERY_GRAMS:
        step = (len(pairs) - 1) / (QUERY_GRAMS - 1)
        pairs = [pairs[round(i * step)] for i in range(QUERY_GRAMS)]
    return sorted({gram_hash(g) for g in pairs})


def like_pattern(query: str) -> str:
    """LIKE pattern (escape character `\\`) for a substring match of the folded query."""
    folded = fold(query)
    escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
