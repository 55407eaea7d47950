"""Whom the custodian serves: each client with its own trust file, witnessed logs and store."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import structlog

from infra.custodian.identity import Identity, write_synced
from infra.custodian.pinning import follow_keys, pin
from infra.custodian.vault import RefusedError, Vault
from infra.custodian.witness import Answer, Request, Witness
from services.common.canonical import canonical
from services.common.settings import Settings
from services.evidence.log.merkle import leaf_hash, root_from_inclusion
from services.evidence.log.notes import (
    NoteError,
    NoteKey,
    open_checkpoint,
    parse_vkey,
    split_note,
    verify_line,
)
from services.evidence.log.proofs import parse_proof
from services.evidence.verification.trust import TrustMissingError
from services.evidence.verification.verifier import Unreadable, read_trust

log = structlog.get_logger()

CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Client:
    """One installation; in its folder `trust.json`, `logs.json` (accepted later), `witness`, `store`."""

    def __init__(self, folder: Path, identity: Identity, pin_from: Settings | None) -> None:
        """pin_from: where a development custodian takes the trust file from at first use; None never."""
        self._folder, self._identity, self._pin_from = folder, identity, pin_from
        self._lock = threading.Lock()
        self._vault: Vault | None = None
        self._witnesses: dict[str, Witness] = {}
        self._read: tuple[int, int] = (0, 0)

    def vault(self) -> Vault:
        """The store. Raises TrustMissingError while there is nothing to trust."""
        with self._lock:
            self._load()
            assert self._vault is not None  # noqa: S101 - for the type checker; _load raised otherwise
            return self._vault

    def witness(self, origin: str) -> Witness | None:
        """The witness of a log of this client; None for another log. Raises TrustMissingError."""
        with self._lock:
            known = self._witnesses.get(origin)
            if known is None:
                self._load()
            return known or self._witnesses.get(origin)

    def close(self) -> None:
        """Close its files."""
        for witness in self._witnesses.values():
            witness.close()

    def _load(self) -> None:
        """Read trust and accepted logs, again whenever a person changed one of the files."""
        file, accepted = self._folder / "trust.json", self._folder / "logs.json"
        if not file.exists():
            self._pin(file)
        elif self._pin_from is not None:
            follow_keys(file, self._pin_from)
        marks = (file.stat().st_mtime_ns, accepted.stat().st_mtime_ns if accepted.exists() else 0)
        if marks == self._read:
            return
        try:
            trust = read_trust(file.read_bytes())
            later = _read_accepted(accepted)
            trust["logs"] = [*trust["logs"], *(item for item in later if item not in trust["logs"])]
            keys = [parse_vkey(item["vkey"]) for item in trust["logs"]]
        except (Unreadable, NoteError) as error:
            raise TrustMissingError(f"{file.name}: {error}") from error
        for key in keys:
            if key.name not in self._witnesses:
                self._witnesses[key.name] = Witness(self._identity, key, self._folder / "witness")
            self._witnesses[key.name].frozen = _frozen_at(accepted, key.name)
        if self._vault is not None and marks[0] == self._read[0]:
            # A package may be on its way in: whoever verifies it sees the new log too.
            self._vault.trust["logs"][:] = trust["logs"]
        else:
            self._vault = Vault(self._folder / "store", self._identity, trust)
        self._read = marks

    def _pin(self, file: Path) -> None:
        """The trust file is put there by the custodian's operator; only a development custodian has none."""
        if self._pin_from is None:
            raise TrustMissingError(str(file))
        pin(file, self._pin_from)
        log.warning("custodian.trust_pinned_at_first_use", file=str(file), development=True)

    def add_checkpoint(self, request: Request) -> Answer:
        """Answer one add-checkpoint request. Raises TrustMissingError."""
        witness = self.witness(request.origin)
        return Answer(404, "unknown log\n") if witness is None else witness.add_checkpoint(request)

    def succeed(self, entry: bytes, proof: str) -> NoteKey:
        """Accept the log that an old one names in its last leaf. Raises RefusedError 422, TrustMissingError.

        The old log vouches for the new one's key: the leaf is in a tree that we cosigned, and it is its end.
        """
        try:
            index, hashes, note = parse_proof(proof)
            origin = note.partition("\n")[0]
            document = json.loads(entry)
            witness = self.witness(origin)
            if witness is None or document != _freeze(document) or canonical(document) != entry:
                raise ValueError("not the freeze entry of a log known here")
            head = open_checkpoint(note, witness.log)
            body, lines = split_note(note)
            mine = self._identity.witness_key
            own = [blob for name, blob in lines if name == mine.name and blob[:4] == mine.key_id]
            if not own or verify_line(body, mine, own[0]) is None:
                raise ValueError("not cosigned here")
            if index != head.size - 1 or witness.last != head:
                raise ValueError("not the last leaf of that log")
            if root_from_inclusion(leaf_hash(entry), index, head.size, hashes) != head.root:
                raise ValueError("the entry is not in that log")
            key = parse_vkey(document["next_vkey"])
            if key.name != document["next_origin"] or self.witness(key.name) is not None:
                raise ValueError("the next log's name is not free")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedError(422, f"no succession: {error}") from error
        self.accept(key, after=origin, frozen=head.size)
        return key

    def accept(self, key: NoteKey, *, after: str = "", frozen: int | None = None) -> None:
        """Witness one more log from now on; `after`: the log that named it, which ends at `frozen` leaves."""
        with self._lock:
            file = self._folder / "logs.json"
            known = json.loads(file.read_text("utf-8"))["logs"] if file.exists() else []
            known.append({"origin": key.name, "vkey": key.vkey, "after": after, "frozen": frozen})
            self._folder.mkdir(parents=True, exist_ok=True)
            write_synced(file, json.dumps({"logs": known}, ensure_ascii=False, indent=1).encode())
            self._load()
        log.warning("custodian.log_accepted", origin=key.name, after=after)


def _freeze(document: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "next_origin", "next_vkey", "reason", "v")
    return {**{name: document[name] for name in names}, "kind": "freeze", "v": 1}


def _read_accepted(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    found = json.loads(file.read_text("utf-8"))["logs"]
    return [{"origin": item["origin"], "vkey": item["vkey"]} for item in found]


def _frozen_at(file: Path, origin: str) -> int | None:
    if not file.exists():
        return None
    ends = [item["frozen"] for item in json.loads(file.read_text("utf-8"))["logs"] if item["after"] == origin]
    return ends[0] if ends else None
