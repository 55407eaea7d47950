"""Private keys encrypted as PKCS#8 (RFC 5958) with PBES2 (RFC 8018): scrypt (RFC 7914) and AES-256-CBC.

The same file `openssl pkcs8 -topk8 -scrypt` writes and `openssl pkey` reads. Reading is left to the libraries
whole; writing puts the same structure together, because neither library writes it with scrypt.
"""

import base64
import os

from asn1crypto import core
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import load_der_private_key

from services.common.suites import sm2
from services.common.suites.passphrase import Passphrase
from services.common.suites.software import SoftwareSigner

ENCRYPTED, PLAIN = "ENCRYPTED PRIVATE KEY", "PRIVATE KEY"
_PBES2, _SCRYPT, _AES = "1.2.840.113549.1.5.13", "1.3.6.1.4.1.11591.4.11", "2.16.840.1.101.3.4.1.42"
_BLOCK, _PARALLEL = 8, 1


class _ScryptParameters(core.Sequence):  # type: ignore[misc]
    _fields = [("salt", core.OctetString), ("cost", core.Integer), ("r", core.Integer), ("p", core.Integer)]  # noqa: RUF012


class _Algorithm(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any)]  # noqa: RUF012


class _Pbes2Parameters(core.Sequence):  # type: ignore[misc]
    _fields = [("kdf", _Algorithm), ("cipher", _Algorithm)]  # noqa: RUF012


class _Encrypted(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", _Algorithm), ("data", core.OctetString)]  # noqa: RUF012


def encrypt(signer: SoftwareSigner, passphrase: Passphrase) -> bytes:
    """The signer's key as an encrypted PEM file."""
    salt, iv = os.urandom(16), os.urandom(16)
    key = Scrypt(salt=salt, length=32, n=passphrase.cost, r=_BLOCK, p=_PARALLEL).derive(passphrase.value)
    padder, cipher = padding.PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    data = cipher.update(padder.update(signer.pkcs8()) + padder.finalize()) + cipher.finalize()
    derivation = _ScryptParameters({"salt": salt, "cost": passphrase.cost, "r": _BLOCK, "p": _PARALLEL})
    parameters = _Pbes2Parameters(
        {
            "kdf": {"algorithm": _SCRYPT, "parameters": derivation},
            "cipher": {"algorithm": _AES, "parameters": core.OctetString(iv)},
        }
    )
    whole = _Encrypted({"algorithm": {"algorithm": _PBES2, "parameters": parameters}, "data": data})
    return pem(ENCRYPTED, whole.dump())


def decrypt(body: bytes, passphrase: bytes | None, algorithm: str) -> SoftwareSigner:
    """The signer of a DER PKCS#8. passphrase: None for an unencrypted one.

    Raises ValueError for another passphrase, and for a key of no known suite.
    """
    if algorithm == "sm2-sm3":
        return SoftwareSigner(sm2.load_private(body, passphrase))
    try:
        return SoftwareSigner(load_der_private_key(body, passphrase))
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a key of {algorithm}") from error


def pem(label: str, der: bytes) -> bytes:
    """RFC 7468 text of `der`."""
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def body_of(label: str, text: str) -> bytes | None:
    """The bytes inside the first PEM block with this label; None when there is none. Raises ValueError."""
    _, found, rest = text.partition(f"-----BEGIN {label}-----")
    inside, ended, _ = rest.partition(f"-----END {label}-----")
    return base64.b64decode("".join(inside.split()), validate=True) if found and ended else None
