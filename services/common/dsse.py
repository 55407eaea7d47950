"""DSSE v1 envelopes (secure-systems-lab/dsse): several signatures over one payload."""

import base64
from collections.abc import Mapping
from typing import Any, TypedDict, cast

from services.common.suites import KeyHolder, Signer, verify

IN_TOTO = "application/vnd.in-toto+json"


class Signature(TypedDict):
    """One signature: key id (hex SHA-256 of the key's SubjectPublicKeyInfo) and base64 signature."""

    keyid: str
    sig: str


class Envelope(TypedDict):
    """A DSSE envelope in its JSON form."""

    payloadType: str
    payload: str
    signatures: list[Signature]


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _signature(signer: Signer, payload_type: str, payload: bytes) -> Signature:
    signed = signer.sign(pae(payload_type, payload))
    return {"keyid": signer.keyid, "sig": base64.b64encode(signed).decode()}


def sign_envelope(signer: Signer, payload: bytes, payload_type: str = IN_TOTO) -> Envelope:
    """An envelope with one signature over `payload`."""
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [_signature(signer, payload_type, payload)],
    }


def add_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """The envelope with one more signature over the same payload; an own earlier one is replaced."""
    payload = base64.b64decode(envelope["payload"], validate=True)
    signature = _signature(signer, envelope["payloadType"], payload)
    others = [item for item in envelope["signatures"] if item["keyid"] != signature["keyid"]]
    return {**envelope, "signatures": [*others, signature]}


def verify_signature(envelope: Mapping[str, Any], key: KeyHolder) -> bytes:
    """The payload, when `key` signed it. Raises cryptography's InvalidSignature or ValueError otherwise."""
    given = cast(Envelope, envelope)
    payload = base64.b64decode(given["payload"], validate=True)
    for signature in given["signatures"]:
        if signature["keyid"] == key.keyid:
            signed = base64.b64decode(signature["sig"], validate=True)
            verify(key.algorithm, key.public_der, signed, pae(given["payloadType"], payload))
            return payload
    raise ValueError(f"no signature by key {key.keyid[:16]}")
