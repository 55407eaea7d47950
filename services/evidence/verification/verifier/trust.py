"""The trust file."""

import base64
import hashlib
import json
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .log import parse_vkey
from .signatures import SUITES
from .strict import Failed, Unreadable, moment, require

TRUST_SCHEMA = "urn:wangjian:trust:v2"
# DER SubjectPublicKeyInfo of an SM2 key (GM/T 0010), up to its 64 bytes: read without the SM2 library.
_SM2_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")


def read_trust(data: bytes) -> dict[str, Any]:
    """The trust file, checked. Raises Unreadable."""
    try:
        trust = json.loads(data)
        require(trust["schema"] == TRUST_SCHEMA, "unknown schema")
        for role in ("worker_keys", "sealing_keys"):
            _unique([_check_key(key) for key in trust[role]], role)
        for listed in ("logs", "witnesses", "tsas", "policies"):
            require(type(trust[listed]) is list, f"{listed} is not a list")
        for authority in trust["tsas"]:
            lists = (authority["chain"], authority["policy_oids"])
            require(all(type(value) is list for value in lists), "chain or policy_oids is not a list")
            for certificate in (authority["certificate"], *authority["chain"]):
                x509.load_der_x509_certificate(base64.b64decode(certificate, validate=True))
            _texts(authority["name"], authority["operator"], *authority["policy_oids"])
        for log in trust["logs"]:
            require(parse_vkey(log["vkey"], 1)[0] == log["origin"], "the log key is not of the log's origin")
        _unique([log["origin"] for log in trust["logs"]], "logs")
        for witness in trust["witnesses"]:
            parse_vkey(witness["vkey"], 4)
            _texts(witness["name"], witness["operator"])
        for policy in trust["policies"]:
            _check_policy(policy)
        _unique([policy["id"] for policy in trust["policies"]], "policies")
        for since in trust.get("weak_digests", {}).values():
            moment(since)
        require(type(trust["development"]) is bool, "development is not true or false")
        _texts(trust["label"]["zh"], trust["label"]["en"])
    except (ValueError, LookupError, TypeError, AttributeError, UnsupportedAlgorithm, Failed) as error:
        raise Unreadable("信任文件无法使用", f"the trust file cannot be used: {error}") from error
    return dict(trust)


def _check_key(key: dict[str, Any]) -> str:
    der, algorithm = base64.b64decode(key["public_key"], validate=True), key["algorithm"]
    require(any(algorithm in known for known in SUITES.values()), f"unknown algorithm {algorithm!r}")
    require(_is_of(der, algorithm), f"a signing key is not of the algorithm {algorithm}")
    require(hashlib.sha256(der).hexdigest() == key["keyid"], "a key does not match its key id")
    for name in ("not_before", "not_after", "revoked_at"):
        if key[name] is not None:
            moment(key[name])
    return str(key["keyid"])


def _is_of(der: bytes, algorithm: str) -> bool:
    if algorithm == "sm2-sm3":
        return der.startswith(_SM2_PREFIX) and len(der) == len(_SM2_PREFIX) + 64
    public = load_der_public_key(der)
    if algorithm == "ed25519":
        return isinstance(public, Ed25519PublicKey)
    return isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)


def _check_policy(policy: dict[str, Any]) -> None:
    _texts(policy["id"])
    suites = [suite for suite in SUITES if suite in policy["suites"]]
    require(suites and policy["suites"] == suites, "unknown suites, or not in their order")
    for name in ("tsa_quorum", "witness_quorum", "max_skew_seconds"):
        value = policy[name]
        require(type(value) is int and value > 0, f"{name} must be a positive whole number")


def _unique(values: list[str], what: str) -> None:
    require(values and len(set(values)) == len(values), f"{what}: none, or one twice")


def _texts(*values: object) -> None:
    require(all(isinstance(value, str) for value in values), "a text is missing")
