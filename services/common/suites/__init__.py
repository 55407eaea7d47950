"""Signing in crypto suites: who signs holds a `Signer`, who checks a `PublicKey`; nobody else knows curves.

    suite          key algorithm       signature bytes
    international  ed25519             64 bytes, RFC 8032
    international  ecdsa-p256-sha256   DER (r, s), FIPS 186-5
    national       sm2-sm3             DER (r, s), GB/T 32918.2 with GB/T 32905, identifier 1234567812345678

A key's id is the hex SHA-256 of its DER SubjectPublicKeyInfo, whatever the algorithm.
"""

from services.common.suites.algorithms import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    SUITES,
    InvalidSignature,
    KeyHolder,
    PublicKey,
    Signer,
    key_id,
    parse_suites,
    policy_id,
    possession_message,
    verify,
)
from services.common.suites.files import install, load_or_create_signer, read_public_key
from services.common.suites.passphrase import KeyUnreadableError
from services.common.suites.software import SoftwareSigner, generate

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "SUITES",
    "InvalidSignature",
    "KeyHolder",
    "KeyUnreadableError",
    "PublicKey",
    "Signer",
    "SoftwareSigner",
    "generate",
    "install",
    "key_id",
    "load_or_create_signer",
    "parse_suites",
    "policy_id",
    "possession_message",
    "read_public_key",
    "verify",
]
