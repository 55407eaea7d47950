"""The DSSE envelope, its signatures in every crypto suite of the policy, and when their keys were valid."""

import base64
import importlib
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .package import ENVELOPE, Package
from .strict import Failed, Unreadable, moment, require, strict_json, unbase64

# A suite and the algorithms a key of it may have, in the order the signatures stand.
SUITES = {"international": ("ed25519", "ecdsa-p256-sha256"), "national": ("sm2-sm3",)}


def signed_message(payload_type: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def check_envelope(package: Package) -> str:
    """The DSSE envelope is canonical and carries two or four signatures of different keys."""
    envelope = strict_json(package.content(ENVELOPE))
    require(
        isinstance(envelope, dict) and set(envelope) == {"payload", "payloadType", "signatures"}, "not DSSE"
    )
    require(envelope["payloadType"] == "application/vnd.in-toto+json", "wrong payload type")
    signatures = envelope["signatures"]
    require(isinstance(signatures, list) and len(signatures) in (2, 4), "two or four signatures are required")
    for item in signatures:
        require(isinstance(item, dict) and set(item) == {"keyid", "sig"}, "malformed signature")
        require(all(isinstance(value, str) for value in item.values()), "malformed signature")
    require(len({item["keyid"] for item in signatures}) == len(signatures), "two signatures are of one key")
    package.payload, package.envelope = unbase64(envelope["payload"], "payload"), envelope
    return f"{len(signatures)} signatures"


def check_policy(package: Package) -> str:
    """The manifest's policy is one of the trust file's."""
    wanted = package.predicate["policy_id"]
    known = {policy["id"]: policy for policy in package.trust["policies"]}
    require(wanted in known, f"policy {wanted!r} is not in the trust file")
    package.policy = known[wanted]
    if "national" in package.policy["suites"]:
        _national()
    return f"{wanted}: {', '.join(package.policy['suites'])}"


def check_worker_signatures(package: Package) -> str:
    """The first signatures are a trusted capture worker's, one in each suite; the manifest names the keys."""
    keys = _verify_all(package, _worker_keys(package))
    require(package.predicate["key_ids"] == keys, "key_ids does not name the worker keys that signed")
    return ", ".join(f"{keyid[:16]}…" for keyid in keys)


def check_sealing_signatures(package: Package) -> str:
    """The other signatures are a trusted sealing service's, one in each suite."""
    return ", ".join(f"{keyid[:16]}…" for keyid in _verify_all(package, _sealing_keys(package)))


Signed = list[tuple[dict[str, Any], str]]


def _worker_keys(package: Package) -> Signed:
    return _keys_of(package, "worker_keys", 0)


def _sealing_keys(package: Package) -> Signed:
    return _keys_of(package, "sealing_keys", len(package.policy["suites"]))


def _keys_of(package: Package, role: str, first: int) -> Signed:
    """The trusted keys, with their signatures, that signed in this role, in the order of the suites."""
    suites, signatures = package.policy["suites"], package.envelope["signatures"]
    require(
        len(signatures) == 2 * len(suites), f"{len(signatures)} signatures, the policy asks {2 * len(suites)}"
    )
    known, found = {key["keyid"]: key for key in package.trust[role]}, []
    for suite, item in zip(suites, signatures[first : first + len(suites)], strict=True):
        key = known.get(item["keyid"])
        if key is None or key["algorithm"] not in SUITES[suite]:
            raise Failed(f"key {item['keyid'][:16]}… is not among the trusted {role} of the suite {suite}")
        found.append((key, item["sig"]))
    return found


def _verify_all(package: Package, signed: Signed) -> list[str]:
    message = signed_message(package.envelope["payloadType"], package.payload)
    for key, signature in signed:
        public = base64.b64decode(key["public_key"])
        verify_signature(key["algorithm"], public, unbase64(signature, "signature"), message)
    return [key["keyid"] for key, _ in signed]


@lru_cache(maxsize=8)
def verify_signature(algorithm: str, public_der: bytes, signature: bytes, message: bytes) -> None:
    """Raise Failed unless the signature is of this key over the message. public_der: SubjectPublicKeyInfo."""
    try:
        if algorithm == "sm2-sm3":
            _verify_sm2(public_der, signature, message)
            return
        key = load_der_public_key(public_der)
        if isinstance(key, Ed25519PublicKey) and algorithm == "ed25519":
            key.verify(signature, message)
        elif isinstance(key, EllipticCurvePublicKey) and algorithm == "ecdsa-p256-sha256":
            _require_der(signature)
            key.verify(signature, message, ECDSA(SHA256()))
        else:
            raise Failed(f"a key that is not of the algorithm {algorithm}")
    except InvalidSignature as error:
        raise Failed("the signature does not fit the manifest") from error


def _require_der(signature: bytes) -> None:
    """(r, s) in its one DER form."""
    try:
        same = encode_dss_signature(*decode_dss_signature(signature)) == signature
    except ValueError as error:
        raise Failed("the signature is not DER") from error
    require(same, "the signature is not DER")


def _national() -> Any:
    """The library for SM2. Raises Unreadable where it is not installed: nothing can be said then."""
    try:
        return importlib.import_module("tongsuopy.crypto.asymciphers.ec")
    except ImportError as error:
        raise Unreadable(
            "本证据含国密签名,请先安装国密库:pip install tongsuopy",
            "this package carries SM2 signatures; install their library first: pip install tongsuopy",
        ) from error


def _verify_sm2(public_der: bytes, signature: bytes, message: bytes) -> None:
    """GB/T 32918.2 with SM3 and the default identifier 1234567812345678, which the library uses."""
    _require_der(signature)
    ec = _national()
    serialization = importlib.import_module("tongsuopy.crypto.serialization")
    hashes = importlib.import_module("tongsuopy.crypto.hashes")
    errors = importlib.import_module("tongsuopy.crypto.exceptions")
    try:
        key = serialization.load_der_public_key(public_der)
        key.verify(signature, message, ec.ECDSA(hashes.SM3()))
    except (errors.InvalidSignature, errors.InternalError, ValueError) as error:
        raise Failed("the SM2 signature does not fit the manifest") from error


def check_keys(package: Package) -> str:
    """Every time stamp lies in the validity of every signing key, and before its revocation."""
    signed = [*_worker_keys(package), *_sealing_keys(package)]
    require(package.stamps, "no valid time stamp tells when the keys were used")
    for key, _ in signed:
        for stamp in package.stamps:
            early = key["not_before"] and stamp["time"] < moment(key["not_before"])
            late = key["not_after"] and stamp["time"] > moment(key["not_after"])
            require(not early and not late, f"key {key['keyid'][:16]}… was not valid at {stamp['time']}")
            revoked = key["revoked_at"] and stamp["time"] >= moment(key["revoked_at"])
            require(not revoked, f"key {key['keyid'][:16]}… was revoked before {stamp['time']}")
    return f"{len(signed)} keys"
