"""A small RFC 3161 authority for development: EC P-256, its own CA, clearly labelled as not accredited."""

import base64
import datetime as dt
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A private-use arc under 1.3.6.1.4.1.99999 (not registered): it must never look like an accredited policy.
POLICY = "1.3.6.1.4.1.99999.1.1"
SM3 = "1.2.156.10197.1.401"
"""GM/T 0006; asn1crypto has no name for it."""
_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64, SM3: 32}


def _der(tag: int, *parts: bytes) -> bytes:
    """One DER element around already encoded parts."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


_VERSION_1, _VERSION_3 = core.Integer(1).dump(), core.Integer(3).dump()
_GRANTED = tsp.PKIStatusInfo({"status": "granted"}).dump()
_SIGNED_DATA = cms.ContentType("signed_data").dump()
_TST_INFO = cms.ContentType("tst_info").dump()
_POLICY_DER = core.ObjectIdentifier(POLICY).dump()
_SHA256 = algos.DigestAlgorithm({"algorithm": "sha256"}).dump()
_ECDSA_SHA256 = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}).dump()
_ACCURACY = tsp.Accuracy({"seconds": 1}).dump()


@dataclass(frozen=True)
class Identity:
    """Who an authority says it is. Operators are invented: nobody of that name exists."""

    name: str
    operator: str


FIRST = Identity("wangjian-development-tsa", "wangjian-development")
SECOND = Identity("wangjian-development-tsa-b", "wangjian-development-b (fictitious second operator)")
"""The two that the embedded stack runs, each with its own keys and certification authority."""


@dataclass(frozen=True)
class _Constant:
    """Parts of every answer, in DER."""

    certificate: bytes
    signer_id: bytes
    signing_certificate: bytes


@dataclass(frozen=True)
class Authority:
    """Keys and certificates of the authority."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    ca: x509.Certificate
    identity: Identity = FIRST
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    """Its clock; tests move it."""

    def reply(self, request: bytes) -> bytes:
        """The DER TimeStampResp for a DER TimeStampReq; a bad request gets a rejection, not an error."""
        try:
            asked = tsp.TimeStampReq.load(request, strict=True)
            imprint = asked["message_imprint"]
            algorithm = imprint["hash_algorithm"]["algorithm"].native
            digest = imprint["hashed_message"].native
            policy, extensions = asked["req_policy"].native, asked["extensions"].native
        except (ValueError, TypeError, KeyError):
            return _rejection("bad_data_format")
        if _DIGEST_BYTES.get(algorithm) != len(digest):
            return _rejection("bad_alg")
        if policy not in (None, POLICY):
            return _rejection("unaccepted_policy")
        if extensions:
            return _rejection("unaccepted_extensions")
        return self._grant(asked)

    def _grant(self, asked: tsp.TimeStampReq) -> bytes:
        now = self.now()
        nonce = asked["nonce"].dump() if asked["nonce"].native is not None else b""
        serial = core.Integer(secrets.randbits(63) | 1 << 62).dump()
        when = _der(0x18, now.strftime("%Y%m%d%H%M%SZ").encode())
        imprint = asked["message_imprint"].dump()
        content = _der(0x30, _VERSION_1, _POLICY_DER, imprint, serial, when, _ACCURACY, nonce)
        attributes = self._attributes(content, now)
        signature = self.key.sign(_der(0x31, *attributes), ec.ECDSA(hashes.SHA256()))
        signer = _der(
            0x30, _VERSION_1, self._parts.signer_id, _SHA256, _der(0xA0, *attributes), _ECDSA_SHA256,
            _der(0x04, signature),
        )  # fmt: skip
        embedded = _der(0xA0, self._parts.certificate) if asked["cert_req"].native else b""
        wrapped = _der(0x30, _TST_INFO, _der(0xA0, _der(0x04, content)))
        signed = _der(0x30, _VERSION_3, _der(0x31, _SHA256), wrapped, embedded, _der(0x31, signer))
        token = _der(0x30, _SIGNED_DATA, _der(0xA0, signed))
        return _der(0x30, _GRANTED, token)

    def _attributes(self, content: bytes, now: dt.datetime) -> list[bytes]:
        """The signed attributes (RFC 5652 §11, RFC 5816), in the order DER asks of a SET OF."""
        digest = _der(0x04, hashlib.sha256(content).digest())
        signing_time = _der(0x17, now.strftime("%y%m%d%H%M%SZ").encode())
        found = {
            "content_type": _TST_INFO,
            "signing_time": signing_time,
            "message_digest": digest,
            "signing_certificate_v2": self._parts.signing_certificate,
        }
        encoded = [
            _der(0x30, cms.CMSAttributeType(name).dump(), _der(0x31, value)) for name, value in found.items()
        ]
        return sorted(encoded)

    @cached_property
    def _parts(self) -> _Constant:
        """What every answer repeats, encoded once by asn1crypto."""
        der = _certificate_der(self.certificate)
        certificate = asn1_x509.Certificate.load(der)
        identifier = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(der).digest()})
        serial = core.Integer(certificate.serial_number).dump()
        return _Constant(
            certificate=der,
            signer_id=_der(0x30, certificate.issuer.dump(), serial),
            signing_certificate=tsp.SigningCertificateV2({"certs": [identifier]}).dump(),
        )

    def description(self, url: str | None = None) -> dict[str, object]:
        """What clients pin: certificate, chain, policies (base64 DER); url: where it is asked."""
        return {
            **({"url": url} if url else {}),
            "name": self.identity.name,
            "operator": self.identity.operator,
            "development": True,
            "certificate": base64.b64encode(_certificate_der(self.certificate)).decode(),
            "chain": [base64.b64encode(_certificate_der(self.ca)).decode()],
            "policy_oids": [POLICY],
        }


