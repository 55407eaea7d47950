"""The package under test and what the checks have learnt about it."""

import re
from collections.abc import Callable
from typing import Any, BinaryIO

from .container import Member, read_exactly
from .strict import require

ENVELOPE, ENTRY, PROOF = "evidence/manifest.dsse.json", "evidence/log.entry.json", "evidence/log.tlog-proof"
DATAPACKAGE, DIGEST = "datapackage.json", "datapackage-digest.json"
STAMP_PATH = re.compile(r"evidence/tst-(0|[1-9][0-9]?)\.tsr")
_SMALL_LIMIT = 1 << 24


class Package:
    """The file under test, the trust file, and what earlier steps found."""

    def __init__(self, reader: BinaryIO, length: int, trust: dict[str, Any]) -> None:
        self.reader, self.length, self.trust = reader, length, trust
        self.scanned: list[Member] = []
        self.members: list[Member] = []
        self.by_name: dict[str, Member] = {}
        self.sha256 = self.sm3 = ""
        self.envelope: dict[str, Any] = {}
        self.payload = b""
        self.manifest: dict[str, Any] = {}
        self.entry: dict[str, Any] = {}
        self.stamps: list[dict[str, Any]] = []
        self.proof: dict[str, Any] = {}

    def content(self, name: str) -> bytes:
        """The bytes of a small member. Raises Failed when it is missing or too large."""
        member = self.by_name.get(name)
        require(member is not None, f"{name} is missing")
        assert member is not None  # noqa: S101 - for the type checker; `require` raised already
        require(member.size <= _SMALL_LIMIT, f"{name} is too large")
        return read_exactly(self.reader, member.start, member.size)

    @property
    def predicate(self) -> dict[str, Any]:
        """The capture statement of the manifest."""
        return dict(self.manifest["predicate"])

    def stamp_names(self) -> list[str]:
        """The time stamp files, in order."""
        return [name for name in self.by_name if STAMP_PATH.fullmatch(name)]


Check = Callable[[Package], str]
"""A check: raises Failed, or says in a few words what it saw."""
