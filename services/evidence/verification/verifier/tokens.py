"""RFC 3161 time-stamp tokens: strict DER, pinned authorities, nothing taken from the token on trust."""

import base64
import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from .strict import Failed, require

_OID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_OID_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_OID_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_OID_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_OID_SIGNING_CERT_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_GRANTED = bytes.fromhex("3003020100")
_NULL = "0500"
# AlgorithmIdentifier → hash; RFC 5754 allows SHA-2 with and without the NULL parameter.
_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex(f"30{length}0609608648016503040{code}{null}"): algorithm
    for code, algorithm in (("201", hashes.SHA256()), ("202", hashes.SHA384()), ("203", hashes.SHA512()))
    for length, null in (("0b", ""), ("0d", _NULL))
}
IMPRINTS = {raw: algorithm.name for raw, algorithm in _DIGESTS.items()} | {
    bytes.fromhex(f"30{length}06082a811ccf55018311{null}"): "sm3"  # 1.2.156.10197.1.401, GM/T 0006
    for length, null in (("0a", ""), ("0c", _NULL))
}
"""AlgorithmIdentifier of an imprint → its name."""
_ECDSA: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("300a06082a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("300a06082a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("300a06082a8648ce3d040304"): hashes.SHA512(),
}
_RSA: dict[bytes, hashes.HashAlgorithm | None] = {
    bytes.fromhex("300d06092a864886f70d0101010500"): None,  # rsaEncryption: the hash is the digest algorithm
    bytes.fromhex("300d06092a864886f70d01010b0500"): hashes.SHA256(),
    bytes.fromhex("300d06092a864886f70d01010c0500"): hashes.SHA384(),
    bytes.fromhex("300d06092a864886f70d01010d0500"): hashes.SHA512(),
}


class Der:
    """One DER element: its tag byte, content and complete encoding; padded or open lengths are refused."""

    def __init__(self, tag: int, content: bytes, raw: bytes) -> None:
        self.tag, self.content, self.raw = tag, content, raw

    def children(self, *tags: int) -> list["Der"]:
        """The elements inside; with `tags`, exactly these in this order."""
        found = list(der_elements(self.content))
        require(
            not tags or [item.tag for item in found] == list(tags), "unexpected element in the time stamp"
        )
        return found


def der_elements(data: bytes) -> Iterator[Der]:
    at = 0
    while at < len(data):
        require(at + 2 <= len(data) and data[at] & 0x1F != 0x1F, "time stamp: broken DER")
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
            shortest = size.bit_length() > 7 and width == (size.bit_length() + 7) // 8
            require(0 < width <= 4 and shortest, "time stamp: length not in DER")
        require(start + size <= len(data), "time stamp: element too long")
        yield Der(tag, data[start : start + size], data[at : start + size])
        at = start + size


def single(data: bytes, tag: int) -> Der:
    found = list(der_elements(data))
    require(len(found) == 1 and found[0].tag == tag, "time stamp: not the one expected element")
    return found[0]


def open_response(response: bytes) -> Der:
    """The token in a granted DER TimeStampResp."""
    status, token = single(response, 0x30).children(0x30, 0x30)
    require(status.raw == _GRANTED, "time stamp not granted")
    return token


def verify_token(token: Der, authorities: list[dict[str, Any]]) -> dict[str, Any]:
    """Check a token (ContentInfo) of one of the pinned authorities. Raises Failed.

    Gives {operator, time, policy, serial, expires, algorithm, imprint}: `expires`, the end of the pinned
    certificate's validity; `algorithm`, `sha256`, `sha384`, `sha512` or `sm3`, of the `imprint`. What the
    imprint is of, the caller must check.
    """
    kind, explicit = token.children(0x06, 0xA0)
    require(kind.raw == _OID_SIGNED_DATA, "time stamp is not signed data")
    (signed,) = explicit.children(0x30)
    parts = signed.children()
    tags = [part.tag for part in parts]
    require(tags in ([2, 0x31, 0x30, 0xA0, 0x31], [2, 0x31, 0x30, 0x31]), "time stamp: unexpected parts")
    require(parts[0].content == b"\x03", "time stamp: unexpected version")
    content_type, wrapped = parts[2].children(0x06, 0xA0)
    require(content_type.raw == _OID_TST_INFO, "time stamp carries other content")
    (octets,) = wrapped.children(0x04)
    (signer,) = parts[-1].children(0x30)
    authority, certificate = _find_authority(signer, authorities)
    if len(parts) == 5:
        _check_embedded(parts[3], authority)
    digest = _check_signer(signer, octets.content, certificate)
    require([item.raw for item in parts[1].children()] == [digest], "time stamp: digest algorithms differ")
    return {"operator": authority["operator"], **_read_info(octets.content, authority, certificate)}


