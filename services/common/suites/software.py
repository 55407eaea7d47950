"""Signers whose private key is in this process's memory."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.common.suites import sm2
from services.common.suites.algorithms import ALGORITHMS, key_id


class SoftwareSigner:
    """A private key in memory. `key`: cryptography's Ed25519 or P-256 key, or tongsuopy's SM2 key."""

    def __init__(self, key: Any) -> None:
        self._key = key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            self.algorithm = "ed25519"
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            self.algorithm = "ecdsa-p256-sha256"
        elif getattr(getattr(key, "curve", None), "name", None) == "SM2":
            self.algorithm = "sm2-sm3"
        else:
            raise ValueError("not a key of a known suite")
        self.suite = ALGORITHMS[self.algorithm]
        public = key.public_key()
        self.public_der: bytes = (
            sm2.public_bytes(public)
            if self.algorithm == "sm2-sm3"
            else public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        self.keyid = key_id(self.public_der)

    def sign(self, message: bytes) -> bytes:
        """The signature in the suite's form."""
        if self.algorithm == "sm2-sm3":
            return sm2.sign(self._key, message)
        if self.algorithm == "ed25519":
            return bytes(self._key.sign(message))
        return bytes(self._key.sign(message, ec.ECDSA(SHA256())))

    def pkcs8(self) -> bytes:
        """The private key as unencrypted DER PKCS#8; to be encrypted before it is written."""
        if self.algorithm == "sm2-sm3":
            return sm2.private_bytes(self._key)
        return bytes(self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def generate(algorithm: str) -> SoftwareSigner:
    """A signer with a new key. Raises ValueError for an unknown algorithm."""
    if algorithm == "ed25519":
        return SoftwareSigner(ed25519.Ed25519PrivateKey.generate())
    if algorithm == "ecdsa-p256-sha256":
        return SoftwareSigner(ec.generate_private_key(ec.SECP256R1()))
    if algorithm == "sm2-sm3":
        return SoftwareSigner(sm2.generate())
    raise ValueError(f"unknown algorithm {algorithm[:40]}")
