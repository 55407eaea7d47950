"""The trust file: the public keys and certificates a verifier's user holds, from public files only."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.common.clock import rfc3339
from services.common.keys import ROLES, load_ed25519_public, read_public_keys
from services.common.settings import Settings
from services.common.suites import ALGORITHMS, PublicKey, key_id, policy_id
from services.evidence.custodian import PinnedCustodian, read_custodian
from services.evidence.log.notes import ED25519, NoteKey, parse_vkey
from services.evidence.renewals.rules import weak_since
from services.evidence.settings import EvidenceSettings, evidence_home
from services.evidence.timestamps.rules import PinnedAuthority, read_authorities

MAX_SKEW_SECONDS = 300
# Written by the service: every signing key there ever was, and every set of suites its policy ever named.
SIGNING_KEYS = "signing-keys.json"


class TrustMissingError(Exception):
    """A public key file is not there (yet); the message names it."""


def default_origin(key: Ed25519PublicKey) -> str:
    """The log's origin when none is configured: tied to its key, so two installations never share one."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"wangjian.local/log-{key_id(der)[:8]}"


def build_trust(settings: Settings, own: EvidenceSettings) -> dict[str, Any]:
    """The trust file of this installation. Raises TrustMissingError when a key has not been made yet."""
    try:
        signing = read_signing_keys(settings)
        log_public = load_ed25519_public(settings.keys_dir / "log.pub")
        authorities = read_authorities(own.tsa_trust_file(settings))
        custodians = [read_custodian(file) for file in own.custodian_trust_files(settings)]
        logs = read_logs(settings, own, log_public)
    except OSError as error:
        raise TrustMissingError(str(error.filename)) from error
    except (ValueError, KeyError) as error:
        raise TrustMissingError(str(error)) from error
    quorum = own.custodian_quorum or len({custodian.operator for custodian in custodians})
    trust = assemble(signing, logs, authorities, custodians, witness_quorum=quorum, tsa_quorum=own.tsa_quorum)
    weak = {name: rfc3339(since) for name, since in weak_since().items()}
    return trust | ({"weak_digests": weak} if weak else {})


def read_signing_keys(settings: Settings) -> dict[str, Any]:
    """`{"keys": [{"role", "keyid", …}], "suites": [[suite, …], …]}`: the service's list, or before its first
    start the public keys at hand.

    Raises OSError while a role has no key in a suite of the policy; ValueError, KeyError.
    """
    file = settings.keys_dir / SIGNING_KEYS
    if not file.exists():
        at_hand = [(role, key) for role in ROLES for key in read_public_keys(settings, role)]
        listed = [{"role": role, **_key(key)} for role, key in at_hand]
        return {"keys": listed, "suites": [list(settings.suites)]}
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    for role in ROLES:
        known = {ALGORITHMS[key["algorithm"]] for key in found["keys"] if key["role"] == role}
        if not known.issuperset(settings.suites):
            # A worker that has started and not handed anything in yet: its key is registered when it does.
            waiting = [key for key in read_public_keys(settings, role) if key.suite not in known]
            found["keys"] += [{"role": role, **_key(key)} for key in waiting]
    return found


def _of_role(signing: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """The entries of a role's keys, without the role's name."""
    mine = [key for key in signing["keys"] if key["role"] == role]
    return [{name: value for name, value in key.items() if name != "role"} for key in mine]


def read_logs(settings: Settings, own: EvidenceSettings, first: Ed25519PublicKey) -> list[NoteKey]:
    """The keys of all logs, the first one's first: from the list the log publishes, once there is one.

    Raises OSError, ValueError, KeyError.
    """
    published = evidence_home(settings) / "log" / "logs.json"
    if not published.exists():
        return [NoteKey(own.log_origin or default_origin(first), ED25519, first)]
    return [parse_vkey(item["vkey"]) for item in json.loads(published.read_text("utf-8"))["logs"]]


def assemble(
    signing: Mapping[str, Any],
    logs: list[NoteKey],
    authorities: list[PinnedAuthority],
    custodians: list[PinnedCustodian],
    *,
    witness_quorum: int,
    tsa_quorum: int,
) -> dict[str, Any]:
    """The trust file's JSON values."""
    development = any(item.development for item in custodians) or any(
        item.development for item in authorities
    )
    return {
        "schema": "urn:wangjian:trust:v2",
        "development": development,
        "label": _label(development=development),
        "worker_keys": _of_role(signing, "worker"),
        "sealing_keys": _of_role(signing, "sealing"),
        "logs": [{"origin": key.name, "vkey": key.vkey} for key in logs],
        "witnesses": [
            {"name": item.name, "operator": item.operator, "vkey": item.witness.vkey} for item in custodians
        ],
        "custodians": [{"name": item.name, **_key(item.receipt_key)} for item in custodians],
        "tsas": [item.as_trust() for item in authorities],
        "policies": [
            {
                "id": policy_id(suites),
                "suites": list(suites),
                "tsa_quorum": tsa_quorum,
                "witness_quorum": witness_quorum,
                "max_skew_seconds": MAX_SKEW_SECONDS,
            }
            for suites in signing["suites"]
        ],
    }


def _label(*, development: bool) -> dict[str, str]:
    if development:
        return {
            "zh": "开发用信任:时间戳与第三方存证由本机自建,不具备独立证明力",
            "en": "DEVELOPMENT trust: time stamps and custodian are run by this installation itself",
        }
    return {"zh": "正式信任", "en": "production trust"}


def _key(key: PublicKey) -> dict[str, Any]:
    return {
        "keyid": key.keyid,
        "algorithm": key.algorithm,
        "public_key": base64.b64encode(key.public_der).decode(),
        "not_before": None,
        "not_after": None,
        "revoked_at": None,
    }


def dump_trust(trust: dict[str, Any]) -> bytes:
    """The trust file as written: indented JSON, for people to compare key ids."""
    return (json.dumps(trust, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def write_trust(path: Path, trust: dict[str, Any]) -> None:
    """Write the trust file. Raises OSError."""
    path.write_bytes(dump_trust(trust))
