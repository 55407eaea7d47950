"""SM2 with SM3 (GB/T 32918.2, GB/T 32905) through tongsuopy, whose errors become cryptography's.

The signer's identifier is `1234567812345678` (GM/T 0009), the library's fixed one; OpenSSL checks the same
signature with `-sigopt distid:1234567812345678`. The library is loaded at first use: few processes need it.
"""

from typing import Any

from cryptography.exceptions import InvalidSignature

IDENTIFIER = b"1234567812345678"


def generate() -> Any:
    """A new private key on the SM2 curve."""
    from tongsuopy.crypto.asymciphers import ec

    return ec.generate_private_key(ec.SM2())


def sign(key: Any, message: bytes) -> bytes:
    """DER (r, s)."""
    from tongsuopy.crypto import hashes
    from tongsuopy.crypto.asymciphers import ec

    return bytes(key.sign(message, ec.ECDSA(hashes.SM3())))


def verify(key: Any, signature: bytes, message: bytes) -> None:
    """Return when the signature is the key's. Raises cryptography's InvalidSignature."""
    from tongsuopy.crypto import exceptions, hashes
    from tongsuopy.crypto.asymciphers import ec

    try:
        key.verify(signature, message, ec.ECDSA(hashes.SM3()))
    except (exceptions.InvalidSignature, exceptions.InternalError) as error:
        # InternalError is how the library answers bytes that are no DER (r, s).
        raise InvalidSignature from error


def load_public(public_der: bytes) -> Any:
    """The public key of a DER SubjectPublicKeyInfo. Raises ValueError unless it lies on the SM2 curve."""
    from tongsuopy.crypto import exceptions, serialization

    try:
        key = serialization.load_der_public_key(public_der)
    except (ValueError, exceptions.UnsupportedAlgorithm, exceptions.InternalError) as error:
        raise ValueError("not a key of sm2-sm3") from error
    if public_bytes(key) != public_der:
        raise ValueError("not a key of sm2-sm3")
    return key


def load_private(pkcs8: bytes, passphrase: bytes | None) -> Any:
    """The private key of a DER PKCS#8; raises ValueError for another passphrase or curve.

    passphrase: None for an unencrypted one.
    """
    from tongsuopy.crypto import exceptions, serialization

    try:
        return serialization.load_der_private_key(pkcs8, passphrase)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm, exceptions.InternalError) as error:
        raise ValueError("not a private key of sm2-sm3") from error


def public_bytes(key: Any) -> bytes:
    """The DER SubjectPublicKeyInfo of a public key."""
    from tongsuopy.crypto import serialization

    return bytes(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def private_bytes(key: Any) -> bytes:
    """The unencrypted DER PKCS#8 of a private key; to be encrypted before it is written."""
    from tongsuopy.crypto import serialization

    plain = serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain))
