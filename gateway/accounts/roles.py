"""Roles and what each may do: data, not code.

A role is granted by the security administrator (安全管理员). The three administrators follow 三员分立 (GB/T
22239-2019, 8.1.5): whoever holds one of them holds no other role, neither another administrator's nor one of
daily business.
"""

from dataclasses import dataclass
from typing import Final, Literal

Track = Literal["admin", "business", "local"]


@dataclass(frozen=True, slots=True)
class Role:
    """One role: its code, its names, the track it belongs to, and its permissions."""

    code: str
    zh: str
    en: str
    track: Track
    permissions: frozenset[str]


PERMISSIONS: Final[dict[str, tuple[str, str]]] = {
    "capture:create": ("下达采集任务", "order captures"),
    "capture:read": ("查看采集任务", "see captures"),
    "evidence:read": ("查看证据", "see evidence"),
    "evidence:export": ("导出证据包", "export evidence packages"),
    "evidence:hold": ("设置与解除保全冻结", "set and lift legal holds"),
    "store:sweep": ("启动与停止存储复核", "start and stop sweeps of the evidence store"),
    "integrity:audit": ("核查证据完整性", "audit the evidence"),
    "log:manage": ("维护存证日志", "keep the transparency log"),
    "clue:create": ("登记线索", "register clues"),
    "clue:read": ("查看线索", "see clues"),
    "clue:assign": ("分派线索", "assign clues"),
    "clue:sign": ("签收线索", "sign for clues"),
    "case:read": ("查看案件", "see cases"),
    "case:write": ("办理案件", "work cases"),
    "registry:read": ("查看主体档案", "see the registry"),
    "registry:write": ("维护主体档案", "edit the registry"),
    "registry:import": ("导入与合并主体档案", "import and merge registry records"),
    "registry:claim": ("认领属地", "claim or reject jurisdiction"),
    "registry:assign": ("分派属地与复核", "assign jurisdiction and re-verification"),
    "registry:reveal": ("查看个人信息原文", "see personal data in full, with a purpose"),
    "registry:judge": ("判定关联", "judge links between shops"),
    "registry:exchange": ("跨区域比对关联", "compare links with other regions"),
    "user:manage": ("管理账号", "manage accounts"),
    "role:grant": ("授予角色", "grant roles"),
    "key:manage": ("管理签名密钥", "manage signing keys"),
    "audit:read": ("查看审计记录", "read the audit record"),
    "system:read": ("查看系统状态", "see the system's state"),
}

_CAPTURE = frozenset({"capture:create", "capture:read", "evidence:read", "evidence:export"})
_CLUE = frozenset({"clue:create", "clue:read", "clue:assign", "clue:sign"})
_CASE = frozenset({"case:read", "case:write"})
_REGISTRY = frozenset(
    {
        "registry:read",
        "registry:write",
        "registry:import",
        "registry:claim",
        "registry:reveal",
        "registry:judge",
    }
)
_COMMAND = frozenset({"registry:assign", "registry:exchange"})

ROLES: Final[dict[str, Role]] = {
    role.code: role
    for role in (
        Role(
            "dispatcher",
            "指挥调度",
            "dispatcher",
            "business",
            _CAPTURE
            | {"evidence:hold", "clue:create", "clue:read", "clue:assign", "case:read"}
            | _REGISTRY
            | _COMMAND,
        ),
        Role(
            "officer",
            "监管人员",
            "officer",
            "business",
            _CAPTURE | {"evidence:hold"} | _CLUE | _CASE | _REGISTRY,
        ),
        Role("field", "取证人员", "field staff", "business", _CAPTURE),
        Role(
            "sysadmin",
            "系统管理员",
            "system administrator",
            "admin",
            frozenset({"user:manage", "system:read", "store:sweep"}),
        ),
        Role(
            "secadmin",
            "安全管理员",
            "security administrator",
            "admin",
            frozenset({"role:grant", "key:manage"}),
        ),
        Role(
            "auditor",
            "审计管理员",
            "audit administrator",
            "admin",
            frozenset({"audit:read", "system:read", "integrity:audit"}),
        ),
        Role(
            "operator",
            "本机操作员",
            "local operator",
            "local",
            _CAPTURE
            | {"system:read", "key:manage", "integrity:audit", "store:sweep", "log:manage"}
            | _REGISTRY
            | _COMMAND,
        ),
    )
}

ADMINISTRATORS: Final[frozenset[str]] = frozenset(
    code for code, role in ROLES.items() if role.track == "admin"
)
GRANTABLE: Final[frozenset[str]] = frozenset(code for code, role in ROLES.items() if role.track != "local")


def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """All permissions a set of role codes gives. Unknown codes give nothing (deny by default)."""
    granted: frozenset[str] = frozenset()
    for code in roles:
        role = ROLES.get(code)
        if role is not None:
            granted |= role.permissions
    return granted
