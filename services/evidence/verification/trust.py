"""The trust file: the public keys and certificates a verifier's user holds, from public files only."""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.common.keys import load_ed25519_public, read_public_keys
from services.common.settings import Settings
from services.common.suites import PublicKey, key_id
from services.evidence.custodian import PinnedCustodian, read_custodian
from services.evidence.log.notes import ED25519, NoteKey
from services.evidence.settings import EvidenceSettings
from services.evidence.timestamps.rules import PinnedAuthority, read_authorities

POLICY_ID = "urn:wangjian:policy:v1"
MAX_SKEW_SECONDS = 300


class TrustMissingError(Exception):
    """A public key file is not there (yet); the message names it."""


def default_origin(key: Ed25519PublicKey) -> str:
    """The log's origin when none is configured: tied to its key, so two installations never share one."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"wangjian.local/log-{key_id(der)[:8]}"


def build_trust(settings: Settings, own: EvidenceSettings) -> dict[str, Any]:
    """The trust file of this installation. Raises TrustMissingError when a key has not been made yet."""
    try:
        workers = read_public_keys(settings, "worker")
        sealers = read_public_keys(settings, "sealing")
        log_public = load_ed25519_public(settings.keys_dir / "log.pub")
        authorities = read_authorities(own.tsa_trust_file(settings))
        custodian = read_custodian(own.custodian_trust_file(settings))
    except OSError as error:
        raise TrustMissingError(str(error.filename)) from error
    except (ValueError, KeyError) as error:
        raise TrustMissingError(str(error)) from error
    origin = own.log_origin or default_origin(log_public)
    return assemble(workers, sealers, NoteKey(origin, ED25519, log_public), authorities, custodian)


def assemble(
    workers: list[PublicKey],
    sealers: list[PublicKey],
    log_key: NoteKey,
    authorities: list[PinnedAuthority],
    custodian: PinnedCustodian,
) -> dict[str, Any]:
    """The trust file's JSON values."""
    development = custodian.development or any(item.development for item in authorities)
    return {
        "schema": "urn:wangjian:trust:v1",
        "development": development,
        "label": _label(development=development),
        "worker_keys": [_key(key) for key in workers],
        "sealing_keys": [_key(key) for key in sealers],
        "log": {"origin": log_key.name, "vkey": log_key.vkey},
        "witnesses": {"quorum": 1, "keys": [custodian.witness.vkey]},
        "custodians": [{"name": custodian.name, **_key(custodian.receipt_key)}],
        "tsas": [item.as_trust() for item in authorities],
        "policy": {"id": POLICY_ID, "tsa_quorum": 1, "max_skew_seconds": MAX_SKEW_SECONDS},
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
    }


def dump_trust(trust: dict[str, Any]) -> bytes:
    """The trust file as written: indented JSON, for people to compare key ids."""
    return (json.dumps(trust, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def write_trust(path: Path, trust: dict[str, Any]) -> None:
    """Write the trust file. Raises OSError."""
    path.write_bytes(dump_trust(trust))
