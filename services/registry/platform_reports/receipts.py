"""Signed receipts: what was received, when, and its digest, so that nobody can say otherwise later.

A DSSE envelope with one Ed25519 signature by the registry's receipt key; the payload is canonical JSON (RFC
8785). Whoever has the public key checks it without us.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from services.common.canonical import canonical
from services.common.dsse import Envelope, sign_envelope, verify_signature
from services.common.settings import Settings
from services.common.suites import InvalidSignature, SoftwareSigner, load_or_create_signer
from services.common.suites.files import public_pem

TYPE: Final = "application/vnd.wangjian.platform-report-receipt+json"
FORMAT: Final = "wangjian-platform-report-receipt/1"


def signer(settings: Settings) -> SoftwareSigner:
    """The key receipts are signed with, made at first use. Raises KeyUnreadableError."""
    return load_or_create_signer(key_path(settings), "ed25519")


def key_path(settings: Settings) -> Path:
    """The file of the receipt key."""
    return settings.keys_dir / "registry-receipts.key"


def issue(settings: Settings, told: Mapping[str, Any]) -> Envelope:
    """A receipt for a report: `told` with the format's name, signed."""
    payload = {"format": FORMAT, **{name: _json(value) for name, value in told.items()}}
    return sign_envelope(signer(settings), canonical(payload), TYPE)


def read(settings: Settings, envelope: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a receipt says, when we signed it; None for anything else. Never raises."""
    try:
        if envelope["payloadType"] != TYPE:
            return None
        payload = verify_signature(envelope, signer(settings))
        told = json.loads(payload)
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        return None
    return told if isinstance(told, dict) and told.get("format") == FORMAT else None


def public_key(settings: Settings) -> tuple[str, str]:
    """`(key id, PEM)` of the public key."""
    key = signer(settings)
    return key.keyid, public_pem(key).decode()


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
