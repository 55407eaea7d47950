"""A valid evidence package, taken apart and put together again as a forger would."""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import rfc8785

from services.evidence.package.layout import Member, arrange
from services.evidence.verification.verifier import (
    read_trust,
    verify,
)
from tests.evidence_samples import (
    Signers,
    make_package,
)

ENVELOPE, ENTRY, PROOF, STAMP = (
    "evidence/manifest.dsse.json",
    "evidence/log.entry.json",
    "evidence/log.tlog-proof",
    "evidence/tst-0.tsr",
)


class Sample:
    """A valid package, its trust and ways to take it apart and put it together again."""

    def __init__(self) -> None:
        self.signers = Signers()
        self.bytes = make_package(self.signers)
        self.trust = self.trusted(self.signers.trust())
        with zipfile.ZipFile(io.BytesIO(self.bytes)) as package:
            self.files = {name: package.read(name) for name in package.namelist()}

    @staticmethod
    def trusted(document: dict[str, Any]) -> dict[str, Any]:
        return read_trust(json.dumps(document).encode())

    @staticmethod
    def order(names: Iterable[str]) -> list[str]:
        """Artefacts first, then proofs, each in byte order."""
        proof = re.compile(r"evidence/(manifest\.dsse\.json|redaction\.json|tst-.*|log\..*)")
        return sorted(names, key=lambda name: (proof.fullmatch(name) is not None, name))

    def pack(self, files: dict[str, bytes], *, descriptors: bool = True) -> bytes:
        """A package of these files in the permitted layout, with fitting descriptors (a careful forger's)."""
        own = {name: data for name, data in files.items() if not name.startswith("datapackage")}
        if descriptors:
            old = json.loads(files["datapackage.json"])
            old["resources"] = [
                {
                    "bytes": len(own[n]),
                    "hash": f"sha256:{hashlib.sha256(own[n]).hexdigest()}",
                    "name": n,
                    "path": n,
                }
                for n in self.order(own)
            ]
            document = rfc8785.dumps(old)
            digest = {"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": "datapackage.json"}
            files = {**own, "datapackage.json": document, "datapackage-digest.json": rfc8785.dumps(digest)}
        names = [
            *self.order(own),
            *(n for n in ("datapackage.json", "datapackage-digest.json") if n in files),
        ]
        return zip_of([(name, files[name]) for name in names])

    def failed(self, package: bytes, trust: dict[str, Any] | None = None) -> set[str]:
        """Codes of the failed checks; empty means VALID."""
        result = verify(io.BytesIO(package), trust or self.trust)
        codes = {check["code"] for check in result["checks"] if not check["ok"]}
        assert (result["verdict"] == "VALID") == (not codes)
        return codes


def zip_of(files: list[tuple[str, bytes]]) -> bytes:
    members = [Member(n, len(d), zlib.crc32(d), hashlib.sha256(d).hexdigest(), d) for n, d in files]
    return b"".join(part.data or b"" for part in arrange(members))


def regions(package: bytes) -> tuple[dict[str, range], list[int]]:
    """Positions of each member's bytes, and of all structural bytes."""
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        found = {}
        for item in opened.infolist():
            start = item.header_offset + 30 + len(item.filename)
            found[item.filename] = range(start, start + item.file_size)
    inside = {at for place in found.values() for at in place}
    return found, [at for at in range(len(package)) if at not in inside]


CONSISTENCY = "evidence/log.consistency.json"
CAREFUL = {
    ENVELOPE: {"envelope.form", "signature.worker", "signature.sealing", "log.entry", "manifest.form"},
    ENTRY: {"log.entry", "log.inclusion"},
    PROOF: {"log.checkpoint", "log.inclusion"},
    STAMP: {"timestamp.token", "log.entry"},
    CONSISTENCY: {"beacon.consistency"},
}
