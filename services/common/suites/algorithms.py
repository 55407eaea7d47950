"""The algorithms, their suites, and checking a signature with a public key."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.common.suites import sm2

SUITES = ("international", "national")
ALGORITHMS = {"ed25519": "international", "ecdsa-p256-sha256": "international", "sm2-sm3": "national"}
"""Key algorithm → suite."""
DEFAULT_ALGORITHM = {"international": "ed25519", "national": "sm2-sm3"}
"""Suite → the algorithm of a key file made for it."""


class KeyHolder(Protocol):
    """Anything with a public key: a PublicKey or a Signer."""

    @property
    def algorithm(self) -> str: ...
    @property
    def keyid(self) -> str: ...
    @property
    def public_der(self) -> bytes: ...


class Signer(KeyHolder, Protocol):
    """A private key, wherever it lies."""

    @property
    def suite(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """The signature in the suite's form."""
        ...


@dataclass(frozen=True)
class PublicKey:
    """A public key by algorithm and DER SubjectPublicKeyInfo. Raises ValueError when the two do not fit."""

    algorithm: str
    public_der: bytes

    def __post_init__(self) -> None:
        _loaded(self.algorithm, self.public_der)

    @classmethod
    def of_der(cls, public_der: bytes) -> "PublicKey":
        """The key, its algorithm found out. Raises ValueError for a key of no known suite."""
        for algorithm in ALGORITHMS:
            with suppress(ValueError):
                return cls(algorithm, public_der)
        raise ValueError("not a public key of a known suite")

    @property
    def suite(self) -> str:
        """`international` or `national`."""
        return ALGORITHMS[self.algorithm]

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the DER SubjectPublicKeyInfo."""
        return key_id(self.public_der)


def key_id(public_der: bytes) -> str:
    """Hex SHA-256 of a DER SubjectPublicKeyInfo."""
    return hashlib.sha256(public_der).hexdigest()


def verify(algorithm: str, public_der: bytes, signature: bytes, message: bytes) -> None:
    """Return when `signature` over `message` is the key's.

    Raises cryptography's InvalidSignature; ValueError for an unknown algorithm or a key that is not of it.
    """
    key = _loaded(algorithm, public_der)
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(SHA256()))
    else:
        sm2.verify(key, signature, message)


@lru_cache(maxsize=64)
def _loaded(algorithm: str, public_der: bytes) -> Any:
    if algorithm not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {algorithm[:40]}")
    if algorithm == "sm2-sm3":
        return sm2.load_public(public_der)
    try:
        key = load_der_public_key(public_der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a key of {algorithm}") from error
    if algorithm == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey):
        return key
    p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if algorithm == "ecdsa-p256-sha256" and p256:
        return key
    raise ValueError(f"not a key of {algorithm}")


def possession_message(keyid: str) -> bytes:
    """What a new key signs to show that whoever hands it in holds its private part."""
    return b"wangjian:key-introduction:v1\n" + keyid.encode() + b"\n"


def parse_suites(text: str | Iterable[str]) -> tuple[str, ...]:
    """The suites of a comma list, in the fixed order. Raises ValueError for an unknown name or none."""
    names = text.split(",") if isinstance(text, str) else list(text)
    wanted = {name.strip() for name in names} - {""}
    unknown = sorted(wanted - set(SUITES))
    if unknown or not wanted:
        raise ValueError(
            f"WANGJIAN_SUITES: {unknown[0] if unknown else 'empty'}; give {' or '.join(SUITES)}, or both"
        )
    return tuple(name for name in SUITES if name in wanted)


def policy_id(suites: Iterable[str]) -> str:
    """The policy of packages signed in these suites (docs/evidence/package.md)."""
    return "urn:wangjian:policy:v2:" + "+".join(parse_suites(suites))


__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "SUITES",
    "InvalidSignature",
    "KeyHolder",
    "PublicKey",
    "Signer",
    "key_id",
    "parse_suites",
    "policy_id",
    "possession_message",
    "verify",
]
