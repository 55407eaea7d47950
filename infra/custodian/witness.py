"""The witness: cosigns only a checkpoint that extends all it cosigned before (c2sp.org/tlog-witness)."""

import base64
import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from infra.custodian.identity import Identity
from infra.custodian.journal import Journal
from services.evidence.log.merkle import EMPTY_ROOT, is_consistent
from services.evidence.log.notes import Checkpoint, NoteError, NoteKey, cosign, open_checkpoint

_MOST_PROOF_LINES = 63


@dataclass(frozen=True)
class Answer:
    """Status and body of an add-checkpoint reply."""

    status: int
    body: str
    content_type: str = "text/plain"


@dataclass(frozen=True)
class Request:
    """An add-checkpoint request: the size the log believes we know, the proof, the signed checkpoint."""

    old: int
    proof: list[bytes]
    note: str

    @property
    def origin(self) -> str:
        """First line of the checkpoint."""
        return self.note.partition("\n")[0]


def parse_request(body: bytes) -> Request:
    """The request in a body. Raises ValueError."""
    text = body.decode("utf-8")
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    size = lines[0].removeprefix("old ")
    known = lines[0].startswith("old ") and size.isascii() and size.isdigit() and len(size) <= 16
    if not separator or not known or str(int(size)) != size:
        raise ValueError("malformed request")
    if len(lines) - 1 > _MOST_PROOF_LINES:
        raise ValueError("too many proof lines")
    return Request(int(size), [base64.b64decode(line, validate=True) for line in lines[1:]], note)


class Witness:
    """Remembers every checkpoint it cosigned for one log, on disk, before it answers.

    `frozen`: the size at which the log said it ends; nothing longer is cosigned.
    """

    def __init__(self, identity: Identity, log: NoteKey, folder: Path, frozen: int | None = None) -> None:
        self._identity, self.log, self.frozen = identity, log, frozen
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(folder / f"{hashlib.sha256(log.name.encode()).hexdigest()}.checkpoints")
        self._lock = threading.Lock()
        self._last = Checkpoint(log.name, 0, EMPTY_ROOT)
        if self._journal.last is not None:
            self._last = open_checkpoint(self._journal.last, log)

    @property
    def last_note(self) -> str | None:
        """The newest checkpoint cosigned, as it was given."""
        return self._journal.last

    @property
    def last(self) -> Checkpoint:
        """The newest checkpoint cosigned; the empty tree before the first."""
        return self._last

    def close(self) -> None:
        """Close its file."""
        self._journal.close()

    def add_checkpoint(self, request: Request) -> Answer:
        """Answer one request for this log: 200 with the cosignature, or 400, 403, 409, 422 (tlog-witness)."""
        try:
            head = open_checkpoint(request.note, self.log)
        except NoteError as error:
            return Answer(403, f"{error}\n")
        if request.old > head.size:
            return Answer(400, "old size above the checkpoint's\n")
        with self._lock:
            return self._decide(request, head)

    def _decide(self, request: Request, head: Checkpoint) -> Answer:
        last = self._last
        if request.old != last.size or (head.size == last.size and head.root != last.root):
            return Answer(409, f"{last.size}\n", "text/x.tlog.size")
        if not is_consistent(last.size, last.root, head.size, head.root, request.proof):
            return Answer(422, "the checkpoint does not extend what was cosigned before\n")
        if self.frozen is not None and head.size > self.frozen:
            return Answer(422, f"this log said that it ends at {self.frozen}\n")
        if head.size > last.size:
            self._journal.append(request.note)
            self._last = head
        line = cosign(head.body, self._identity.witness_name, self._identity.witness, int(time.time()))
        return Answer(200, line)
