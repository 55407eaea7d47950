"""How a development custodian, which has no operator, comes by its trust file and keeps up with new keys."""

import json
from pathlib import Path
from typing import Any

import structlog

from infra.custodian.identity import write_synced
from services.common.settings import Settings
from services.evidence.settings import EvidenceSettings
from services.evidence.verification.trust import SIGNING_KEYS, TrustMissingError, build_trust, dump_trust

log = structlog.get_logger()

_MARK = "pinned_at_first_use"
_ROLES = ("worker_keys", "sealing_keys")


def pin(file: Path, settings: Settings) -> None:
    """Pin this machine's public keys, marked as pinned by ourselves. Raises TrustMissingError."""
    write_synced(file, dump_trust({**build_trust(settings, EvidenceSettings()), _MARK: True}))


def follow_keys(file: Path, settings: Settings) -> None:
    """Take over new signing keys and new times of known ones into a trust file that we pinned ourselves.

    A file that a person put there is left alone, and so is one whose keys are no longer all in the list:
    keys only ever come and end.
    """
    listed = settings.keys_dir / SIGNING_KEYS
    if not listed.exists() or listed.stat().st_mtime_ns <= file.stat().st_mtime_ns:
        return
    pinned: dict[str, Any] = json.loads(file.read_bytes())
    if not pinned.get(_MARK):
        return
    try:
        now = build_trust(settings, EvidenceSettings())
    except TrustMissingError:
        return
    lost = [role for role in _ROLES if not _ids(pinned, role) <= _ids(now, role)]
    if lost:
        log.error("custodian.keys_vanished", roles=lost)
        return
    taken = {name: now[name] for name in (*_ROLES, "policies")}
    write_synced(file, dump_trust({**pinned, **taken}))
    log.warning("custodian.keys_followed", file=str(file), development=True)


def _ids(trust: dict[str, Any], role: str) -> set[str]:
    return {key["keyid"] for key in trust[role]}
