"""变更规则 what counts as a change of a value, and how a change is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.registry.personal.rules import PERSONAL, mask

FIELDS: Final[dict[str, tuple[str, str]]] = {
    **PERSONAL,
    "name": ("名称", "Name"),
    "kind": ("主体类型", "Kind"),
    "licence": ("证照号码", "Licence"),
    "former_names": ("曾用名", "Former names"),
    "regno15": ("15位注册号", "15-digit registration number"),
    "status": ("状态", "Status"),
    "registered_at": ("成立日期", "Registered on"),
    "authority_code": ("登记或管辖机关", "Authority"),
    "scope": ("经营范围", "Business scope"),
    "verified_at": ("核验时间", "Verified at"),
    "channel": ("渠道", "Channel"),
    "subject_id": ("所属主体", "Subject"),
    "platform": ("平台", "Platform"),
    "native_id": ("平台内编号", "Number on the platform"),
    "url": ("网址", "Web address"),
    "path_description": ("查找路径", "How to get there"),
    "icp": ("ICP备案号", "ICP filing"),
    "police_no": ("公安备案号", "Police filing"),
    "ownership": ("B店/C店", "B or C shop"),
    "exemption": ("免登记情形", "Ground of exemption"),
    "over_100k": ("年交易额超10万元", "Over CNY 100,000 a year"),
    "categories": ("经营类目", "Categories"),
    "label_no": ("电子标识编号", "E-label number"),
    "region_code": ("区划", "Region"),
    "claim_state": ("认领状态", "Claim"),
    "merged_into": ("并入", "Merged into"),
    "tags": ("标签", "Tags"),
    "alive": ("可访问", "Reachable"),
}


@dataclass(frozen=True, slots=True)
class Changed:
    """One field that has another value now; `old` and `new` are JSON values, None for none."""

    field: str
    old: Any
    new: Any

    @property
    def personal(self) -> bool:
        """Whether its values may be stored sealed only."""
        return self.field in PERSONAL


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Changed]:
    """The fields of `after` whose value differs from that of `before`, in the order of `after`.

    An empty text is no value, as None is.
    """
    return [
        Changed(field, before.get(field), new)
        for field, new in after.items()
        if _value(before.get(field)) != _value(new)
    ]


def _value(value: Any) -> Any:
    return None if value == "" else value


def shown(field: str, value: Any) -> Any:
    """A value of the history as it may be shown: masked when it is personal."""
    return mask(field, str(value)) if field in PERSONAL and value is not None else value


def label(field: str) -> tuple[str, str]:
    """Names of a field, Chinese and English; the field itself when it has none."""
    return FIELDS.get(field, (field, field))
