"""字符 how a cell is read: full-width forms, disguised digits, invisible characters.

What is made here serves comparison only; the cell itself is stored as it was given. Cells are read up to
`CELL` characters, so that the work on one row is bounded whatever somebody pasted into it.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import Final

CELL: Final = 2_000
_REMEMBERED: Final = 30_000
_DASHES: Final = "‐‑‒–—―−﹣－ー─━"
# Letters of other scripts that look like Latin ones; used to get past filters ("VХ" with a Cyrillic Х).
_LOOKALIKES: Final = dict(zip("АВЕКМНОРСТУХаеорсухіѕјԁοΟνΝ", "ABEKMHOPCTYXaeopcyxisjdoOvN", strict=True))
_CHINESE_DIGITS: Final = {
    **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", "123456789", strict=True)),
    **dict(zip("貳參陸弌弍弎", "236123", strict=True)),
    **dict(zip("幺〡〢〣〤〥〦〧〨〩", "1123456789", strict=True)),
    "○": "0",
    "◯": "0",
}

_CIRCLES: Final = str.maketrans({"○": "0", "◯": "0"})


class _Table(dict[int, int | str | None]):
    """A table for str.translate that decides about a character when it first meets it."""

    def __missing__(self, code: int) -> int | str | None:
        found = self.decide(chr(code))
        if len(self) < _REMEMBERED:
            self[code] = found
        return found

    def decide(self, character: str) -> int | str | None:
        """What takes the place of a character: None removes it."""
        return _replacement(character)


class _AddressTable(_Table):
    def decide(self, character: str) -> int | str | None:
        found = _replacement(character)
        return None if found == " " else found


def _replacement(character: str) -> int | str | None:
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if character in "\t\r\n" or category in {"Zs", "Zl", "Zp", "So"}:
        return " "  # a picture between two words parts them
    if category in {"Cf", "Cc", "Cs", "Mn", "Me", "Co"}:
        return None
    return ord(character)


_PLAIN: Final = _Table({ord(c): "-" for c in _DASHES} | {ord(a): b for a, b in _LOOKALIKES.items()})
_ADDRESS: Final = _AddressTable(
    {
        **_PLAIN,
        **dict.fromkeys(map(ord, " ,;:、。!?|/_~*\"'·=+$%^&@<>{}\\`")),
        **{ord(c): c.upper() for c in string.ascii_lowercase},
    }
)
_NUMBERS: Final = _Table({**_PLAIN, **{ord(a): b for a, b in _CHINESE_DIGITS.items()}})


# Han characters, digits and capital letters: NFKC and both tables leave them as they are.
_CLEAN: Final = re.compile(r"[\u4e00-\u9fa5A-Z0-9#-]*").fullmatch


def plain(value: str) -> str:
    """A cell as it is compared: NFKC, ASCII digits and dashes, pictures as spaces, nothing invisible.

    At most `CELL` characters; never raises, whatever code points the cell holds.
    """
    text = value[:CELL]
    if _CLEAN(text) or (text.isascii() and text.isprintable()):
        return text
    return unicodedata.normalize("NFKC", text)[:CELL].translate(_PLAIN)


def address_text(value: str, longest: int) -> str:
    """An address as it is taken apart: like `plain`, capital letters, without spaces and punctuation."""
    text = value[:longest]
    bare = text.replace(" ", "")
    if _CLEAN(bare):
        return bare
    return unicodedata.normalize("NFKC", text)[:longest].translate(_ADDRESS)


def with_digits(value: str) -> str:
    """Like `plain`, and Chinese numerals (一二三, 壹贰叁, 〇, 幺) are digits: for cells that hold numbers."""
    text = value[:CELL]
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_CIRCLES)
    return unicodedata.normalize("NFKC", text)[:CELL].translate(_NUMBERS)
