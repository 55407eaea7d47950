"""密钥协商 the secrets of one exchange: agreed with X25519 (RFC 7748), derived with HKDF-SHA256 (RFC 5869).

Both sides hold the same `compare` and `seal` keys; `refs` is each side's own and leaves nothing to the other.
A new exchange has new keys: hashes of two exchanges cannot be laid side by side.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.common.canonical import canonical

_LABEL: Final = b"wangjian link exchange v1 "
_HASH_BYTES: Final = 16
_REF_BYTES: Final = 12
_NONCE: Final = 12


@dataclass(frozen=True)
class Secrets:
    """Keys of one exchange: `compare` for hashes of values, `seal` for answers, `refs` for references."""

    compare: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    refs: bytes = field(repr=False)


def new_private() -> str:
    """A new X25519 private key, base64."""
    return _b64(X25519PrivateKey.generate().private_bytes_raw())


def public_of(private: str) -> str:
    """The public key of a private one, both base64."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return _b64(key.public_key().public_bytes_raw())


def agree(private: str, peer_public: str, exchange_id: str) -> Secrets:
    """The secrets of an exchange from our private and their public key (base64).

    Raises ValueError for a public key that is none, or one that lets no secret come about (small order).
    """
    own = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    shared = own.exchange(X25519PublicKey.from_public_bytes(base64.b64decode(peer_public, validate=True)))
    about = exchange_id.encode()
    return Secrets(
        compare=_derive(shared, b"compare", about),
        seal=_derive(shared, b"seal", about),
        refs=_derive(base64.b64decode(private), b"references", about),
    )


def _derive(secret: bytes, what: bytes, about: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=about, info=_LABEL + what).derive(secret)


def value_hash(secrets: Secrets, kind: int, norm: str) -> str:
    """The comparison form of a value: HMAC-SHA256(compare key, kind · normal form), 16 bytes, base64url."""
    return _short(secrets.compare, bytes([kind]) + norm.encode(), _HASH_BYTES)


def shop_ref(secrets: Secrets, presence_no: int) -> str:
    """The name under which the other region knows a shop of ours; it tells nothing but sameness."""
    return _short(secrets.refs, presence_no.to_bytes(8, "big"), _REF_BYTES)


def _short(key: bytes, message: bytes, length: int) -> str:
    digest = hmac.new(key, message, hashlib.sha256).digest()[:length]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def seal_answer(secrets: Secrets, answer: Any, request_id: str) -> str:
    """An answer only the other region can open, bound to its request: AES-256-GCM, base64."""
    nonce = os.urandom(_NONCE)
    return _b64(nonce + AESGCM(secrets.seal).encrypt(nonce, canonical(answer), request_id.encode()))


def open_answer(secrets: Secrets, sealed: str, request_id: str) -> bytes:
    """The JSON bytes of an answer. Raises ValueError when it is not one to this request."""
    body = base64.b64decode(sealed, validate=True)
    try:
        return AESGCM(secrets.seal).decrypt(body[:_NONCE], body[_NONCE:], request_id.encode())
    except InvalidTag as error:
        raise ValueError("the answer does not open") from error


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
