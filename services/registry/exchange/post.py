"""Signing what goes out and checking what comes in: one door for all messages of an exchange."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.canonical import canonical
from services.common.clock import utc_now
from services.common.dsse import sign_envelope, verify_signature
from services.common.identity import Claims
from services.common.settings import Settings
from services.common.suites import InvalidSignature, PublicKey, Signer, key_id, load_or_create_signer
from services.registry.exchange import faults, repository
from services.registry.exchange.models import Exchange, ExchangeMessage
from services.registry.exchange.rules import PAYLOAD_TYPE, Message, Sender, Type, parse, payload


@dataclass(frozen=True)
class Opened:
    """A message whose signature holds: what it says, and the digest of what was signed."""

    message: Message
    digest: str
    keyid: str


def region_key(settings: Settings) -> Signer:
    """The key this installation signs exchanges with; made at first use."""
    return load_or_create_signer(settings.keys_dir / "link-exchange.key", "ed25519")


def seal(
    settings: Settings, claims: Claims, type_: Type, exchange_id: str, body: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """The signed envelope of a message and its digest (hex SHA-256 of the signed bytes)."""
    signer = region_key(settings)
    key = base64.b64encode(signer.public_der).decode()
    sender = Sender(claims.org, claims.org_name, claims.region, key)
    signed = payload(type_, exchange_id, sender, utc_now(), body)
    return dict(sign_envelope(signer, signed, PAYLOAD_TYPE)), hashlib.sha256(signed).hexdigest()


def unseal(envelope: Mapping[str, Any], trusted: str | None) -> Opened:
    """Check an envelope against the key of the other region (base64 DER), or, at the first message, against
    the key it names itself: then its fingerprint must be compared. Raises Problem 422 `exchange.untrusted`.
    """
    try:
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("another kind of envelope")
        raw = base64.b64decode(envelope["payload"], validate=True)
        message = parse(raw)
        named = trusted if trusted is not None else message.sender.key
        key = PublicKey.of_der(base64.b64decode(named, validate=True))
        signed = verify_signature(envelope, key)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error) as error:
        raise faults.untrusted(str(error)[:100]) from error
    except InvalidSignature as error:
        raise faults.untrusted("the signature does not hold") from error
    if canonical(json.loads(signed)) != signed:
        raise faults.untrusted("not in canonical form")
    return Opened(message, hashlib.sha256(signed).hexdigest(), key.keyid)


async def send(
    session: AsyncSession,
    settings: Settings,
    claims: Claims,
    exchange: Exchange,
    type_: Type,
    body: Mapping[str, Any],
) -> tuple[dict[str, Any], str]:
    """Sign a message and keep it on record; hashes only by digest, they can be made again."""
    envelope, digest = seal(settings, claims, type_, exchange.id, body)
    kept = None if type_ is Type.HASHES else envelope
    await repository.add(session, _record(claims, exchange.id, "out", type_, digest, kept))
    return envelope, digest


async def take(session: AsyncSession, claims: Claims, exchange: Exchange, opened: Opened) -> ExchangeMessage:
    """Put a message that came in on record; personal content and hashes only by digest."""
    type_ = opened.message.type
    row = _record(claims, exchange.id, "in", type_, opened.digest, None)
    await repository.add(session, row)
    return row


async def receipt(
    session: AsyncSession, settings: Settings, claims: Claims, row: ExchangeMessage
) -> dict[str, Any]:
    """The signed receipt for a message that came in, kept so that the same message gets the same one."""
    body = {"digest": row.digest, "of": row.type}
    envelope, _ = seal(settings, claims, Type.RECEIPT, row.exchange_id, body)
    await repository.set_receipt(session, row.id, envelope)
    return envelope


def _record(
    claims: Claims,
    exchange_id: str,
    direction: str,
    type_: Type,
    digest: str,
    envelope: dict[str, Any] | None,
) -> ExchangeMessage:
    return ExchangeMessage(
        exchange_id=exchange_id,
        direction=direction,
        type=type_.value,
        digest=digest,
        envelope=envelope,
        author=claims.sub,
        at=utc_now(),
    )


def fingerprint_of(key: str | None) -> str | None:
    """The key id (hex SHA-256 of its SubjectPublicKeyInfo) of the other region's key, once there is one."""
    return key_id(base64.b64decode(key)) if key else None
