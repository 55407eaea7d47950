"""Grams: which windows of a folded text are indexed, and their numbers, for many texts in one pass.

Which windows are grams depends on what is in them, so that a row has few and a query of ordinary length has a
rare one:

one character     not ASCII (one Chinese character is a query of its own)
two characters    of which one at least is not ASCII (names, addresses)
three characters  all ASCII, one at least not a digit (Latin names, domains, accounts)
four digits       three would be on every third row (licence, filing and telephone numbers)
short runs        two ASCII characters, not both digits, and no third beside them; three digits and no fourth

Two ASCII characters and three digits are no grams, but each text that holds them has one of a few score
(`around`): a longer window that begins or ends with them or, where there is none, the short run.

Sealed values have neither single characters, how frequent they are would tell too much, nor short runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

SEPARATOR: Final = "\n"
_DIGITS: Final = "0123456789"
# What a folded text may have of ASCII: neither capitals nor anything invisible.
_PRINTED: Final = "".join(chr(code) for code in range(33, 127) if not chr(code).isupper())

_Codes = npt.NDArray[np.uint32]
_Flags = npt.NDArray[np.bool_]
# Odd multipliers of a polynomial modulo 2^32 (from Murmur3 and xxHash): nothing secret, only well spread.
_TWO, _THREE, _FOUR = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_WIDTH: Final = np.uint64(21)  # bits of a Unicode code point
_TABLE: Final = 18  # bits of a place in the table of hashes met before
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_NUMBER, _HALF = np.int64(32), np.int64(1 << 31)  # bits of a gram's number; half of what they hold


class _Text(NamedTuple):
    """All texts one after the other: code points, to which text each belongs, what kind each is."""

    joined: str
    codes: _Codes
    owner: npt.NDArray[np.int64]
    end: _Flags
    ascii: _Flags
    digit: _Flags


def _laid_out(texts: Sequence[str]) -> _Text:
    joined = SEPARATOR.join(texts) + SEPARATOR if texts else ""
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    owner = np.repeat(np.arange(len(texts)), lengths)
    return _Text(joined, codes, owner, codes == ord(SEPARATOR), codes < 128, (codes >= 48) & (codes <= 57))


def _all(flags: _Flags, width: int) -> _Flags:
    """Of each window of this width: whether all its characters have the flag."""
    size = max(len(flags) - width + 1, 0)
    found = flags[:size]
    for at in range(1, width):
        found = found & flags[at : at + size]
    return found


def _windows(text: _Text) -> tuple[_Flags, _Flags, _Flags]:
    """Of each position: whether a gram of two begins there, one of three, one of four."""
    latin = text.ascii & ~text.end
    twos = _all(~text.end, 2) & ~_all(latin, 2)
    return twos, _all(latin, 3) & ~_all(text.digit, 3), _all(text.digit, 4)


def _runs(kind: _Flags, width: int) -> _Flags:
    """Of each position but the last few: whether just so many characters of a kind stand there."""
    found = _all(kind, width)[:-1] & ~kind[width:]  # the text's last character is of no kind
    found[1:] &= ~kind[: max(len(found) - 1, 0)]
    return found


class Grams(NamedTuple):
    """Grams of many texts: their numbers, ascending in each text and each once; where each text's end."""

    numbers: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]

    def lists(self) -> list[list[int]]:
        """Of each text its own."""
        flat, ends = self.numbers.tolist(), self.ends.tolist()
        return [flat[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def plain_grams(texts: Sequence[str]) -> Grams:
    """Of each folded text: its grams as signed 32-bit integers, stable across versions."""
    text = _laid_out(texts)
    twos, threes, fours = _windows(text)
    pairs = _runs(text.ascii & ~text.end, 2) & ~_all(text.digit, 2)[:-1]
    begins = [~text.ascii, twos[:-1] | pairs, threes[:-1] | _runs(text.digit, 3), fours]
    return _numbered(text, begins, len(texts))


def piece_grams(piece: str) -> list[int]:
    """Grams that each folded text has that holds the piece; none when the piece is too short."""
    text = _laid_out([piece])
    ones = ~text.ascii if len(piece) == 1 else np.zeros(0, np.bool_)  # in a longer one they are in its twos
    return _numbered(text, [ones, *_windows(text)], 1).lists()[0]


def around(piece: str) -> list[int]:
    """Of two ASCII characters or three digits: grams of which each folded text has one that holds them.

    Of any other piece none.
    """
    if not piece.isascii() or len(piece) != 2 + piece.isdigit():
        return []
    beside = _DIGITS if piece.isdigit() else _PRINTED
    longer = [form for one in beside for form in (one + piece, piece + one)]
    return plain_grams([SEPARATOR.join([piece, *longer])]).lists()[0]


def _numbered(text: _Text, flags: Sequence[_Flags], count: int) -> Grams:
    """The grams of one, two, three and four characters that begin where the flags say."""
    ones, twos, threes, fours = begins = [np.flatnonzero(each) for each in flags]
    c = text.codes
    numbers = [
        c[ones] * _FOUR,
        (c[twos] * _TWO + c[twos + 1]) * _TWO,
        ((c[threes] * _TWO + c[threes + 1]) * _THREE + c[threes + 2]) * _THREE,
        (((c[fours] * _TWO + c[fours + 1]) * _THREE + c[fours + 2]) * _FOUR + c[fours + 3]) * _FOUR,
    ]
    return _by_text(text, begins, np.concatenate(numbers).view(np.int32), count)


class Remembered:
    """Keyed hashes of grams met before, for who makes those of many texts again and again.

    A table of fixed size (3 MB): of two grams that share a place the later one stays.
    """

    def __init__(self) -> None:
        self._pieces = np.zeros(1 << _TABLE, np.uint64)
        self._hashes = np.zeros(1 << _TABLE, np.int32)
        self._lock = Lock()

    def hashes(
        self, pieces: npt.NDArray[np.uint64], asked: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int32]]
    ) -> npt.NDArray[np.int32]:
        """Of each piece; asked: gives those of the pieces at these positions."""
        places = (pieces * _SPREAD) >> np.uint64(64 - _TABLE)
        with self._lock:
            found: npt.NDArray[np.int32] = self._hashes[places]
            new = np.flatnonzero(self._pieces[places] != pieces)
            if len(new):
                found[new] = asked(new)
                self._pieces[places[new]], self._hashes[places[new]] = pieces[new], found[new]
        return found


