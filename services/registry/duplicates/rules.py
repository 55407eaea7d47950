"""查重规则 why two records may be one, and what of each goes into the one that stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.registry.changes.rules import label
from services.registry.identifiers.normal import identifying
from services.registry.personal.rules import PERSONAL


class DuplicateType(StrEnum):
    """What stands twice."""

    SUBJECT = "subject"
    PRESENCE = "presence"


class DuplicateRule(StrEnum):
    """Why two records are proposed as one."""

    SAME_LICENCE = "same_licence"
    FORMER_NUMBER = "former_number"
    NAME_DOOR = "name_door"
    NAME_PHONE = "name_phone"
    NAME_PERSON = "name_person"
    NATIVE_ID = "native_id"
    SAME_URL = "same_url"
    NAME_PLATFORM_CONTACT = "name_platform_contact"


REASONS: Final[dict[DuplicateRule, tuple[str, str, int]]] = {
    DuplicateRule.SAME_LICENCE: ("证照号码相同", "Same licence number", 95),
    DuplicateRule.NATIVE_ID: ("同一平台、同一平台内编号", "Same number on the same platform", 95),
    DuplicateRule.SAME_URL: ("网址相同", "Same web address", 85),
    DuplicateRule.FORMER_NUMBER: (
        "一方的原15位注册号是另一方的证照号码",
        "One's former number is the other's",
        90,
    ),
    DuplicateRule.NAME_DOOR: ("名称与门牌地址相同", "Same name and same door", 80),
    DuplicateRule.NAME_PHONE: ("名称与电话相同", "Same name and same telephone", 75),
    DuplicateRule.NAME_PLATFORM_CONTACT: (
        "平台、店名与联系方式相同",
        "Same platform, shop name and contact",
        70,
    ),
    DuplicateRule.NAME_PERSON: ("名称与法定代表人相同", "Same name and same legal representative", 65),
}
SUBJECT_RULES: Final = (DuplicateRule.SAME_LICENCE, DuplicateRule.FORMER_NUMBER)
PRESENCE_RULES: Final = (
    DuplicateRule.NATIVE_ID,
    DuplicateRule.SAME_URL,
    DuplicateRule.NAME_PLATFORM_CONTACT,
)


class DuplicateState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    MERGED = "merged"
    DISMISSED = "dismissed"


class MergeChoice(StrEnum):
    """What happens to a field in which both records say something else."""

    KEEP = "keep"
    TAKE = "take"
    BOTH = "both"


SUBJECT_FIELDS: Final = (
    "name",
    "kind",
    "licence",
    "registered_at",
    "authority_code",
    "scope",
    "verified_at",
    "legal_person",
    "id_card",
    "phone",
    "qq",
    "wechat",
    "address",
)
PRESENCE_FIELDS: Final = (
    "name",
    "channel",
    "platform",
    "native_id",
    "url",
    "path_description",
    "subject_id",
    "licence",
    "icp",
    "police_no",
    "ownership",
    "exemption",
    "over_100k",
    "label_no",
    "phone",
    "qq",
    "wechat",
    "address",
    "return_address",
    "legal_person",
    "payment",
)
FIELDS: Final = {DuplicateType.SUBJECT: SUBJECT_FIELDS, DuplicateType.PRESENCE: PRESENCE_FIELDS}
# Cells that may hold several values, and how long they may become.
_SEVERAL: Final = {"phone": 200, "qq": 200, "wechat": 200, "payment": 200}
# What makes the record the one it is stays with it: taking them would turn it into another.
_FIXED: Final = frozenset({"kind", "channel"})


@dataclass(frozen=True, slots=True)
class Planned:
    """One field of a merge: what each record says, what the kept one will say, and whether they conflict.

    choices: what may be chosen where they conflict; `choice` the one taken.
    """

    field: str
    kept: Any
    other: Any
    result: Any
    conflict: bool
    choices: tuple[MergeChoice, ...]
    choice: MergeChoice

    @property
    def personal(self) -> bool:
        """Whether its values are shown masked only."""
        return self.field in PERSONAL

    @property
    def names(self) -> tuple[str, str]:
        """Chinese and English name of the field."""
        return label(self.field)


def plan(
    object_type: DuplicateType,
    kept: Mapping[str, Any],
    other: Mapping[str, Any],
    chosen: Mapping[str, MergeChoice] | None = None,
) -> list[Planned]:
    """What a merge makes of each field on which at least one record says something.

    An empty field is filled, an equal one stays. Where both say something else, several contacts are kept in
    one cell unless chosen otherwise, and of anything else the kept record's. A choice that a field does not
    offer counts as none made.
    """
    return [
        _field(name, kept.get(name), other.get(name), (chosen or {}).get(name))
        for name in FIELDS[object_type]
        if not (_empty(kept.get(name)) and _empty(other.get(name)))
    ]


def _empty(value: Any) -> bool:
    return value is None or value == ""


def _field(name: str, kept: Any, other: Any, chosen: MergeChoice | None) -> Planned:
    if _empty(other) or _same(name, kept, other):
        return Planned(name, kept, other, kept, False, (), MergeChoice.KEEP)
    if _empty(kept):
        return Planned(name, kept, other, other, False, (), MergeChoice.TAKE)
    choices: tuple[MergeChoice, ...] = (
        (MergeChoice.KEEP,) if name in _FIXED else (MergeChoice.KEEP, MergeChoice.TAKE)
    )
    together = f"{kept}、{other}"
    if name in _SEVERAL and len(together) <= _SEVERAL[name]:
        choices = (MergeChoice.BOTH, *choices)
    choice = chosen if chosen in choices else choices[0]
    result = {MergeChoice.KEEP: kept, MergeChoice.TAKE: other, MergeChoice.BOTH: together}[choice]
    return Planned(name, kept, other, result, True, choices, choice)


def _same(name: str, one: Any, other: Any) -> bool:
    """Equal as written, or in the normal form by which values are compared."""
    if one == other:
        return True
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    norms = [{norm for _, norm, _ in identifying({name: value})} for value in (one, other)]
    return bool(norms[0]) and norms[0] == norms[1]


def former_names(
    kept: list[dict[str, Any]], other: list[dict[str, Any]], *names: str
) -> list[dict[str, Any]]:
    """The kept record's former names with those of the other, and the names it does not bear any more."""
    found = list(kept)
    known = {entry["value"] for entry in kept}
    for entry in [*other, *({"value": name, "from": None, "to": None} for name in names)]:
        if entry["value"] not in known:
            known.add(entry["value"])
            found.append(entry)
    return found
