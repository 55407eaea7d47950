"""What a custody event says and how the log binds it. Fields follow ISO/IEC 27037 §5.4.1 (who, when, why)."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.common.canonical import canonical
from services.common.clock import rfc3339

# One look at an item on the screen asks for it and its artefacts many times: one view, one read of each.
VIEW_WINDOW = timedelta(seconds=60)

# Kinds of events: domain.md §3.5 (states of an item) and ISO/IEC 27037 §5.4.1 (access, transfer, release).
LABELS = {
    "captured": ("采集完成", "captured"),
    "hashed": ("双摘要核对一致", "both digests checked on receipt"),
    "signed": ("清单签名", "manifest signed"),
    "stamped": ("加盖可信时间戳", "time-stamped"),
    "logged": ("登记入存证日志", "entered in the log"),
    "replicated": ("第三方留存副本", "copy kept by the custodian"),
    "sealed": ("固证完成", "sealed"),
    "renewed": ("时间戳续期", "time stamps renewed"),
    "viewed": ("查看", "viewed"),
    "artefact_read": ("读取证据文件", "artefact read"),
    "exported": ("导出", "exported"),
    "printed": ("打印", "printed"),
    "verified": ("核验", "verified"),
    "proved": ("出具保管记录证明", "proof of a custody event issued"),
    "disclosed": ("单文件披露", "single artefact disclosed"),
    "redacted": ("制作删节副本", "redacted copy made"),
    "linked": ("关联至案件线索", "linked to a case or clue"),
    "granted": ("授权外单位查阅", "opened to another authority"),
    "grant_withdrawn": ("撤回外单位查阅授权", "withdrawn from another authority"),
    "transferred": ("移交签收", "handed over and signed for"),
    "held": ("设置保全冻结", "placed under legal hold"),
    "restored": ("由第三方副本恢复存储文件", "stored files restored from a custodian's copy"),
    "released": ("解除保全冻结", "released from legal hold"),
}


@dataclass(frozen=True)
class Actor:
    """Who did it: subject, name, organisation, from which address; `via`: the service that told us of it."""

    sub: str
    name: str
    org: str = ""
    client_ip: str = ""
    org_name: str = ""
    via: str = ""


SYSTEM = Actor("service:evidence", "固证服务", "")


def reported_actor(source: str, given: Any) -> Actor:
    """The person in another service's fact, else (facts of earlier versions) that service itself."""
    if not isinstance(given, Mapping) or not given.get("sub"):
        return Actor(f"service:{source}", source)
    return Actor(
        sub=str(given["sub"])[:80],
        name=str(given.get("name") or "")[:80],
        org=str(given.get("org") or "")[:40],
        client_ip=str(given.get("client_ip") or "")[:60],
        org_name=str(given.get("org_name") or "")[:100],
        via=source[:40],
    )


@dataclass(frozen=True)
class Happened:
    """An event to be recorded; about: short facts of it (a path, an organisation), by name.

    at: when, for one that is written down a moment later; None: when it is written.
    """

    event: str
    actor: Actor = SYSTEM
    reason: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class NewEvent:
    """An event about to be kept, with its moment and its document."""

    id: str
    seq: int
    happened: Happened
    at: datetime
    document: bytes


def document(evidence_id: str, seq: int, happened: Happened, at: datetime, previous: str) -> bytes:
    """The event's canonical JSON. The salt keeps the public log from being searched by guessing."""
    actor = happened.actor
    return canonical(
        {
            "v": 2,
            "evidence_id": evidence_id,
            "seq": seq,
            "event": happened.event,
            "actor": {"sub": actor.sub, "name": actor.name, "org": actor.org, "org_name": actor.org_name},
            "via": actor.via,
            "client_ip": actor.client_ip,
            "reason": happened.reason,
            "about": dict(happened.about),
            "at": rfc3339(at),
            "previous_sha256": previous,
            "salt": secrets.token_hex(16),
        }
    )


def log_entry(event: bytes) -> bytes:
    """The public log's entry for an event: only the hash of its document."""
    return canonical({"v": 1, "kind": "custody", "event_sha256": hashlib.sha256(event).hexdigest()})


def log_ref(event_id: str) -> str:
    """The queue name of an event's log entry."""
    return f"custody:{event_id}"
