"""The custodian's own keys and what others pin of it."""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.custodian.settings import CustodianSettings
from services.common.keys import load_or_create_ed25519
from services.common.suites import Signer, load_or_create_signer
from services.evidence.log.notes import COSIGNATURE_V1, NoteKey


@dataclass(frozen=True)
class Identity:
    """Name, operator and keys. Two keys: C2SP asks that a cosigner key signs nothing else."""

    name: str
    operator: str
    development: bool
    witness_name: str
    witness: Ed25519PrivateKey
    receipts: Signer

    @property
    def witness_key(self) -> NoteKey:
        """The public witness key."""
        return NoteKey(self.witness_name, COSIGNATURE_V1, self.witness.public_key())

    def description(self) -> dict[str, Any]:
        """What others pin."""
        return {
            "name": self.name,
            "operator": self.operator,
            "development": self.development,
            "witness_vkey": self.witness_key.vkey,
            "receipt_algorithm": self.receipts.algorithm,
            "receipt_key": base64.b64encode(self.receipts.public_der).decode(),
            "receipt_keyid": self.receipts.keyid,
        }


def load_or_create(folder: Path, own: CustodianSettings | None = None) -> Identity:
    """The identity kept in `folder`; made there at first start, with `identity.json` for others to pin."""
    own = own or CustodianSettings()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    witness = load_or_create_ed25519(folder / "witness.key")
    receipts = load_or_create_signer(folder / "receipts.key", "ed25519")
    name = own.name or "DEVELOPMENT custodian 开发用存证机构"
    identity = Identity(
        name,
        own.operator or name,
        own.development,
        own.witness_name or f"custodian.wangjian.local/{receipts.keyid[:8]}",
        witness,
        receipts,
    )
    write_synced(
        folder / "identity.json", json.dumps(identity.description(), ensure_ascii=False, indent=1).encode()
    )
    return identity


def write_synced(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is the old one or the new one, and durable on return."""
    temporary = f"{path.parent}/.{path.name}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)  # noqa: PTH105 - each receipt waits for this; a Path takes ten times as long
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
