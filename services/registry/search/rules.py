"""检索规则 how text is folded and cut into grams so that any substring of it can be found.

The embedded PostgreSQL has no pg_trgm. Grams hashed to 32-bit integers in an `int[]` column under a GIN
index narrow the rows; a LIKE on the folded text then decides, so a hash collision costs time and never
correctness. Which windows of a text are grams depends on what is in them, so that every row has few and
every query of ordinary length has a rare one:

two or three characters  of which one at least is not ASCII (names, addresses)
three characters         all ASCII, one at least not a digit (Latin names, domains, accounts)
four characters          all digits: three would be on every third row (licence, filing, telephone numbers)

Sealed values have the same grams but three Chinese characters, keyed: what is rare there costs a decryption.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

SEPARATOR: Final = "\n"
MAX_FOLDED: Final = 4_000
_REMEMBERED: Final = 1 << 18
_DIGITS: Final = re.compile("[0-9]{4,}")
# White space, control and format characters: all of them lie in planes 0, 1 and the tags of plane 14.
_INVISIBLE: Final[dict[int, None]] = {
    code: None
    for code in (*range(0x20000), *range(0xE0000, 0xE0100))
    if chr(code).isspace() or unicodedata.category(chr(code)) in {"Cf", "Cc"}
}
_INVISIBLE_ASCII: Final = re.compile(r"[\x00-\x20\x7f]")
_FOLDED: Final = re.compile("[0-9a-z\u4e00-\u9fff]*")
_LETTER: Final = re.compile(r"[^\W\d_]")
_LATIN: Final = re.compile("[a-z]")


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


class _Grams(dict[str, int]):
    """Hashes of windows of up to four characters, remembered; 0 for a window that is no gram."""

    def __missing__(self, window: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        known = self[window] = gram_hash(window) if _is_gram(window) else 0
        return known


def gram_hash(gram: str) -> int:
    """A gram as a signed 32-bit integer, stable across processes and versions (CRC-32); never 0."""
    value = zlib.crc32(gram.encode())
    return (value - (1 << 32) if value >= (1 << 31) else value) or 1


def _is_gram(window: str) -> bool:
    size = len(window)
    return not window.isascii() or size == 4 or (size == 3 and not window.isdigit())


_HASHES: Final = _Grams()


def hashed(folded: str) -> set[int]:
    """Hashes of all grams of a folded text: both kinds and the numbers in one pass."""
    known = _HASHES
    grams = {known[folded[i : i + 3]] for i in range(len(folded) - 2)}
    if not folded.isascii():
        grams.update([known[folded[i : i + 2]] for i in range(len(folded) - 1)])
    for run in _DIGITS.findall(folded):
        grams.update([known[run[i : i + 4]] for i in range(len(run) - 3)])
    grams.discard(0)
    return grams


def search_fields(values: Iterable[str | None]) -> tuple[str, list[int]]:
    """`(search_text, grams)` for a row: its searchable values folded, one a line; grams never cross values.

    The text is cut at 4,000 characters in all, so that one absurd value cannot blow an index up.
    """
    parts = list(dict.fromkeys([f for f in [fold(v) for v in values if v] if f]))
    text = SEPARATOR.join(parts)
    if len(text) > MAX_FOLDED:
        text = text[:MAX_FOLDED]
        parts = text.split(SEPARATOR)
    grams: set[int] = set()
    for part in parts:
        grams |= hashed(part)
    return text, list(grams)


def query_grams(query: str) -> list[int]:
    """Grams that a row must have to contain the query, sorted; none when the query is too short to have one."""
    return sorted(hashed(fold(query)))


def like_pattern(query: str) -> str:
    """LIKE pattern (escape character `\\`) for a substring match of the folded query."""
    folded = fold(query)
    escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contact_grams(values: Mapping[str, str], gram: Callable[[str], int]) -> list[int]:
    """Keyed hashes of the grams of sealed values; gram: the keyed hash (`PersonalData.gram`).

    Values are cut in the forms `contact_forms` gives them.
    """
    pieces: set[str] = set()
    for value in values.values():
        for form in contact_forms(value):
            pieces.update(_contact_pieces(form))
    return list(map(gram, pieces))


def contact_query(query: str, gram: Callable[[str], int]) -> list[int]:
    """Keyed grams a sealed value must have to hold the query; none when the query is too short to ask.

    Shortest query: two characters when one is Chinese, three of a Latin account, four digits. A number written
    with separators is asked without them.
    """
    return sorted({gram(piece) for piece in _contact_pieces(contact_forms(query)[-1])})


def contact_forms(value: str) -> tuple[str, ...]:
    """How a sealed value is searched: folded, and a number with separators (0797-123 456) by its digits too."""
    folded = fold(value)
    if folded.isdigit() or _LETTER.search(folded):
        return (folded,)
    number = "".join([c for c in folded if c.isdecimal()])
    return (folded, number) if len(number) >= 4 else (folded,)


def contact_holds(values: Iterable[str], query: str) -> bool:
    """Whether one of the opened values holds the query, in the forms in which they are searched."""
    wanted = contact_forms(query)
    return any(form in held for value in values for held in contact_forms(value) for form in wanted)


def _contact_pieces(form: str) -> list[str]:
    pieces: list[str] = []
    if not form.isascii():
        pairs = [form[i : i + 2] for i in range(len(form) - 1)]
        pieces = [pair for pair in pairs if not pair.isascii()]
    if _LATIN.search(form):
        threes = [form[i : i + 3] for i in range(len(form) - 2)]
        pieces += [window for window in threes if window.isascii() and not window.isdigit()]
    for run in _DIGITS.findall(form):
        pieces += [run[i : i + 4] for i in range(len(run) - 3)]
    return pieces
