"""号码校验 pure checks of the numbers that appear in registers and on shop pages.

Every check warns and never corrects: real codes that fail their check digit exist, and a
"corrected" number would be one nobody ever showed. What was given is stored as given; the
normal forms made here serve comparison and search only.

Sources: GB 32100-2015 (unified social credit code), GS 15-2006 (legacy registration number,
ISO 7064 MOD 11,10), the ICP filing formats seen in page footers, and the number formats of
public telephone numbering. Arithmetic comes from python-stdnum.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_11_10

from services.registry.search.rules import visible

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
PROVINCE_ABBREVIATIONS: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

_ICP_FILING = re.compile(rf"^([{PROVINCE_ABBREVIATIONS}])ICP备(\d{{8}}|\d{{10}})号?(-\d{{1,4}}[AX]?)?$")
_ICP_LICENCE = re.compile(rf"^[{PROVINCE_ABBREVIATIONS}](ICP证\d{{6}}号?|[AB][12]-\d{{8}})(-\d{{1,4}})?$")
_MOBILE = re.compile(r"^1(3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])\d{8}$")
_LANDLINE = re.compile(r"^0\d{2,3}\d{7,8}(转\d{1,6})?$")
_SERVICE_LINE = re.compile(r"^[48]00\d{7}$")
_QQ = re.compile(r"^[1-9]\d{4,10}$")
_WECHAT = re.compile(r"^[A-Za-z][-_A-Za-z0-9]{5,19}$")
_SEPARATORS = re.compile(r"[、,;/|]+|\s{2,}|或")
_SAME_AS_PHONE = re.compile(r"同(手机|号|电话)|手机同号")


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


def compact(value: str) -> str:
    """Comparison form: NFKC (full-width to half-width), upper case, nothing invisible."""
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
    if number[-1] != stdnum_uscc.calc_check_digit(number[:17]):
        return [
            Finding(
                field,
                "uscc.check_digit",
                "统一社会信用代码校验位不符，请对照原件（早期代码中确有不符者，未作更改）",
                "The check digit does not fit; compare with the original (some early codes really fail)",
            )
        ]
    return []


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
    """Canonical form of an ICP number (tolerates spaces and a missing 号); None if it is not one."""
    number = compact(value)
    found = _ICP_FILING.match(number)
    if found:
        return f"{found[1]}ICP备{found[2]}号{found[3] or ''}"
    return number if _ICP_LICENCE.match(number) else None


def check_icp(value: str, field: str = "icp") -> list[Finding]:
    """Findings for an ICP filing number; a tolerated variant is named as such, a zero number as false."""
    canonical = canonical_icp(value)
    if canonical is None:
        return [
            Finding(
                field, "icp.format", "不是ICP备案号或许可证号的格式", "Not the form of an ICP filing number"
            )
        ]
    digits = re.sub(r"\D", "", canonical.split("号", maxsplit=1)[0])
    if not digits.strip("0"):
        return [
            Finding(field, "icp.zero", "ICP备案号全为零，疑似虚假", "An all-zero ICP number: likely false")
        ]
    if canonical != value.strip():
        return [
            Finding(
                field,
                "icp.variant",
                f"书写与规范格式“{canonical}”不同",
                f"Written unlike the form {canonical}",
            )
        ]
    return []


def split_values(value: str) -> list[str]:
    """Several values in one cell (separated by 、 , ; / | or 或) as a list, in order, each stripped."""
    text = unicodedata.normalize("NFKC", value)
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def phone_digits(value: str) -> str:
    """A telephone number as compared: digits only, without +86 and without separators; 转 is kept."""
    text = re.sub(r"[^\d转+]", "", compact(value))
    text = re.sub(r"^(\+|00)86", "", text)
    return text.replace("+", "")


def check_phone(value: str, field: str = "phone") -> list[Finding]:
    """Findings for one cell of telephone numbers (mobile, landline, 400/800), several allowed."""
    for part in split_values(value):
        digits = phone_digits(part)
        if not (_MOBILE.match(digits) or _LANDLINE.match(digits) or _SERVICE_LINE.match(digits)):
            return [Finding(field, "phone.format", "电话号码格式存疑", "Doubtful form of a telephone number")]
    return []


def check_qq(value: str, field: str = "qq") -> list[Finding]:
    """Findings for one cell of QQ numbers (5 to 11 digits, no leading zero)."""
    if all(_QQ.match(compact(part)) for part in split_values(value)):
        return []
    return [Finding(field, "qq.format", "QQ号应为5至11位数字且不以0开头", "A QQ number has 5 to 11 digits")]


def check_wechat(value: str, field: str = "wechat") -> list[Finding]:
    """Findings for one cell of WeChat ids; a mobile or QQ number may serve as one."""
    for part in split_values(value):
        plain = "".join(unicodedata.normalize("NFKC", part).split())
        if _SAME_AS_PHONE.search(plain):
            return [
                Finding(
                    field,
                    "wechat.refers",
                    "写作“与手机同号”，没有给出号码",
                    "Refers to the phone, gives no id",
                )
            ]
        if not (_WECHAT.match(plain) or _MOBILE.match(plain) or _QQ.match(plain)):
            return [Finding(field, "wechat.format", "微信号格式存疑", "Doubtful form of a WeChat id")]
    return []


_CHECKS: Final[dict[str, Callable[[str, str], list[Finding]]]] = {
    "licence": check_licence,
    "icp": check_icp,
    "phone": check_phone,
    "qq": check_qq,
    "wechat": check_wechat,
}


def check_fields(values: dict[str, str | None]) -> list[Finding]:
    """All findings for a record's known fields (licence, icp, phone, qq, wechat); nothing is changed."""
    findings: list[Finding] = []
    for field, check in _CHECKS.items():
        value = values.get(field)
        if value:
            findings.extend(check(value, field))
    return findings


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
