"""电话 telephone numbers in a cell: mobile, landline with area code, 400 and 800 lines.

Formats: the public numbering plan of mainland China (telecommunication network numbering plan, as commonly
published; mobile segments drift, so an unknown segment is a remark and never a refusal).
"""

from __future__ import annotations

import re
from typing import Final

from services.registry.identifiers.characters import with_digits

_PLAIN_MOBILE: Final = re.compile(r"1[3-9][0-9]{9}").fullmatch
_SEGMENT: Final = re.compile(r"1(3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])", re.ASCII).match
_S = r"[ \-._·]"
_NUMBER: Final = re.compile(
    rf"(?<![0-9])(?:(?P<abroad>(?:\+|00)?86){_S}{{0,3}})?(?:"
    rf"\(?0?(?P<mobile>1[3-9](?:{_S}{{0,2}}[0-9]){{9}})(?![0-9])"
    rf"|(?P<service>[48]00(?:{_S}{{0,2}}[0-9]){{7}})(?![0-9])"
    rf"|\(?(?P<area>0(?:10|2[0-9])(?=\)?{_S}{{0,3}}[0-9](?:{_S}?[0-9]){{7}})|0[3-9][0-9]{{2}}"
    rf"|(?(abroad)(?:10|2[0-9]|[3-9][0-9]{{2}})|(?!)))\)?{_S}{{0,3}}"
    rf"(?P<local>[1-9][0-9]{{2,3}}{_S}?[0-9]{{4}})"
    rf"(?: ?(?:转|分机|ext\.?|[-#*x]) ?(?P<ext>[0-9]{{1,6}}))?(?![0-9])"
    rf")",
    re.IGNORECASE,
)
_MISREAD: Final = re.compile(r"(?<![A-Za-z])[oOlI]+(?=[0-9])|(?<=[0-9])[oOlI]+(?![A-Za-z])")
_AS_DIGITS: Final = str.maketrans("oOlI", "0011")
_NO_SEPARATORS: Final = str.maketrans("", "", " -._·")
_SAME_WECHAT: Final = re.compile(r"微 ?信? ?同|同 ?微|v ?[x信]? ?同|同 ?v|电微", re.IGNORECASE).search


def _digits(value: str) -> str:
    text = with_digits(value)
    if "o" in text or "O" in text or "l" in text or "I" in text:
        text = _MISREAD.sub(lambda found: found[0].translate(_AS_DIGITS), text)
    return text


def phones(value: str) -> list[str]:
    """The telephone numbers in a cell as compared, in order, each once.

    Mobile `13812345678`, landline `079188888888` (area code with its 0; an extension stays: `…x801`), service
    line `4001234567`. A landline without its area code is not among them: it names no single line.
    """
    if _PLAIN_MOBILE(value):
        return [value]
    return list(dict.fromkeys(_normal(found) for found in _NUMBER.finditer(_digits(value))))


def _normal(found: re.Match[str]) -> str:
    number = found["mobile"] or found["service"]
    if number:
        return number.translate(_NO_SEPARATORS)
    area: str = found["area"]
    local = found["local"].translate(_NO_SEPARATORS)
    extension = f"x{found['ext']}" if found["ext"] else ""
    return f"{area if area.startswith('0') else '0' + area}{local}{extension}"


def is_mobile(number: str) -> bool:
    """Whether a number as compared is a mobile one."""
    return _PLAIN_MOBILE(number) is not None


def known_segment(number: str) -> bool:
    """Whether a mobile number begins with a segment known to be given out (the list drifts)."""
    return _SEGMENT(number) is not None


def leftover(value: str) -> str:
    """What of a cell is no telephone number: the cell as read, without the numbers found in it."""
    return _NUMBER.sub(" ", _digits(value))


def same_as_wechat(value: str) -> bool:
    """Whether a cell of telephone numbers says that they serve as WeChat ids too (微信同号)."""
    return not value.isascii() and _SAME_WECHAT(with_digits(value)) is not None
