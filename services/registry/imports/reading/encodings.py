"""How a text file is encoded: UTF-8, UTF-16, GB18030 or Big5, and whether that is certain.

GB18030 and Big5 share most of their byte pairs, so no rule is certain. What differs is which characters the
bytes turn into: running text consists almost only of the first-level characters of its own standard
(GB/T 2312-1980 level 1: 3,755; Big5 level 1: 5,401). The share of those decides; when the shares lie close
together, or there is too little text, the guess says so and the officer is asked.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from typing import IO, Final

CODECS: Final = ("utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be")
DAMAGED: Final = "\udcff"
"""Stands in decoded text where bytes were that the encoding does not know."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_BLOCK: Final = 1 << 16
_HEAD: Final = 1 << 14
_ENOUGH: Final = 1 << 20
_CERTAIN_LETTERS: Final = 12
_CERTAIN_SHARE: Final = 0.75
_CERTAIN_LEAD: Final = 0.2
_BROKEN_UTF8: Final = 0.02
_BINARY: Final = 0.02
_SLIPS: Final = 4
_ASCII: Final = re.compile(r"[\x00-\x7f]+")
_CONTROLS: Final = frozenset(chr(c) for c in range(32)) - set("\t\n\r\f\x1a")


@dataclass(frozen=True, slots=True)
class Guess:
    """What the text seems to be encoded in; `sure` is false when another reading is about as likely."""

    codec: str
    sure: bool


def _damaged(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - registered for decoding only
    return DAMAGED, error.end


codecs.register_error("wangjian-damaged", _damaged)


def bom_length(head: bytes) -> int:
    """Bytes of the byte order mark at the beginning; 0 without one."""
    return next((len(mark) for mark, _ in _BOMS if head.startswith(mark)), 0)


def guess_encoding(stream: IO[bytes]) -> Guess | None:
    """The encoding of a whole file, from its mark or its text; None when it is none of these. Rewinds.

    Reads on until 1 MiB of lines beyond ASCII were seen, because a long list may begin with numbers only.
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    if head.startswith(_UTF32):  # one of its marks begins like that of UTF-16
        return None
    for mark, codec in _BOMS:
        if head.startswith(mark):
            stream.seek(0)
            return Guess(codec, True)
    wide = _utf16_without_mark(head)
    if wide:
        stream.seek(0)
        return Guess(wide, True)
    telling = _telling(head, stream)
    stream.seek(0)
    return _judge(telling) if telling else _plain(head)


def _plain(head: bytes) -> Guess | None:
    return None if _binary(head.decode("ascii", "replace")) else Guess("utf-8", True)


def _utf16_without_mark(head: bytes) -> str | None:
    """UTF-16 shows in a table by the NUL halves of its separators, digits and line ends."""
    pairs = len(head) // 2
    if pairs < 8:
        return None
    high, low = head[: 2 * pairs : 2].count(0) / pairs, head[1 : 2 * pairs : 2].count(0) / pairs
    if low > 0.15 and high < 0.02:
        return "utf-16-le"
    return "utf-16-be" if high > 0.15 and low < 0.02 else None


def _telling(head: bytes, stream: IO[bytes]) -> bytes:
    """Lines that hold more than ASCII, up to 1 MiB of them, from the whole file."""
    found, size, rest, block = [], 0, b"", head
    while block:
        whole, cut, rest = (rest + block).rpartition(b"\n")
        if cut and not whole.isascii():
            kept = [line for line in whole.split(b"\n") if not line.isascii()]
            found += kept
            size += sum(map(len, kept)) + len(kept)
            if size > _ENOUGH:
                rest = b""
                break
        if len(rest) > _ENOUGH:
            break
        block = stream.read(_BLOCK)
    if rest and not rest.isascii():
        found.append(rest[:_ENOUGH])
    return b"\n".join(found)


def _judge(sample: bytes) -> Guess | None:
    text = sample.decode("utf-8", "replace")
    beyond = _ASCII.sub("", text)
    if beyond and text.count("\ufffd") / len(beyond) <= _BROKEN_UTF8 and not _binary(text):
        # Pairs of bytes alone (U+0080 to U+07FF) are as likely Chinese in another encoding.
        return Guess("utf-8", any("\u0800" <= c != "\ufffd" for c in beyond))
    shares = sorted(
        ((*_share(sample, codec, _first_level(codec)), codec) for codec in ("gb18030", "big5hkscs")),
        reverse=True,
    )
    (best, letters, codec), (second, _, _) = shares
    if best < 0:
        return None
    sure = letters >= _CERTAIN_LETTERS and best >= _CERTAIN_SHARE and best - second >= _CERTAIN_LEAD
    return Guess(codec, sure)


def _share(sample: bytes, codec: str, usual: frozenset[str]) -> tuple[float, int]:
    """Share of the letters beyond ASCII that are first-level characters, and how many letters there are.

    -1 for what cannot be text in this encoding.
    """
    text = sample.decode(codec, "replace")
    letters = [c for c in text if c > "\u2fff" and not "\u3000" <= c <= "\u303f" and not c > "\ufeff"]
    broken = text.count("\ufffd")
    if _binary(text) or broken > max(1, len(letters)) * 0.1:
        return -1.0, 0
    total = len(letters) + broken
    return (sum(1 for c in letters if c in usual) / total if total else 0.0), total


def _binary(text: str) -> bool:
    """More control characters than slips in a list: so many a line, or such a share of all."""
    lines = text.count("\n") + 1
    return bool(text) and sum(map(text.count, _CONTROLS)) > max(_SLIPS * lines, len(text) * _BINARY)


@cache
def _first_level(codec: str) -> frozenset[str]:
    """The first-level characters of the standard behind a codec."""
    if codec == "gb18030":
        leads, trails = range(0xB0, 0xD8), tuple(range(0xA1, 0xFF))
    else:
        leads, trails = range(0xA4, 0xC7), (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    pairs = (bytes((lead, trail)) for lead in leads for trail in trails)
    return frozenset(c for pair in pairs if "\u4e00" <= (c := pair.decode(codec, "ignore")) <= "\u9fff")
