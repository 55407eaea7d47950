"""What a custody event says and how the log binds it. Fields follow ISO/IEC 27037 §5.4.1 (who, when, why)."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import rfc8785

from services.common.clock import rfc3339

# One look at an item on the screen reads it and many of its artefacts: that is one view.
VIEW_WINDOW = timedelta(seconds=60)

LABELS = {
    "captured": ("采集完成", "captured"),
    "hashed": ("双摘要核对一致", "both digests checked on receipt"),
    "signed": ("清单签名", "manifest signed"),
    "stamped": ("加盖可信时间戳", "time-stamped"),
    "logged": ("登记入存证日志", "entered in the log"),
    "replicated": ("第三方留存副本", "copy kept by the custodian"),
    "sealed": ("固证完成", "sealed"),
    "viewed": ("查看", "viewed"),
    "exported": ("导出", "exported"),
    "verified": ("核验", "verified"),
    "linked": ("关联至案件线索", "linked to a case or clue"),
    "granted": ("授权外单位查阅", "opened to another authority"),
}


@dataclass(frozen=True)
class Actor:
    """Who did it: subject, name and organisation code."""

    sub: str
    name: str
    org: str = ""
    client_ip: str = ""


@dataclass(frozen=True)
class NewEvent:
    """An event about to be kept, with its document."""

    id: str
    seq: int
    event: str
    actor: Actor
    reason: str
    document: bytes


SYSTEM = Actor("service:evidence", "固证服务", "")


def document(
    evidence_id: str, seq: int, event: str, actor: Actor, reason: str, at: datetime, previous: str
) -> bytes:
    """The event's canonical JSON. The salt keeps the public log from being searched by guessing."""
    return rfc8785.dumps(
        {
            "v": 1,
            "evidence_id": evidence_id,
            "seq": seq,
            "event": event,
            "actor": {"sub": actor.sub, "name": actor.name, "org": actor.org},
            "client_ip": actor.client_ip,
            "reason": reason,
            "at": rfc3339(at),
            "previous_sha256": previous,
            "salt": secrets.token_hex(16),
        }
    )


def log_entry(event: bytes) -> bytes:
    """The public log's entry for an event: only the hash of its document."""
    return rfc8785.dumps({"v": 1, "kind": "custody", "event_sha256": hashlib.sha256(event).hexdigest()})


def log_ref(event_id: str) -> str:
    """The queue name of an event's log entry."""
    return f"custody:{event_id}"
