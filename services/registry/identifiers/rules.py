"""号码校验 pure checks of the numbers that appear in registers and on shop pages.

Every check warns and never corrects: real codes that fail their check digit exist, and a
"corrected" number would be one nobody ever showed. What was given is stored as given; the
normal forms made here serve comparison and search only.

Sources: GB 32100-2015 (unified social credit code), GS 15-2006 (legacy registration number,
ISO 7064 MOD 11,10), the ICP and police filing formats seen in page footers, and the number formats of
public telephone numbering. The tests compare the arithmetic with python-stdnum.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from typing import Final

from stdnum.iso7064 import mod_11_10

from services.registry.identifiers.accounts import qq_numbers, refers_to_phone, wechat_ids
from services.registry.identifiers.characters import CELL, with_digits
from services.registry.identifiers.filings import filings, police_numbers, serial_is_zero
from services.registry.identifiers.licences import USCC_ALPHABET
from services.registry.identifiers.normal import Row, taken_apart
from services.registry.identifiers.phones import is_mobile, known_segment, leftover, phones
from services.registry.identifiers.places import province_digits
from services.registry.search.rules import visible

_VALUE: Final = {character: value for value, character in enumerate(USCC_ALPHABET)}
_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))  # GB 32100-2015, table 4
_USCC: Final = re.compile(f"[{USCC_ALPHABET}]{{18}}").fullmatch
_COMPACT: Final = re.compile("[0-9A-Z]*").fullmatch
_SHORT_LINE: Final = re.compile(r"9[5-6]\d{3,4}").fullmatch  # 95188: lines of whole companies
_LOCAL: Final = re.compile(r"[2-9]\d{6,7}").fullmatch
_MANY_DIGITS: Final = re.compile(r"(?:[0-9][ -]?){5}").search
_SPARE: Final = 5  # a cell with fewer characters than that beside its numbers hides no other number
_HIDDEN: Final = re.compile(r"\*{2,}|x{4,}|X{4,}").search
_SEPARATORS = re.compile(r"[、,;/|]+|\s{2,}|或")


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about one field; `code` is stable, the texts are for people."""

    field: str
    code: str
    zh: str
    en: str

    def as_json(self) -> dict[str, str]:
        """The finding as it is stored and sent."""
        return {"field": self.field, "code": self.code, "zh": self.zh, "en": self.en}


@lru_cache(maxsize=1 << 12)  # the checks and forms of one row ask several times
def compact(value: str) -> str:
    """Comparison form of a cell: NFKC (full-width to half-width), upper case, nothing invisible."""
    value = value[:CELL]
    if _COMPACT(value):
        return value
    return unicodedata.normalize("NFKC", visible(unicodedata.normalize("NFKC", value).upper()))


def licence_kind(value: str | None) -> str | None:
    """`uscc`, `regno15` or `unknown` by shape alone (the check digit plays no part); None for nothing."""
    number = compact(value or "")
    if not number:
        return None
    if len(number) == 18:
        return "uscc"
    if len(number) == 15 and number.isascii() and number.isdigit():
        return "regno15"
    return "unknown"


def check_uscc(value: str, field: str = "licence") -> list[Finding]:
    """Findings for an 18-character unified social credit code (GB 32100-2015); empty when it passes."""
    if _USCC(value) and _check_character_fits(value):
        return []
    number = compact(value)
    if len(number) != 18:
        return [
            Finding(
                field,
                "uscc.length",
                f"统一社会信用代码应为18位，现为{len(number)}位",
                "A USCC has 18 characters",
            )
        ]
    strange = sorted({c for c in number if c not in USCC_ALPHABET})
    if strange:
        shown = "".join(strange)
        return [
            Finding(
                field,
                "uscc.alphabet",
                f"含有统一社会信用代码不使用的字符：{shown}（不使用 I O S V Z），请对照原件",
                f"Characters a USCC never uses: {shown}; compare with the original",
            )
        ]
    if not _check_character_fits(number):
        return [
            Finding(
                field,
                "uscc.check_digit",
                "统一社会信用代码校验位不符，请对照原件（早期代码中确有不符者，未作更改）",
                "The check digit does not fit; compare with the original (some early codes really fail)",
            )
        ]
    return []


def _check_character_fits(number: str) -> bool:
    total: int = sum(map(mul, _WEIGHTS, map(_VALUE.__getitem__, number)))
    return (total + _VALUE[number[17]]) % 31 == 0


