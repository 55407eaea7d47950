"""规范形 the values by which two shops can be recognised as one operator's, in their normal forms.

A normal form serves equality only: it is what is hashed with the index key, never what is shown or stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from services.registry.identifiers.accounts import qq_numbers, refers_to_phone, wechat_ids
from services.registry.identifiers.addresses import Address, door, parse
from services.registry.identifiers.characters import plain
from services.registry.identifiers.filings import filings, police_numbers, serial_is_zero
from services.registry.identifiers.kinds import Kind
from services.registry.identifiers.licences import licence_numbers
from services.registry.identifiers.phones import is_mobile, phones, same_as_wechat

PHONE: Final = int(Kind.PHONE)
QQ: Final = int(Kind.QQ)
WECHAT: Final = int(Kind.WECHAT)
ADDRESS: Final = int(Kind.ADDRESS)
LICENCE: Final = int(Kind.LICENCE)
ICP: Final = int(Kind.ICP)
_NO_NUMBERS: Final[list[str]] = []
_NO_FILINGS: Final[list[tuple[str, str]]] = []
_NOTHING: Final = frozenset({"", "无", "暂无", "没有", "/", "-", "--", "N/A", "NULL", "NONE", "不详", "未知"})
Found = list[tuple[int, str, str]]


class Row:
    """A row's cells taken apart once, for the checks and for the normal forms."""

    __slots__ = (
        "address",
        "filings",
        "licences",
        "phones",
        "qqs",
        "rare",
        "same_wechat",
        "values",
        "wechats",
    )

    def __init__(self, values: Mapping[str, str | None]) -> None:
        """A row whose cells are not read yet."""
        self.values = values
        self.same_wechat = False
        self.phones = self.qqs = self.wechats = self.licences = _NO_NUMBERS
        self.address: Address | None = None
        self.filings = _NO_FILINGS
        self.rare = not _RARE_NAMES.isdisjoint(values)


def taken_apart(rows: Iterable[Mapping[str, str | None]]) -> list[Row]:
    """Rows with their cells read, none of which is changed.

    Column by column: what reads one stays in the processor's caches, a seventh less work for many rows.
    """
    found = [Row(values) for values in rows]
    for row in found:
        if phone := row.values.get("phone"):
            row.phones, row.same_wechat = phones(phone), same_as_wechat(phone)
    for row in found:
        if qq := row.values.get("qq"):
            row.qqs = qq_numbers(qq)
    for row in found:
        if wechat := row.values.get("wechat"):
            row.wechats = wechat_ids(wechat)
    for row in found:
        if address := row.values.get("address"):
            row.address = parse(address)
    for row in found:
        if licence := row.values.get("licence"):
            row.licences = licence_numbers(licence)
        if icp := row.values.get("icp"):
            row.filings = filings(icp)
    return found


def identifying(values: Mapping[str, str | None]) -> Found:
    """The identifying values of a row as `(kind, norm, raw)`, each norm of a kind once, several per cell.

    values: cells by name (phone, qq, wechat, address, return_address, licence, icp, legal_person, payment,
    image, domain, police_no); others are not looked at. raw is the cell as given. A mobile number in a WeChat
    cell, or one marked 微信同号, is given as both kinds: it is one value, and no second piece of evidence.
    Never raises.
    """
    return found_in(*taken_apart([values]))


def found_in(row: Row) -> Found:
    """The identifying values of a row that was read: see `identifying`."""
    found: dict[tuple[int, str], str] = {}
    values = row.values
    phone, wechat = values.get("phone") or "", values.get("wechat") or ""
    for norm in row.phones:
        found[PHONE, norm] = phone
        if row.same_wechat and is_mobile(norm):
            found[WECHAT, norm] = phone
    for norm in row.wechats:
        found.setdefault((WECHAT, norm), wechat)
        if norm[0] == "1" and is_mobile(norm):
            found.setdefault((PHONE, norm), wechat)
    if wechat and row.phones and not row.wechats and refers_to_phone(wechat):
        for norm in filter(is_mobile, row.phones):
            found.setdefault((WECHAT, norm), wechat)
    _numbers(found, row)
    if row.rare:
        for name, kind, norms in _RARE:
            value = values.get(name)
            if value:
                for norm in norms(value):
                    found.setdefault((kind, norm), value)
    return [(kind, norm, raw) for (kind, norm), raw in found.items()]


def _numbers(found: dict[tuple[int, str], str], row: Row) -> None:
    values = row.values
    for norm in row.qqs:
        found[QQ, norm] = values["qq"] or ""
    for norm in row.licences:
        found[LICENCE, norm] = values["licence"] or ""
    for base, _ in row.filings:
        if not serial_is_zero(base):
            found[ICP, base] = values["icp"] or ""
    if row.address is not None and (norm := row.address.door):
        found[ADDRESS, norm] = values["address"] or ""


def _door(value: str) -> list[str]:
    norm = door(value)
    return [norm] if norm else []


def _police(value: str) -> list[str]:
    return [digits for _, digits in police_numbers(value) if len(digits) == 14 and digits.strip("0")]


def _text(value: str) -> list[str]:
    norm = "".join(plain(value).split()).upper()[:200]
    return [] if norm in _NOTHING or len(set(norm)) < 2 else [norm]


def _host(value: str) -> list[str]:
    norm = "".join(plain(value).split()).lower()
    norm = norm.split("://")[-1].split("/")[0].split("?")[0].split(":")[0].removeprefix("www.").strip(".")
    return [norm[:253]] if "." in norm else []


_RARE: Final[tuple[tuple[str, int, Callable[[str], list[str]]], ...]] = (
    ("return_address", int(Kind.RETURN_ADDRESS), _door),
    ("legal_person", int(Kind.LEGAL_PERSON), _text),
    ("payment", int(Kind.PAYMENT), _text),
    ("image", int(Kind.IMAGE), _text),
    ("domain", int(Kind.DOMAIN), _host),
    ("police_no", int(Kind.POLICE_NO), _police),
)
_RARE_NAMES: Final = frozenset(name for name, _, _ in _RARE)
