"""DSSE v1 envelopes (secure-systems-lab/dsse): several signatures over one payload."""

import base64
import hashlib
from typing import TypedDict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


def keyid(key: Ed25519PublicKey) -> str:
    """Hex SHA-256 of the DER SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _signature(key: Ed25519PrivateKey, payload_type: str, payload: bytes) -> Signature:
    signed = key.sign(pae(payload_type, payload))
    return {"keyid": keyid(key.public_key()), "sig": base64.b64encode(signed).decode()}


def sign_envelope(key: Ed25519PrivateKey, payload: bytes, payload_type: str = IN_TOTO) -> Envelope:
    """An envelope with one signature over `payload`."""
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [_signature(key, payload_type, payload)],
    }


def add_signature(envelope: Envelope, key: Ed25519PrivateKey) -> Envelope:
    """The envelope with one more signature over the same payload; an own earlier one is replaced."""
    payload = base64.b64decode(envelope["payload"], validate=True)
    signature = _signature(key, envelope["payloadType"], payload)
    others = [item for item in envelope["signatures"] if item["keyid"] != signature["keyid"]]
    return {**envelope, "signatures": [*others, signature]}


def verify_signature(envelope: Envelope, key: Ed25519PublicKey) -> bytes:
    """The payload, when `key` signed it. Raises cryptography's InvalidSignature or ValueError otherwise."""
    payload = base64.b64decode(envelope["payload"], validate=True)
    wanted = keyid(key)
    for signature in envelope["signatures"]:
        if signature["keyid"] == wanted:
            key.verify(
                base64.b64decode(signature["sig"], validate=True), pae(envelope["payloadType"], payload)
            )
            return payload
    raise ValueError(f"no signature by key {wanted[:16]}")
