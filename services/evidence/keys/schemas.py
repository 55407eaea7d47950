"""Signing keys as they cross the wire."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.common.wire import Text
from services.evidence.keys.rules import KnownKey

Role = Literal["worker", "sealing"]
Reason = Annotated[Text, Field(max_length=500)]


def _base64(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    return value


Base64 = Annotated[str, Field(max_length=2000), AfterValidator(_base64)]


class KeyOut(BaseModel):
    """A signing key, its public part and its times."""

    keyid: str
    role: Role
    suite: str
    algorithm: str
    public_key: str
    state: Literal["current", "ended", "revoked"]
    not_before: datetime | None
    not_after: datetime | None
    revoked_at: datetime | None
    reason: str

    @classmethod
    def of(cls, known: KnownKey) -> "KeyOut":
        """The key as shown."""
        return cls(
            keyid=known.keyid,
            role="worker" if known.role == "worker" else "sealing",
            suite=known.key.suite,
            algorithm=known.key.algorithm,
            public_key=base64.b64encode(known.key.public_der).decode(),
            state=known.state,
            not_before=known.not_before,
            not_after=known.not_after,
            revoked_at=known.revoked_at,
            reason=known.reason,
        )


class KeyList(BaseModel):
    """All keys there ever were, the newest first, and the suites of the policy in force."""

    items: list[KeyOut]
    suites: list[str]


class RotateIn(BaseModel):
    """Make new keys for a role, in every suite of the policy."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    reason: Reason


class RegisterIn(BaseModel):
    """A capture worker's new key.

    `proof`: its own signature over two lines ending in LF, `wangjian:key-introduction:v1` and the key id.
    """

    model_config = ConfigDict(extra="forbid")

    role: Literal["worker"]
    algorithm: str = Field(max_length=40)
    public_key: Base64
    proof: Base64
    replaces: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    reason: Reason


class RevokeIn(BaseModel):
    """Since when the key is not to be trusted, and why."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    reason: Reason


class Changed(BaseModel):
    """The keys a change touched, as they are now. `unstamped`: items without time stamp at a revocation."""

    items: list[KeyOut]
    unstamped: int = 0
