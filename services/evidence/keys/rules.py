"""Decisions about signing keys, free of I/O."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature

from services.common.canonical import canonical
from services.common.clock import rfc3339
from services.common.problems import Problem
from services.common.suites import KeyHolder, PublicKey, possession_message, verify

Event = Literal["introduced", "rotated", "revoked"]

# A time stamp carries whole seconds of another clock: a key counts from a little before it was made.
EARLIER = timedelta(seconds=300)
# What was signed just before a planned rotation may still be stamped, so the old key counts a day longer.
OVERLAP = timedelta(hours=24)
# A rotation waits while items have no time stamp for longer than this: their time could run out.
BACKLOG = timedelta(hours=1)


@dataclass(frozen=True)
class KnownKey:
    """A signing key with its times."""

    role: str
    key: PublicKey
    not_before: datetime | None
    not_after: datetime | None
    revoked_at: datetime | None
    reason: str

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of its DER SubjectPublicKeyInfo."""
        return self.key.keyid

    @property
    def state(self) -> Literal["current", "ended", "revoked"]:
        """Whether it signs; a rotated key has ended, though it counts for a while yet."""
        if self.revoked_at is not None:
            return "revoked"
        return "current" if self.not_after is None else "ended"

    def accepted(self, now: datetime) -> bool:
        """Whether a signature that is to be stamped now would count."""
        return self.revoked_at is None and (self.not_after is None or now < self.not_after)

    def as_trust(self) -> dict[str, Any]:
        """Its entry in the trust file."""
        times = {"not_before": self.not_before, "not_after": self.not_after, "revoked_at": self.revoked_at}
        return {
            "keyid": self.keyid,
            "algorithm": self.key.algorithm,
            "public_key": base64.b64encode(self.key.public_der).decode(),
            **{name: None if value is None else rfc3339(value) for name, value in times.items()},
        }


def log_entry(event: Event, role: str, key: KeyHolder, at: datetime, reason: str) -> bytes:
    """The log's entry of a key event (docs/evidence/package.md); `at` as the trust file says it."""
    return canonical(
        {
            "v": 1,
            "kind": "key",
            "event": event,
            "role": role,
            "keyid": key.keyid,
            "algorithm": key.algorithm,
            "public_key": base64.b64encode(key.public_der).decode(),
            "at": rfc3339(at),
            "reason": reason,
        }
    )


def log_ref(event: Event, keyid: str, at: datetime) -> str:
    """The queue name of a key event's log entry."""
    return f"key:{keyid[:32]}:{event}:{int(at.timestamp() * 1000)}"


def counts_from(now: datetime) -> datetime:
    """`not_before` of a key introduced now."""
    return (now - EARLIER).replace(microsecond=0)


def current(keys: Iterable[KnownKey], role: str, suite: str) -> list[KnownKey]:
    """The role's keys of a suite that sign now."""
    return [key for key in keys if (key.role, key.key.suite, key.state) == (role, suite, "current")]


def check_possession(key: PublicKey, proof: bytes) -> None:
    """Raise Problem 422 `key.proof_invalid` unless the key itself signed its introduction."""
    try:
        verify(key.algorithm, key.public_der, proof, possession_message(key.keyid))
    except InvalidSignature as error:
        raise Problem(
            "key.proof_invalid",
            422,
            zh="未能证明持有该密钥的私钥",
            en="whoever hands in this key has not shown that he holds its private part",
            todo_zh="请在持有私钥的机器上执行 wangjian keys register worker",
            todo_en="run `wangjian keys register worker` where the private key is",
        ) from error


def check_revocation(key: KnownKey, since: datetime, now: datetime) -> None:
    """Raise Problem unless the key can be revoked from `since` on: never in the future, never made later."""
    if since > now:
        raise Problem(
            "key.since_future",
            422,
            zh="吊销时间不能晚于现在",
            en="a key is revoked from now or from an earlier time on",
            todo_zh="请给出密钥不再可信的时间,不晚于现在",
            todo_en="give the time since which the key is not to be trusted",
        )
    if key.revoked_at is not None and since >= key.revoked_at:
        raise Problem(
            "key.already_revoked",
            409,
            zh=f"该密钥自 {rfc3339(key.revoked_at)} 起已吊销,吊销时间只能提前",
            en="the key is revoked already; the time can only be moved to an earlier one",
        )


def key_exists(keyid: str) -> Problem:
    """409: a key is introduced once, in one role."""
    return Problem(
        "key.exists",
        409,
        zh=f"该密钥已登记过:{keyid[:16]}…",
        en="this key was introduced before, in this role or another, or has ended",
        todo_zh="请使用新的密钥",
        todo_en="use a new key",
    )


def held_elsewhere(why_zh: str, why_en: str, todo_zh: str, todo_en: str) -> Problem:
    """409: this service does not hold the private key and so cannot make a new one."""
    return Problem("key.held_elsewhere", 409, zh=why_zh, en=why_en, todo_zh=todo_zh, todo_en=todo_en)


def backlog() -> Problem:
    """409: no rotation while items wait for their time stamps."""
    return Problem(
        "key.backlog",
        409,
        zh="尚有证据等待时间戳,暂不能轮换密钥",
        en="items have waited for their time stamps for more than an hour; keys are not rotated meanwhile",
        todo_zh="请待时间戳服务恢复、积压处理完后再试",
        todo_en="try again when the time-stamping authorities have answered",
    )


def none_valid(role: str) -> Problem:
    """503: there is no key of this role that may sign."""
    return Problem(
        "key.none_valid",
        503,
        zh="没有可用的签名密钥,固证已停止" if role == "sealing" else "没有可用的采集节点密钥",
        en=f"no valid {role} key in every suite of the policy; sealing waits",
        todo_zh="请安全管理员轮换密钥(HSM 中的密钥请在 HSM 中新建后重启服务)",
        todo_en="have the security administrator rotate the key (make a new one in the HSM and restart)",
    )