def keyed_grams(
    texts: Sequence[str], gram: Callable[[str], int], remembered: Remembered | None = None
) -> Grams:
    """Of each folded text: the keyed hashes of its grams; `gram` is asked once for each different one.

    gram: signed 32-bit keyed hash of a short text (`PersonalData.gram`); remembered: what it gave before.
    """
    text = _laid_out(texts)
    twos, threes, fours = [np.flatnonzero(flags) for flags in _windows(text)]
    codes = text.codes.astype(np.uint64)

    def packed(begins: npt.NDArray[np.int64], width: int, bits: np.uint64) -> npt.NDArray[np.uint64]:
        number = np.full(len(begins), width, np.uint64)  # the width too: a two and a three never look alike
        for at in range(width):
            number = (number << bits) | codes[begins + at]
        return number

    narrow = np.uint64(7)
    pieces = np.concatenate([packed(twos, 2, _WIDTH), packed(threes, 3, narrow), packed(fours, 4, narrow)])
    begins = np.concatenate([twos, threes, fours])
    ends = begins + np.repeat([2, 3, 4], [len(twos), len(threes), len(fours)])

    def asked(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        _, first, back = np.unique(pieces[at], return_index=True, return_inverse=True)
        windows = zip(begins[at[first]].tolist(), ends[at[first]].tolist(), strict=True)
        return np.array([gram(text.joined[begin:end]) for begin, end in windows], np.int32)[back]

    hashes = remembered.hashes(pieces, asked) if remembered else asked(np.arange(len(pieces)))
    return _by_text(text, [twos, threes, fours], hashes, len(texts))


def _by_text(text: _Text, begins: list[Any], numbers: npt.NDArray[np.int32], count: int) -> Grams:
    # Text and number in one integer: sorting is then all the grouping there is.
    owners = text.owner[np.concatenate(begins)]
    both = np.sort((owners << _NUMBER) + numbers)
    both = both[np.append(True, both[1:] != both[:-1])] if len(both) else both
    ends = np.cumsum(np.bincount((both + _HALF) >> _NUMBER, minlength=count))
    return Grams(both.astype(np.int32), ends)
