"""An honest deployment (two suites, two authorities, two witnesses), and ways to tamper with what it made."""

import base64
import dataclasses
import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from functools import cached_property
from typing import Any

import rfc8785

from services.common.dsse import Envelope
from services.evidence.disclosures.rules import disclosure
from services.evidence.log.merkle import leaf_hash
from services.evidence.verification.verifier import (
    read_trust,
    verify,
    verify_custody,
    verify_disclosure,
)
from tests.evidence_forger import CONSISTENCY, ENTRY, ENVELOPE, PROOF, Sample
from tests.evidence_samples import (
    EVIDENCE_ID,
    Log,
    Signers,
    artefact_entries,
    artefact_tree,
    make_statement,
    pack,
    sample_artefacts,
    stamp,
)

Json = dict[str, Any]
Files = dict[str, bytes]
__all__ = ["CONSISTENCY", "ENTRY", "ENVELOPE", "PROOF", "Attempt", "Case", "World"]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What is put before the verifier. kind: package, disclosure or custody; file: the disclosed one."""

    data: bytes
    trust: Json | None = None
    kind: str = "package"
    file: bytes | None = None
    record: bytes | None = None
    now: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """One tampering.

    code: the check that must fail; peer: whose known bug it is, if anyone's; steady: whether the same checks
    fail for the same reasons in every deployment (a flipped byte in a random text may hit anything).
    """

    group: str
    name: str
    code: str
    make: Callable[["World"], Attempt]
    peer: str = ""
    steady: bool = True


class World:
    """The deployment and its honest package."""

    def __init__(self, algorithms: tuple[str, ...] = ("ed25519", "sm2-sm3"), operators: int = 2) -> None:
        self.signers = Signers(algorithms, operators)
        self.artefacts = sample_artefacts()
        self.package = self.seal(self.statement)
        self.files = self.unzip(self.package)

    def document(self) -> Json:
        """The trust file's JSON values: both operators of each kind are required."""
        document = self.signers.trust()
        document["policies"][0] |= {
            "tsa_quorum": len(self.signers.tsas),
            "witness_quorum": len(self.signers.witnesses),
        }
        return document

    @cached_property
    def trust(self) -> Json:
        """The trust file as the verifier holds it."""
        return read_trust(json.dumps(self.document()).encode())

    @cached_property
    def _statement(self) -> Json:
        entries, log = artefact_entries(self.artefacts), Log(self.signers)
        keyids = [signer.keyid for signer in self.signers.workers]
        beacon = log.checkpoint(cosigned=False)
        return make_statement(EVIDENCE_ID, entries, beacon, keyids, policy_id=self.signers.policy)

    @property
    def statement(self) -> Json:
        """The honest manifest, a fresh copy."""
        copied: Json = json.loads(json.dumps(self._statement))
        return copied

    @staticmethod
    def unzip(package: bytes) -> Files:
        """Files of a package by path."""
        with zipfile.ZipFile(io.BytesIO(package)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}

    def seal(
        self,
        statement: Json,
        *,
        payload: bytes | None = None,
        envelope: Envelope | None = None,
        stamps: Callable[[Envelope], Files] | None = None,
        log: Log | None = None,
        artefacts: Files | None = None,
    ) -> bytes:
        """A package around this statement, sealed with all keys: what an insider can make."""
        envelope = envelope or self.signers.sign(payload or rfc8785.dumps(statement))
        made = (stamps or self.stamps)(envelope)
        files = self.artefacts if artefacts is None else artefacts
        parts = pack(log or Log(self.signers), statement, envelope, files, made)
        return b"".join(part.data or b"" for part in parts)

    def stamps(self, envelope: Envelope) -> Files:
        """An honest time stamp of each authority."""
        return {f"evidence/tst-{n}.tsr": stamp(tsa, envelope) for n, tsa in enumerate(self.signers.tsas)}

    def attempt(self) -> Attempt:
        """The honest package."""
        return Attempt(self.package)

    def insider(self, change: Callable[[Json, Json], object], *, root: bool = True) -> Attempt:
        """The manifest changed by somebody with all keys. change(predicate, statement); root: repaired."""
        statement = self.statement
        change(statement["predicate"], statement)
        if root:
            tree = artefact_tree(statement["predicate"]["artifacts"])
            statement["predicate"]["merkle"]["root"] = tree.root().hex()
        return Attempt(self.seal(statement))

    def careful(self, changes: dict[str, bytes | None]) -> Attempt:
        """Files replaced, added or (None) left out, and everything of the container repaired."""
        files = {**self.files, **changes}
        return Attempt(self.repack({name: data for name, data in files.items() if data is not None}))

    def repack(self, files: Files) -> bytes:
        """A package of these files with fitting descriptors."""
        return Sample.pack(self, files)  # type: ignore[arg-type]

    order = staticmethod(Sample.order)

    def text(self, name: str, change: Callable[[str], str]) -> Attempt:
        """A text file changed."""
        return self.careful({name: change(self.files[name].decode()).encode()})

    def json(self, name: str, change: Callable[[Any], object]) -> Attempt:
        """A JSON file changed and written in its canonical form again."""
        document = json.loads(self.files[name])
        change(document)
        return self.careful({name: rfc8785.dumps(document)})

    def trusting(self, change: Callable[[Json], object], data: bytes | None = None) -> Attempt:
        """The honest package under another trust file."""
        document = self.document()
        change(document)
        trust = read_trust(json.dumps(document).encode())
        return Attempt(self.package if data is None else data, trust)

    # --- copies that say less -----------------------------------------------------------------------------

    def redacted(self, removed: list[str], listed: Any = None) -> Attempt:
        """A redacted copy; listed: what its redaction.json says, if not the truth."""
        files = {name: data for name, data in self.files.items() if name not in removed}
        said = {"removed": sorted(removed) if listed is None else listed, "v": 1}
        return Attempt(self.repack({**files, "evidence/redaction.json": rfc8785.dumps(said)}))

    def disclosed(self, path: str, change: Callable[[Json], object] = lambda d: None) -> Attempt:
        """One artefact with its proof."""
        entry, proof = self.files[ENTRY], self.files[PROOF].decode()
        document = json.loads(disclosure(self.statement["predicate"], path, entry, proof))
        change(document)
        return Attempt(rfc8785.dumps(document), kind="disclosure", file=self.artefacts[path])

    def custody(self, change: Callable[[Json], object] = lambda d: None) -> Attempt:
        """The proof of one custody event."""
        event = rfc8785.dumps({"at": "2026-11-21T09:00:00Z", "event": "viewed", "salt": "00" * 16, "seq": 9})
        entry = rfc8785.dumps({"event_sha256": hashlib.sha256(event).hexdigest(), "kind": "custody", "v": 1})
        document = {
            "schema": "urn:wangjian:custody-proof:v1",
            "document": base64.b64encode(event).decode(),
            "entry": base64.b64encode(entry).decode(),
            "proof": Log(self.signers).append(entry),
        }
        change(document)
        return Attempt(rfc8785.dumps(document), kind="custody")

    # --- judging ------------------------------------------------------------------------------------------

    def report(self, attempt: Attempt) -> Json:
        """The verifier's report."""
        trust = attempt.trust or self.trust
        if attempt.kind == "custody":
            return verify_custody(attempt.data, trust)
        if attempt.kind == "disclosure":
            file = None if attempt.file is None else io.BytesIO(attempt.file)
            return verify_disclosure(attempt.data, file, trust)
        return verify(io.BytesIO(attempt.data), trust, record=attempt.record, now=attempt.now)

    def leaves(self, *entries: bytes) -> Log:
        """A log of this deployment with these leaves only."""
        log = Log(self.signers)
        log.tree.truncate(0)
        for entry in entries:
            log.tree.append(leaf_hash(entry))
        return log