def check_regno15(value: str, field: str = "licence") -> list[Finding]:
    """Findings for a legacy 15-digit registration number (ISO 7064 MOD 11,10); empty when it passes."""
    number = compact(value)
    if len(number) != 15 or not (number.isascii() and number.isdigit()):
        return [Finding(field, "regno15.format", "注册号应为15位数字", "A registration number has 15 digits")]
    if not mod_11_10.is_valid(number):
        return [
            Finding(
                field,
                "regno15.check_digit",
                "15位注册号校验位不符，请对照原件",
                "The check digit does not fit",
            )
        ]
    return []


def check_licence(value: str, field: str = "licence") -> list[Finding]:
    """Findings for a licence number of either generation, chosen by its shape."""
    if _USCC(value) and _check_character_fits(value):
        return []
    kind = licence_kind(value)
    if kind == "uscc":
        return check_uscc(value, field)
    if kind == "regno15":
        return check_regno15(value, field)
    if kind is None:
        return []
    return [
        Finding(
            field,
            "licence.format",
            "既不是18位统一社会信用代码，也不是15位注册号",
            "Neither an 18-character USCC nor a 15-digit registration number",
        )
    ]


def canonical_icp(value: str) -> str | None:
    """Canonical form of the ICP number in a cell (tolerates spaces, a missing 号); None if there is none."""
    found = filings(value)
    return "".join(found[0]) if found else None


def check_icp(value: str, field: str = "icp") -> list[Finding]:
    """Findings for an ICP number; a tolerated variant is named as such, a zero number as false."""
    return _icp(value, filings(value), field)


def _icp(value: str, found: list[tuple[str, str]], field: str) -> list[Finding]:
    if not found:
        return [
            Finding(
                field, "icp.format", "不是ICP备案号或许可证号的格式", "Not the form of an ICP filing number"
            )
        ]
    if any(serial_is_zero(base) for base, _ in found):
        return [
            Finding(field, "icp.zero", "ICP备案号全为零，疑似虚假", "An all-zero ICP number: likely false")
        ]
    canonical = "".join(found[0])
    if len(found) == 1 and canonical != value.strip():
        return [
            Finding(
                field,
                "icp.variant",
                f"书写与规范格式“{canonical}”不同",
                f"Written unlike the form {canonical}",
            )
        ]
    return []


def check_police_no(value: str, field: str = "police_no") -> list[Finding]:
    """Findings for a public security filing number (公安联网备案): the mistakes and forgeries that occur.

    All zeros; an ICP number in its place; too few or too many digits; digits of another province than the
    label's. Whether the area exists is not asked: areas outside GB/T 2260 are in real use.
    """
    found = police_numbers(value)
    if not found:
        code = "police.icp_number" if filings(value) else "police.format"
        return [_police_finding(field, code)]
    return [
        _police_finding(field, code)
        for code in dict.fromkeys(_police_code(label, digits) for label, digits in found)
        if code
    ]


def _police_code(label: str, digits: str) -> str | None:
    if digits and not digits.strip("0"):
        return "police.zero"
    if len(digits) in {8, 10}:
        return "police.icp_number"
    if len(digits) < 14:
        return "police.truncated"
    if len(digits) > 14:
        return "police.too_long"
    if label and province_digits()[label] != digits[:2]:
        return "police.province"
    return None


_POLICE: Final = {
    "police.format": ("不是公安备案号的格式", "Not the form of a police filing number"),
    "police.zero": ("公安备案号全为零，疑似虚假", "An all-zero police filing number: likely false"),
    "police.icp_number": (
        "像是把ICP备案号当作公安备案号",
        "Looks like an ICP number in the place of a police one",
    ),
    "police.truncated": ("公安备案号不足14位", "A police filing number has 14 digits, this one fewer"),
    "police.too_long": ("公安备案号多于14位", "A police filing number has 14 digits, this one more"),
    "police.province": (
        "公安备案号的省份简称与区域代码不符",
        "The province shown is not the one of the digits",
    ),
}


def _police_finding(field: str, code: str) -> Finding:
    zh, en = _POLICE[code]
    return Finding(field, code, zh, en)


def split_values(value: str) -> list[str]:
    """Several values in one cell (separated by 、 , ; / | or 或) as a list, in order, each stripped."""
    text = unicodedata.normalize("NFKC", value)
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def check_phone(value: str, field: str = "phone") -> list[Finding]:
    """Findings for one cell of telephone numbers (mobile, landline, 400/800), several allowed."""
    return _phone(value, phones(value), field)


