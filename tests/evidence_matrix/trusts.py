"""Ways to spoil a trust file."""

import base64
import copy
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.evidence_samples import Signers

Json = dict[str, Any]
_SM2 = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")


def _key(der: bytes, algorithm: str) -> Json:
    """A key entry that is right but for what the key is."""
    return {
        "keyid": hashlib.sha256(der).hexdigest(),
        "algorithm": algorithm,
        "public_key": base64.b64encode(der).decode(),
        "not_before": None,
        "not_after": None,
        "revoked_at": None,
    }


def _p384() -> bytes:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spoilt() -> list[tuple[str, str, Any]]:
    """Name of the way, path of a member, and its new value (`...`: left out)."""
    other = Signers().trust()
    key = "MCowBQYDK2VwAyEA"
    members: dict[str, list[Any]] = {
        "schema": [..., "urn:wangjian:trust:v1", None],
        "development": [..., None, 1],
        "label": [..., {}, {"zh": "x"}, {"en": "x"}, {"zh": 1, "en": "x"}],
    }
    for role in ("worker_keys", "sealing_keys"):
        members[role] = [..., [], None]
        members[f"{role}.0.keyid"] = [..., "0" * 64]
        members[f"{role}.0.algorithm"] = [..., "rsa", "ecdsa-p256-sha256", "sm2-sm3", None]
        members[f"{role}.1.algorithm"] = ["ed25519", "ecdsa-p256-sha256"]
        members[f"{role}.0.public_key"] = [..., key, "!", None, other["worker_keys"][0]["public_key"]]
        members[f"{role}.1"] = [{"$copy": f"{role}.0"}]
        for name in ("not_before", "not_after", "revoked_at"):
            members[f"{role}.0.{name}"] = [..., "yesterday", "2026-01-01", 7]
        members[f"{role}.0.public_key"].append("MCow\nBQYDK2VwAyEA")
        members[f"{role}.0"] = [_key(_p384(), "ecdsa-p256-sha256")]
        members[f"{role}.1"] += [_key(_SM2 + bytes(65), "sm2-sm3"), _key(bytes(91), "sm2-sm3")]
    members["tsas"] = [..., None]
    for name in ("certificate", "operator", "chain", "policy_oids"):
        members[f"tsas.0.{name}"] = [..., 7 if name != "chain" else [7]]
    members["tsas.0.policy_oids"].append([1])
    members["logs"] = [..., [], [*other["logs"], *other["logs"]]]
    members["logs.0.origin"] = [..., "other.test/log"]
    members["logs.0.vkey"] = [..., "x", other["witnesses"][0]["vkey"]]
    members["witnesses"] = [..., None]
    members["witnesses.0.vkey"] = [..., "x", other["logs"][0]["vkey"]]
    members["witnesses.0.operator"] = [..., None]
    members["policies"] = [..., [], [{"$copy": "policies.0"}, {"$copy": "policies.0"}]]
    members["policies.0.id"] = [..., 7]
    members["policies.0.suites"] = [..., [], ["national", "international"], ["other"], ["international", "x"]]
    for name in ("tsa_quorum", "witness_quorum", "max_skew_seconds"):
        members[f"policies.0.{name}"] = [..., 0, -1, 1.5, True, "1", None]
    return [
        (f"{path} #{place}", path, value)
        for path, values in members.items()
        for place, value in enumerate(values)
    ]


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[int(step) if step.isdigit() else step]
    return document


def _copied(document: Any, value: Any) -> Any:
    return (
        copy.deepcopy(_at(document, value["$copy"]))
        if isinstance(value, dict) and "$copy" in value
        else value
    )


def apply(document: Json, path: str, value: Any) -> None:
    """Spoil the document there; `...` leaves the member out."""
    holder, _, name = path.rpartition(".")
    target, last = _at(document, holder) if holder else document, int(name) if name.isdigit() else name
    if value is ...:
        del target[last]
    elif isinstance(value, list):
        target[last] = [_copied(document, item) for item in value]
    else:
        target[last] = _copied(document, value)
