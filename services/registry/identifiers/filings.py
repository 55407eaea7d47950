"""备案 ICP filings, ICP licences and police filings as sites show them.

Formats as seen in page footers: filing `粤ICP备05094317号-6` (YY or YYYY and six digits; `-n` the filer's nth
site, suffix A an app, X a mini-program), licence `京ICP证030173号` and `浙B2-20080101`, police filing
`赣公网安备36010802000584号` (six digits of an area, eight of a serial; the area need not be in GB/T 2260).
"""

from __future__ import annotations

import re
from typing import Final

from services.registry.identifiers.characters import plain

PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_FILING: Final = re.compile(
    rf"([{PROVINCES}])ICP[备備](?:案)?号?(\d{{10}}|\d{{8}})(?!\d)号?(-\d{{1,4}}[AX]?)?", re.ASCII
)
_LICENCE: Final = re.compile(
    rf"([{PROVINCES}])(ICP[证證]\d{{6}}(?!\d)|[AB][12]-?\d{{8}}(?!\d))号?(-\d{{1,4}})?", re.ASCII
)
_POLICE: Final = re.compile(rf"([{PROVINCES}])?公网安[备備](?:案)?号?(\d*)号?", re.ASCII)
_BARE_POLICE: Final = re.compile(r"\d{14}", re.ASCII).fullmatch
_NOT_ZERO: Final = re.compile("[1-9]").search
_SPACES: Final = str.maketrans("", "", " ()[]【】")


def _read(value: str) -> str:
    return plain(value).upper().translate(_SPACES)


def filings(value: str) -> list[tuple[str, str]]:
    """The ICP numbers in a cell, in order, each as `(base, site)`.

    base: `粤ICP备05094317号`, the filer's number, by which sites of one filer are linked; site: its suffix
    (`-6`, `-2A`) or the empty text.
    """
    usual = _FILING.fullmatch(value)
    if usual:
        return [(f"{usual[1]}ICP备{usual[2]}号", usual[3] or "")]
    text = _read(value)
    found = [(f"{m[1]}ICP备{m[2]}号", m[3] or "") for m in _FILING.finditer(text)]
    if not found or "证" in text or "A2" in text or "B2" in text or "B1" in text:
        found.extend((_licence_base(m), m[3] or "") for m in _LICENCE.finditer(text))
    return list(dict.fromkeys(found))


def _licence_base(found: re.Match[str]) -> str:
    number = found[2].replace("證", "证")
    if number.startswith("ICP"):
        return f"{found[1]}{number}号"
    return f"{found[1]}{number[:2]}-{number[-8:]}"


def serial_is_zero(base: str) -> bool:
    """Whether a filing number is nothing but zeros: nobody was ever given it."""
    return _NOT_ZERO(base, 4) is None


def police_numbers(value: str) -> list[tuple[str, str]]:
    """The police filing numbers in a cell as `(label, digits)`; label: the province shown before, or empty.

    Digits are given as shown, whatever their count; an ICP number in the wrong place is given too.
    """
    text = _read(value)
    found = [(m[1] or "", m[2]) for m in _POLICE.finditer(text)]
    if not found and _BARE_POLICE(text):
        return [("", text)]
    return list(dict.fromkeys(found))
