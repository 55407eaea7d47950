"""The witness: cosigns only a checkpoint that extends all it cosigned before (c2sp.org/tlog-witness)."""

import base64
import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from infra.custodian.identity import Identity, write_synced
from services.evidence.log.merkle import EMPTY_ROOT, is_consistent
from services.evidence.log.notes import Checkpoint, NoteError, NoteKey, cosign, open_checkpoint, split_note

_MOST_PROOF_LINES = 63


@dataclass(frozen=True)
class Answer:
    """Status and body of an add-checkpoint reply."""

    status: int
    body: str
    content_type: str = "text/plain"


class Witness:
    """Remembers the newest checkpoint it cosigned for one log, on disk, before it answers."""

    def __init__(self, identity: Identity, log: NoteKey, folder: Path) -> None:
        self._identity, self._log = identity, log
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{hashlib.sha256(log.name.encode()).hexdigest()}.checkpoint"
        self._lock = threading.Lock()
        self._last = Checkpoint(log.name, 0, EMPTY_ROOT)
        if self._file.exists():
            self._last = open_checkpoint(self._file.read_text("utf-8"), log)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request: 200 with the cosignature, or 400, 403, 404, 409, 422 as the protocol says."""
        try:
            old, proof, note = _parse(body)
            origin = split_note(note)[0].split("\n", 1)[0]
        except (NoteError, ValueError) as error:
            return Answer(400, f"{error}\n")
        if origin != self._log.name:
            return Answer(404, "unknown log\n")
        try:
            head = open_checkpoint(note, self._log)
        except NoteError as error:
            return Answer(403, f"{error}\n")
        if old > head.size:
            return Answer(400, "old size above the checkpoint's\n")
        with self._lock:
            return self._decide(old, proof, head, note)

    def _decide(self, old: int, proof: list[bytes], head: Checkpoint, note: str) -> Answer:
        last = self._last
        if old != last.size or (head.size == last.size and head.root != last.root):
            return Answer(409, f"{last.size}\n", "text/x.tlog.size")
        if not is_consistent(last.size, last.root, head.size, head.root, proof):
            return Answer(422, "the checkpoint does not extend what was cosigned before\n")
        write_synced(self._file, note.encode())
        self._last = head
        line = cosign(head.body, self._identity.witness_name, self._identity.witness, int(time.time()))
        return Answer(200, line)


def _parse(body: bytes) -> tuple[int, list[bytes], str]:
    text = body.decode("utf-8")
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    size = lines[0].removeprefix("old ")
    if not separator or not lines[0].startswith("old ") or not size.isdigit() or str(int(size)) != size:
        raise ValueError("malformed request")
    if len(lines) - 1 > _MOST_PROOF_LINES:
        raise ValueError("too many proof lines")
    return int(size), [base64.b64decode(line, validate=True) for line in lines[1:]], note
