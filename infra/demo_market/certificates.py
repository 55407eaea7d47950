"""A certificate authority and a server certificate of our own: captures over TLS have facts to show."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(words: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "赣鄱集市（演示，虚构）"),
            x509.NameAttribute(NameOID.COMMON_NAME, words),
        ]
    )


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is complete or absent, with its mode set before any byte is in it."""
    part = path.with_suffix(path.suffix + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
    part.replace(path)


def ensure(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Make the chain in `folder` unless a valid one is there; gives (chain file, key file).

    Files: `ca.pem`, `chain.pem` (leaf, then CA), `leaf.key` (mode 600), `spki.txt` (base64 of the SHA-256 of
    the leaf's SubjectPublicKeyInfo, the form Chromium's `--ignore-certificate-errors-spki-list` takes).
    The CA's key is thrown away after signing. A chain that ends within a day, or misses a name, is made anew.
    """
    chain, key_file = folder / "chain.pem", folder / "leaf.key"
    if chain.exists() and key_file.exists() and _still_good(chain, names):
        return chain, key_file
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, leaf_name = "Ganpo Market Demo CA", "market.localhost"
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), 396)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    subjects += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    leaf = (
        _builder(leaf_name, ca_name, leaf_key.public_key(), 396)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_file, private, 0o600)
    _write(folder / "ca.pem", ca.public_bytes(pem), 0o644)
    _write(folder / "spki.txt", spki_pin(leaf).encode() + b"\n", 0o644)
    _write(chain, leaf.public_bytes(pem) + ca.public_bytes(pem), 0o644)
    return chain, key_file


def _still_good(chain: Path, names: list[str]) -> bool:
    leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    have = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = set(have.get_values_for_type(x509.DNSName))
    return leaf.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1) and set(names) <= covered


def spki_pin(certificate: x509.Certificate) -> str:
    """Base64 of the SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 pin)."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
