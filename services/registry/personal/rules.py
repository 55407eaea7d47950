"""个人信息规则 which fields are personal (个人信息保护法 §4, §28) and how they are shown without being told.

They are sealed in every row, whoever's: a telephone number is a person's even where the subject is a company.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from services.registry.identifiers.rules import mask_middle

PERSONAL: Final[dict[str, tuple[str, str]]] = {
    "phone": ("电话", "Phone"),
    "qq": ("QQ", "QQ"),
    "wechat": ("微信", "WeChat"),
    "address": ("地址", "Address"),
    "return_address": ("退货地址", "Return address"),
    "legal_person": ("法定代表人", "Legal representative"),
    "id_card": ("居民身份证号", "Identity card number"),
    "payment": ("收款账户", "Payment account"),
}

_KEPT: Final[dict[str, tuple[int, int]]] = {
    "phone": (3, 4),
    "address": (6, 0),
    "return_address": (6, 0),
    "legal_person": (1, 0),
    "id_card": (0, 4),
    "payment": (0, 4),
}
_KEPT_ELSE: Final = (2, 2)


class Purpose(StrEnum):
    """What a personal value is looked at for (个人信息保护法 §6, §34: clear, and a statutory duty)."""

    INSPECTION = "inspection"
    CASE = "case"
    COMPLAINT = "complaint"
    VERIFICATION = "verification"
    CONTACT = "contact"
    OTHER = "other"


PURPOSE_LABELS: Final[dict[Purpose, tuple[str, str]]] = {
    Purpose.INSPECTION: ("日常监测检查", "Routine inspection"),
    Purpose.CASE: ("案件调查", "Case investigation"),
    Purpose.COMPLAINT: ("投诉举报处理", "Complaint or report"),
    Purpose.VERIFICATION: ("主体核验与属地认领", "Verification and jurisdiction"),
    Purpose.CONTACT: ("联系当事人", "Contacting the party"),
    Purpose.OTHER: ("其他（须注明）", "Other (say what)"),
}


def personal_of(values: Mapping[str, str | None]) -> dict[str, str]:
    """The personal values among a record's fields; empty ones left out."""
    return {name: value for name in PERSONAL if (value := values.get(name))}


def mask(field: str, value: str | None) -> str | None:
    """A personal value as it is shown: 138****5678, 江西省南昌********, 张**."""
    return mask_middle(value, *_KEPT.get(field, _KEPT_ELSE))


def masked(values: Mapping[str, str]) -> dict[str, str | None]:
    """Every personal field of a record, masked; None where it has no value."""
    return {name: mask(name, values.get(name)) for name in PERSONAL}
