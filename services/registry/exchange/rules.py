"""比对规则 the messages of an exchange: their order, their shape, and how far a receiver believes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.common.canonical import canonical
from services.common.clock import rfc3339

PAYLOAD_TYPE: Final = "application/vnd.wangjian.link-exchange+json"
VERSION: Final = 1
# Rows of one message of hashes that is taken in: with base64 about 12 MB, below what the door lets through.
MOST_ROWS: Final = 200_000
# Of one that is made: a few seconds' work in a request.
ROWS_A_PART: Final = 60_000
DAYS: Final = 30


class Type(StrEnum):
    """Kinds of messages."""

    OFFER = "offer"
    ACCEPTANCE = "acceptance"
    HASHES = "hashes"
    REQUEST = "request"
    ANSWER = "answer"
    RECEIPT = "receipt"


class ExchangeState(StrEnum):
    """How far an exchange is."""

    OFFERED = "offered"
    AGREED = "agreed"
    CLOSED = "closed"


STATE_LABELS: Final[dict[ExchangeState, tuple[str, str]]] = {
    ExchangeState.OFFERED: ("待对方确认", "waiting for the other region"),
    ExchangeState.AGREED: ("已建立", "agreed"),
    ExchangeState.CLOSED: ("已结束", "closed"),
}


class ComparisonState(StrEnum):
    """How far the comparison of a part of the other region's hashes is."""

    OPEN = "open"
    DONE = "done"
    STOPPED = "stopped"


COMPARISON_LABELS: Final[dict[ComparisonState, tuple[str, str]]] = {
    ComparisonState.OPEN: ("比对中", "being compared"),
    ComparisonState.DONE: ("已比对", "compared"),
    ComparisonState.STOPPED: ("已停止", "stopped"),
}


class RequestState(StrEnum):
    """How far a request for plain values is."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"


REQUEST_LABELS: Final[dict[RequestState, tuple[str, str]]] = {
    RequestState.OPEN: ("待答复", "open"),
    RequestState.GRANTED: ("已提供", "granted"),
    RequestState.REFUSED: ("已拒绝", "refused"),
}

TAKEN_IN: Final[dict[ExchangeState, frozenset[Type]]] = {
    ExchangeState.OFFERED: frozenset({Type.ACCEPTANCE, Type.RECEIPT}),
    ExchangeState.AGREED: frozenset({Type.HASHES, Type.REQUEST, Type.ANSWER, Type.RECEIPT}),
    ExchangeState.CLOSED: frozenset({Type.RECEIPT}),
}
"""Which messages an exchange takes in, by its state."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Which authority speaks, and the key (base64 DER) it signs with."""

    org: str
    name: str
    region: str
    key: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was signed."""

    type: Type
    exchange_id: str
    sender: Sender
    at: str
    body: Mapping[str, Any]


def payload(type_: Type, exchange_id: str, sender: Sender, at: datetime, body: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: canonical JSON (RFC 8785)."""
    return canonical(
        {
            "v": VERSION,
            "type": type_.value,
            "exchange_id": exchange_id,
            "from": {"org": sender.org, "name": sender.name, "region": sender.region, "key": sender.key},
            "at": rfc3339(at),
            "body": dict(body),
        }
    )


def parse(signed: bytes) -> Message:
    """The message in signed bytes. Raises ValueError for another version or shape."""
    given = json.loads(signed)
    if not isinstance(given, dict) or given.get("v") != VERSION:
        raise ValueError("another version")
    sender, body = given["from"], given["body"]
    texts = [given["exchange_id"], given["at"], *(sender[name] for name in ("org", "name", "region", "key"))]
    if not all(isinstance(text, str) and len(text) <= 200 and "\0" not in text for text in texts):
        raise ValueError("a member is no short text")
    if not isinstance(body, dict):
        raise ValueError("no body")
    region = str(sender["region"])
    if len(region) != 6 or not region.isdigit():
        raise ValueError("no division code")
    return Message(
        type=Type(given["type"]),
        exchange_id=str(given["exchange_id"]),
        sender=Sender(sender["org"][:40], sender["name"][:100], region, sender["key"]),
        at=str(given["at"]),
        body=body,
    )


def same_fingerprint(given: str, keyid: str) -> bool:
    """Whether what an officer typed (spaces and case aside) is a key's id or its first 16 characters."""
    typed = "".join(given.split()).lower()
    return len(typed) >= 16 and keyid.startswith(typed)


def hash_rows(body: Mapping[str, Any]) -> dict[tuple[int, str], list[str]]:
    """References by (kind, hash) in a message of hashes. Raises ValueError for rows of another shape."""
    found: dict[tuple[int, str], list[str]] = {}
    rows = body["rows"]
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise ValueError("no rows, or too many")
    for row in rows:
        kind, hashed, ref = row
        if not (isinstance(kind, int) and 0 < kind < 256 and _token(hashed, 22) and _token(ref, 16)):
            raise ValueError("a row of another shape")
        found.setdefault((kind, hashed), []).append(ref)
    return found


def asked_rows(body: Mapping[str, Any]) -> list[tuple[int, str]]:
    """(kind, reference) pairs in a request. Raises ValueError for another shape."""
    rows = body["rows"]
    if not isinstance(rows, list) or not 0 < len(rows) <= 1_000:
        raise ValueError("no rows, or too many")
    pairs = [(kind, ref) for kind, ref in rows]
    if not all(isinstance(kind, int) and 0 < kind < 256 and _token(ref, 16) for kind, ref in pairs):
        raise ValueError("a row of another shape")
    return pairs


def _token(text: Any, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and text.isascii()
