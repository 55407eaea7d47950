"""主体规则 what follows from a subject's own facts: its kind, what is personal, what is searchable."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from services.registry.identifiers.rules import canonical_icp, compact, licence_kind
from services.registry.search.rules import search_fields


class SubjectKind(StrEnum):
    """Kind of subject, by the first two characters of its USCC where it has one (GB 32100-2015, table 2)."""

    ENTERPRISE = "enterprise"
    INDIVIDUAL = "individual_business"
    COOPERATIVE = "cooperative"
    NATURAL_PERSON = "natural_person"
    OTHER = "other"


class SubjectStatus(StrEnum):
    """Whether the subject still exists, as the register of companies says it (登记状态)."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    REVOKED = "revoked"
    MOVED = "moved"
    UNKNOWN = "unknown"


STATUS_LABELS: Final[dict[str, tuple[str, str]]] = {
    SubjectStatus.ACTIVE: ("存续", "Active"),
    SubjectStatus.CANCELLED: ("注销", "Deregistered"),
    SubjectStatus.REVOKED: ("吊销", "Licence revoked"),
    SubjectStatus.MOVED: ("迁出", "Moved away"),
    SubjectStatus.UNKNOWN: ("不明", "Unknown"),
    "merged": ("已并入", "Merged"),
}

KIND_LABELS: Final[dict[SubjectKind, tuple[str, str]]] = {
    SubjectKind.ENTERPRISE: ("企业", "Enterprise"),
    SubjectKind.INDIVIDUAL: ("个体工商户", "Individual business"),
    SubjectKind.COOPERATIVE: ("农民专业合作社", "Farmers' cooperative"),
    SubjectKind.NATURAL_PERSON: ("自然人", "Natural person"),
    SubjectKind.OTHER: ("其他", "Other"),
}

_BY_PREFIX: Final = {
    "91": SubjectKind.ENTERPRISE,
    "92": SubjectKind.INDIVIDUAL,
    "93": SubjectKind.COOPERATIVE,
}


def kind_of(licence: str | None) -> SubjectKind:
    """Kind told by a licence number; `other` when it does not tell."""
    if licence_kind(licence) != "uscc":
        return SubjectKind.OTHER
    return _BY_PREFIX.get(compact(licence or "")[:2], SubjectKind.OTHER)


def searchable(values: Mapping[str, Any], region: str) -> tuple[str, list[int]]:
    """`(search_text, grams)` of a subject or a presence: values as given and as compared, none personal.

    region: the row's.
    """
    return search_fields(searched(values), region)


def searched(values: Mapping[str, Any]) -> list[str | None]:
    """The values by which a subject or a presence is found; for `search_fields_many`."""
    licence, icp = values.get("licence"), values.get("icp")
    native_id, source_id = values.get("native_id"), values.get("source_id")
    return [
        values.get("name"),
        compact(licence) if licence else None,
        icp,
        canonical_icp(icp) if icp else None,
        values.get("platform"),
        native_id,
        source_id if source_id != native_id else None,
        values.get("url"),
    ]
