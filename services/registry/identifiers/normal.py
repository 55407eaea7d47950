"""规范形 the values by which two shops can be recognised as one operator's, in their normal forms.

A normal form serves equality only: it is what is hashed with the index key, never what is shown or stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.registry.identifiers.accounts import qq_numbers, refers_to_phone, wechat_ids
from services.registry.identifiers.addresses import door
from services.registry.identifiers.characters import plain
from services.registry.identifiers.filings import filings, police_numbers, serial_is_zero
from services.registry.identifiers.kinds import Kind
from services.registry.identifiers.licences import licence_numbers
from services.registry.identifiers.phones import is_mobile, phones, same_as_wechat

PHONE: Final = int(Kind.PHONE)
QQ: Final = int(Kind.QQ)
WECHAT: Final = int(Kind.WECHAT)
_NOTHING: Final = frozenset({"", "无", "暂无", "没有", "/", "-", "--", "N/A", "NULL", "NONE", "不详", "未知"})
Found = list[tuple[int, str, str]]


def identifying(values: Mapping[str, str | None]) -> Found:
    """The identifying values of a row as `(kind, norm, raw)`, each norm of a kind once, several per cell.

    values: cells by name (phone, qq, wechat, address, return_address, licence, icp, legal_person, payment,
    image, domain, police_no); others are not looked at. raw is the cell as given. A mobile number in a WeChat
    cell, or one marked 微信同号, is given as both kinds: it is one value, and no second piece of evidence.
    Never raises.
    """
    found: dict[tuple[int, str], str] = {}
    phone, wechat = values.get("phone"), values.get("wechat")
    numbers: list[str] = []
    if phone:
        numbers = phones(phone)
        for norm in numbers:
            found[PHONE, norm] = phone
        if same_as_wechat(phone):
            for norm in filter(is_mobile, numbers):
                found[WECHAT, norm] = phone
    if wechat:
        _wechat(found, wechat, numbers)
    for name, kind, norms in _READERS:
        value = values.get(name)
        if value:
            for norm in norms(value):
                found.setdefault((kind, norm), value)
    return [(kind, norm, raw) for (kind, norm), raw in found.items()]


def _wechat(found: dict[tuple[int, str], str], cell: str, numbers: list[str]) -> None:
    ids = wechat_ids(cell)
    for norm in ids:
        found[WECHAT, norm] = cell
        if norm[0] == "1" and is_mobile(norm):
            found.setdefault((PHONE, norm), cell)
    if not ids and numbers and refers_to_phone(cell):
        for norm in filter(is_mobile, numbers):
            found[WECHAT, norm] = cell


def _door(value: str) -> list[str]:
    norm = door(value)
    return [norm] if norm else []


def _filing(value: str) -> list[str]:
    return list(dict.fromkeys(base for base, _ in filings(value) if not serial_is_zero(base)))


def _police(value: str) -> list[str]:
    return [digits for _, digits in police_numbers(value) if len(digits) == 14 and digits.strip("0")]


def _text(value: str) -> list[str]:
    norm = "".join(plain(value).split()).upper()[:200]
    return [] if norm in _NOTHING or len(set(norm)) < 2 else [norm]


def _host(value: str) -> list[str]:
    norm = "".join(plain(value).split()).lower()
    norm = norm.split("://")[-1].split("/")[0].split("?")[0].split(":")[0].removeprefix("www.").strip(".")
    return [norm[:253]] if "." in norm else []


_READERS: Final[tuple[tuple[str, int, Callable[[str], list[str]]], ...]] = (
    ("qq", QQ, qq_numbers),
    ("address", int(Kind.ADDRESS), _door),
    ("return_address", int(Kind.RETURN_ADDRESS), _door),
    ("licence", int(Kind.LICENCE), licence_numbers),
    ("icp", int(Kind.ICP), _filing),
    ("legal_person", int(Kind.LEGAL_PERSON), _text),
    ("payment", int(Kind.PAYMENT), _text),
    ("image", int(Kind.IMAGE), _text),
    ("domain", int(Kind.DOMAIN), _host),
    ("police_no", int(Kind.POLICE_NO), _police),
)
