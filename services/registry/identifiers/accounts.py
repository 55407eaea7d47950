"""账号 QQ numbers and WeChat ids in a cell, whatever they are disguised as.

Formats as the two services publish them: a QQ number has 5 to 11 digits and no leading zero; a WeChat id has
6 to 20 characters (letter first; letters, digits, `_`, `-`) and is the same in either case; `wxid_…` is the
internal form. A mobile or QQ number may serve as a WeChat id.
"""

from __future__ import annotations

import re
from typing import Final

from services.registry.identifiers.characters import plain, with_digits
from services.registry.identifiers.phones import phones

_PLAIN_QQ: Final = re.compile(r"[1-9][0-9]{4,10}").fullmatch
_PLAIN_WECHAT: Final = re.compile(r"[A-Za-z][-_A-Za-z0-9]{5,19}").fullmatch
_PARTS: Final = re.compile(r"[、,;/|。\n]+|或者?|和|及")
_SPACES: Final = re.compile(r"[ .·]+")
_QQ_MAIL: Final = re.compile(r"@ ?(?:vip ?\. ?)?qq ?\. ?com", re.IGNORECASE)
_NOT_DIGIT_OR_SPACE: Final = re.compile(r"[^0-9 \-]+")

_CALL = r"(?:加|\+|请|我|店主|客服|老板|掌柜|联系|添加|的|私|聊| )*"
_NUMBER_WORD = r"(?: ?(?:号码|账号|帐号|号|id(?![a-z0-9_\-])))?"
_CHINESE_LABEL: Final = re.compile(
    rf"^[ :]*{_CALL}(?:[微薇威徽维唯溦巍] ?[信x心芯号v]?|v ?[信心芯]|卫星|围信|(?<=加)vx?)"
    rf"{_NUMBER_WORD}[ :是为=~\-]*",
    re.IGNORECASE,
)
# A label in Latin letters needs something that parts it from the id: `wx_shop01` may be an id of its own.
_LATIN_LABEL: Final = re.compile(
    rf"^[ :]*{_CALL}(?:wei ?xin|we ?chat|w ?x|v ?x(?: ?h)?|v){_NUMBER_WORD}"
    r"(?:[ :是为=~]+|(?=[^a-z0-9_\-])|(?=1[3-9][0-9]{9}(?![0-9])))",
    re.IGNORECASE,
)
_ID: Final = re.compile(r"[A-Za-z][-_A-Za-z0-9]{5,19}(?![-_A-Za-z0-9])")
_WXID: Final = re.compile(r"wxid[-_ ]?[a-z0-9]{8,16}", re.IGNORECASE)
_SAME_PHONE: Final = re.compile(r"同 ?(?:手机|号|电话|上)|手机 ?同|电话 ?同|(?:就是|即|是) ?手机").search


def qq_numbers(value: str) -> list[str]:
    """The QQ numbers in a cell as compared (digits only), in order, each once; `…@qq.com` counts as one."""
    if _PLAIN_QQ(value):
        return [value]
    text = _QQ_MAIL.sub(" , ", with_digits(value)).replace("o", "0").replace("O", "0")
    found: list[str] = []
    for part in _PARTS.split(text):
        found.extend(_qq_of(_NOT_DIGIT_OR_SPACE.sub("  ", part).strip()))
    return list(dict.fromkeys(found))


def _qq_of(part: str) -> list[str]:
    words = part.split()
    whole = [word for word in words if _PLAIN_QQ(word)]
    if len(whole) == len(words):
        return whole
    glued = part.replace(" ", "").replace("-", "")
    return [glued] if _PLAIN_QQ(glued) else whole


def wechat_ids(value: str) -> list[str]:
    """The WeChat ids in a cell as compared (lower case, labels and disguises gone), in order, each once."""
    if _PLAIN_WECHAT(value) and value[0] not in "wWvV":
        return [value.lower()]
    found = [name for part in _PARTS.split(plain(value)) if (name := _wechat_of(part))]
    return list(dict.fromkeys(found))


def _wechat_of(part: str) -> str | None:
    wxid = _WXID.search(part)
    if wxid:
        return re.sub(r"^wxid[-_ ]?", "wxid_", wxid[0].lower())
    text = _LATIN_LABEL.sub("", _CHINESE_LABEL.sub("", part, count=1), count=1)
    glued = _SPACES.sub("", text).strip("-_:=~()[]\"'")
    if _PLAIN_WECHAT(glued):
        return glued.lower()
    digits = with_digits(glued)
    numbers = phones(digits)
    if numbers:
        return numbers[0]
    if _PLAIN_QQ(digits) or _PLAIN_WECHAT(digits):
        return digits.lower()
    inside = _ID.search(text)
    return inside[0].lower() if inside else None


def refers_to_phone(value: str) -> bool:
    """Whether a cell of WeChat ids only says that the id is the telephone number (同手机号)."""
    return _SAME_PHONE(plain(value)) is not None