def _phone(value: str, numbers: list[str], field: str) -> list[Finding]:
    if len(numbers) == 1 and numbers[0] == value:
        if not is_mobile(value) or known_segment(value):
            return []
    elif numbers and (len(value) < sum(map(len, numbers)) + _SPARE or not _MANY_DIGITS(leftover(value))):
        if all(known_segment(number) for number in numbers if is_mobile(number)):
            return []
    elif _HIDDEN(value[:CELL]):
        return [Finding(field, "phone.masked", "号码部分被遮盖", "Part of the number is hidden")]
    else:
        return _no_phone(value, field)
    return [Finding(field, "phone.segment", "手机号段未在已知号段内", "No known segment of mobile numbers")]


def _no_phone(value: str, field: str) -> list[Finding]:
    bare = re.sub(r"[^0-9]", "", with_digits(value))
    if _SHORT_LINE(bare):
        return []
    if _LOCAL(bare):
        return [Finding(field, "phone.no_area", "固定电话缺少区号", "A landline without its area code")]
    return [Finding(field, "phone.format", "电话号码格式存疑", "Doubtful form of a telephone number")]


def check_qq(value: str, field: str = "qq") -> list[Finding]:
    """Findings for one cell of QQ numbers (5 to 11 digits, no leading zero)."""
    return _qq(qq_numbers(value), field)


def _qq(numbers: list[str], field: str) -> list[Finding]:
    if numbers:
        return []
    return [Finding(field, "qq.format", "QQ号应为5至11位数字且不以0开头", "A QQ number has 5 to 11 digits")]


def check_wechat(value: str, field: str = "wechat") -> list[Finding]:
    """Findings for one cell of WeChat ids; a mobile or QQ number may serve as one."""
    return _wechat(value, wechat_ids(value), field)


def _wechat(value: str, ids: list[str], field: str) -> list[Finding]:
    if ids:
        return []
    if refers_to_phone(value):
        return [
            Finding(
                field,
                "wechat.refers",
                "写作“与手机同号”，没有给出号码",
                "Refers to the phone, gives no id",
            )
        ]
    return [Finding(field, "wechat.format", "微信号格式存疑", "Doubtful form of a WeChat id")]


_ADDRESS: Final = {
    "address.retired_name": (
        "地址使用已撤销的区划名称",
        "The address uses a name of a division that was given up",
    ),
    "address.conflict": ("地址中的县区不属于所写的设区市", "The county named does not lie in the city named"),
}


def _address(row: Row, field: str) -> list[Finding]:
    if row.address is None:
        return []
    return [
        Finding(field, code, *_ADDRESS[code]) for code in dict.fromkeys(row.address.notes) if code in _ADDRESS
    ]


def check_fields(values: Mapping[str, str | None]) -> list[Finding]:
    """All findings for a record's known fields; nothing is changed."""
    return findings_in(*taken_apart([values]))


def findings_in(row: Row) -> list[Finding]:
    """The same for a row whose cells are read already."""
    get = row.values.get
    found: list[Finding] = []
    if licence := get("licence"):
        found += check_licence(licence, "licence")
    if icp := get("icp"):
        found += _icp(icp, row.filings, "icp")
    if phone := get("phone"):
        found += _phone(phone, row.phones, "phone")
    if get("qq"):
        found += _qq(row.qqs, "qq")
    if wechat := get("wechat"):
        found += _wechat(wechat, row.wechats, "wechat")
    if row.address is not None and row.address.notes:
        found += _address(row, "address")
    if row.rare and (police := get("police_no")):
        found += check_police_no(police)
    return found


def mask_middle(value: str | None, head: int, tail: int) -> str | None:
    """The value without its middle: `head` and `tail` characters stay; short values are hidden whole."""
    if not value:
        return value
    if len(value) <= head + tail:
        return "*" * len(value)
    return f"{value[:head]}{'*' * min(len(value) - head - tail, 8)}{value[-tail:] if tail else ''}"


def mask_contact(field: str, value: str | None) -> str | None:
    """A personal contact value as lists may show it (138****5678, 12****89, 江西省南昌********)."""
    if field == "phone":
        return mask_middle(value, 3, 4)
    if field == "address":
        return mask_middle(value, 6, 0)
    return mask_middle(value, 2, 2)
