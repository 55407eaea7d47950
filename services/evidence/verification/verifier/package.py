"""The package under test and what the checks have learnt about it."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes

from .container import Member, read_exactly
from .strict import require

ENVELOPE, ENTRY, PROOF = "evidence/manifest.dsse.json", "evidence/log.entry.json", "evidence/log.tlog-proof"
CONSISTENCY, REDACTION = "evidence/log.consistency.json", "evidence/redaction.json"
DATAPACKAGE, DIGEST = "datapackage.json", "datapackage-digest.json"
STAMP_PATH = re.compile(r"evidence/tst-(0|[1-9][0-9]?)\.tsr")
_SMALL_LIMIT = 1 << 24


class Package:
    """The file under test, the trust file, and what earlier steps found."""

    def __init__(self, reader: BinaryIO, length: int, trust: dict[str, Any]) -> None:
        self.reader, self.length, self.trust = reader, length, trust
        self.now = dt.datetime.now(dt.UTC)
        self.record: bytes | None = None
        self.scanned: list[Member] = []
        self.members: list[Member] = []
        self.by_name: dict[str, Member] = {}
        self.sha256 = self.sm3 = ""
        self.envelope: dict[str, Any] = {}
        self.payload = b""
        self.manifest: dict[str, Any] = {}
        self.predicate: dict[str, Any] = {}
        self.policy: dict[str, Any] = {}
        self.removed: list[str] = []
        self.entry: dict[str, Any] = {}
        self.stamps: list[dict[str, Any]] = []
        self.proof: dict[str, Any] = {}
        self.beacon: dict[str, Any] = {}

    def content(self, name: str) -> bytes:
        """The bytes of a small member. Raises Failed when it is missing or too large."""
        member = self.by_name.get(name)
        require(member is not None, f"{name} is missing")
        assert member is not None  # noqa: S101 - for the type checker; `require` raised already
        require(member.size <= _SMALL_LIMIT, f"{name} is too large")
        return read_exactly(self.reader, member.start, member.size)

    def digest(self, name: str) -> bytes:
        """A digest of the whole file: `sha256`, `sha384`, `sha512` or `sm3`."""
        if name == "sha256":
            return bytes.fromhex(self.sha256)
        known = {"sha384": hashes.SHA384(), "sha512": hashes.SHA512(), "sm3": hashes.SM3()}
        require(name in known, f"unknown digest {name!r}")
        context, left = hashes.Hash(known[name]), self.length
        self.reader.seek(0)
        while left > 0:
            block = self.reader.read(min(1 << 20, left))
            require(block, "file ends early")
            context.update(block)
            left -= len(block)
        return context.finalize()

    @property
    def redacted(self) -> bool:
        """Whether the package says of itself that artefacts were left out."""
        return REDACTION in self.by_name

    def stamp_names(self) -> list[str]:
        """The time stamp files, by number."""
        found = [name for name in self.by_name if STAMP_PATH.fullmatch(name)]
        return sorted(found, key=lambda name: int(name[13:-4]))


Check = Callable[[Package], str]
"""A check: raises Failed, or says in a few words what it saw."""