def _rejection(failure: str) -> bytes:
    # A TimeStampResp with its status alone (RFC 3161 §2.4.2); asn1crypto calls the token required.
    return _der(0x30, tsp.PKIStatusInfo({"status": "rejection", "fail_info": {failure}}).dump())


def _certificate_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def create(
    identity: Identity = FIRST, *, start: dt.datetime | None = None, days: int = 3650
) -> tuple[Authority, ec.EllipticCurvePrivateKey]:
    """A new authority and its CA's key. start, days: validity of its certificates, default from now on."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    begin = (start or dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).replace(microsecond=0)
    validity = begin, begin + dt.timedelta(days=days)
    ca = _certificate(_name("CA", identity), ca_key, None, validity)
    certificate = _certificate(_name("authority", identity), key, (ca, ca_key), validity)
    return Authority(key, certificate, ca, identity), ca_key


def _name(what: str, identity: Identity) -> x509.Name:
    parts = {
        NameOID.ORGANIZATION_NAME: "Wangjian DEVELOPMENT",
        NameOID.ORGANIZATIONAL_UNIT_NAME: identity.name,
        NameOID.COMMON_NAME: f"DEVELOPMENT time stamping {what} - not accredited",
    }
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    validity: tuple[dt.datetime, dt.datetime],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(
            x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None), True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(_usage(signing_certificates=issuer is None), True)
    )
    signer = issuer[1] if issuer else key
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(authority_key, False)
    if issuer:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, True)  # RFC 3161 §2.3: critical and alone
    return builder.sign(signer, hashes.SHA256())


def _usage(*, signing_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signing_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing_certificates,
        crl_sign=signing_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def load_or_create(folder: Path, identity: Identity = FIRST) -> Authority:
    """The authority kept in `folder` (tsa.key, tsa.pem, ca.pem, authority.json); made there at first start.

    The CA's own key is not kept: this CA signs one certificate in its life.
    """
    if not (folder / "authority.json").exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _store(folder, create(identity)[0])
    key = serialization.load_pem_private_key((folder / "tsa.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("tsa.key does not hold an EC key")
    certificate = x509.load_pem_x509_certificate((folder / "tsa.pem").read_bytes())
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    return Authority(key, certificate, ca, identity)


def _store(folder: Path, authority: Authority) -> None:
    """Write the files, the description last: it marks the set as complete."""
    pem = serialization.Encoding.PEM
    private = authority.key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = {
        "tsa.key": (private, 0o600),
        "tsa.pem": (authority.certificate.public_bytes(pem), 0o644),
        "ca.pem": (authority.ca.public_bytes(pem), 0o644),
        "authority.json": (json.dumps(authority.description(), indent=1).encode(), 0o644),
    }
    for name, (data, mode) in files.items():
        _replace(folder / name, data, mode)


def _replace(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def publish(path: Path, authorities: list[tuple[Authority, str]]) -> None:
    """Write the file clients pin, one entry for each (authority, url). Raises OSError."""
    entries = [authority.description(url) for authority, url in authorities]
    _replace(path, json.dumps(entries, indent=1).encode(), 0o644)