def _find_authority(
    signer: Der, authorities: list[dict[str, Any]]
) -> tuple[dict[str, Any], x509.Certificate]:
    issuer, serial = signer.children()[1].children(0x30, 0x02)
    for authority in authorities:
        certificate = _certificate(authority["certificate"])
        same_serial = int.from_bytes(serial.content, "big", signed=True) == certificate.serial_number
        if same_serial and certificate.issuer.public_bytes() == issuer.raw:
            return authority, certificate
    raise Failed("the time stamp is of an authority that is not in the trust file")


@lru_cache(maxsize=64)
def _certificate(text: str) -> x509.Certificate:
    """A certificate of the trust file; read once, because it is asked for with every package."""
    return x509.load_der_x509_certificate(base64.b64decode(text))


def _check_embedded(certificates: Der, authority: dict[str, Any]) -> None:
    pinned = {base64.b64decode(item) for item in [authority["certificate"], *authority["chain"]]}
    embedded = [item.raw for item in certificates.children()]
    known = len(set(embedded)) == len(embedded) and set(embedded) <= pinned
    require(known, "the time stamp embeds a certificate that is not pinned")


def _check_signer(signer: Der, content: bytes, certificate: x509.Certificate) -> bytes:
    """Check the signed attributes and the signature; gives the digest algorithm's encoding."""
    version, _, digest, attributes, algorithm, signature = signer.children(2, 0x30, 0x30, 0xA0, 0x30, 4)
    require(version.content == b"\x01" and digest.raw in _DIGESTS, "time stamp: unknown signer form")
    hasher = _DIGESTS[digest.raw]
    values = _attributes(attributes)
    require(values.get(_OID_CONTENT_TYPE) == _OID_TST_INFO, "time stamp: content type attribute")
    stated = single(values.get(_OID_MESSAGE_DIGEST, b""), 4)
    require(stated.content == _hash(hasher, content), "time stamp: content was altered")
    fingerprint = certificate.fingerprint(hashes.SHA256())
    require(fingerprint in values.get(_OID_SIGNING_CERT_V2, b""), "time stamp: signing certificate attribute")
    signed = b"\x31" + attributes.raw[1:]  # RFC 5652 §5.4: signed as SET OF, not as the [0] it is sent as
    _check_key(certificate, algorithm.raw, hasher, signature.content, signed)
    return digest.raw


def _attributes(attributes: Der) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for item in attributes.children():
        kind, value = item.children(0x06, 0x31)
        require(kind.raw not in values, "time stamp: attribute twice")
        values[kind.raw] = value.content
    return values


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def _check_key(
    certificate: x509.Certificate,
    algorithm: bytes,
    hasher: hashes.HashAlgorithm,
    signature: bytes,
    data: bytes,
) -> None:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    purpose = list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    require(usage.critical and purpose, "the pinned certificate is not for time stamping alone")
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA:
            key.verify(signature, data, ec.ECDSA(_ECDSA[algorithm]))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA:
            key.verify(signature, data, padding.PKCS1v15(), _RSA[algorithm] or hasher)
        else:
            raise Failed("time stamp: unknown signature algorithm")
    except InvalidSignature as error:
        raise Failed("the authority's signature does not verify") from error


def _read_info(content: bytes, authority: dict[str, Any], certificate: x509.Certificate) -> dict[str, Any]:
    parts = single(content, 0x30).children()
    require([part.tag for part in parts[:5]] == [2, 6, 0x30, 2, 0x18], "time stamp: malformed TSTInfo")
    version, policy, imprint, serial, when = parts[:5]
    require(version.content == b"\x01", "time stamp: unknown version")
    algorithm, digest = imprint.children(0x30, 4)
    require(algorithm.raw in IMPRINTS, "time stamp: unknown imprint algorithm")
    oid = _dotted(policy.content)
    require(oid in authority["policy_oids"], f"policy {oid} is not accepted for this authority")
    text = when.content.decode("ascii", "replace")
    require(re.fullmatch(r"\d{14}(\.\d{0,5}[1-9])?Z", text), "time stamp: malformed time")
    time = dt.datetime.fromisoformat(f"{text[:8]}T{text[8:-1]}+00:00")
    inside = certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc
    require(inside, "stamped outside the validity of the authority's certificate")
    return {
        "time": time,
        "policy": oid,
        "serial": str(int.from_bytes(serial.content, "big", signed=True)),
        "expires": certificate.not_valid_after_utc,
        "algorithm": IMPRINTS[algorithm.raw],
        "imprint": digest.content,
    }


def _dotted(content: bytes) -> str:
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
