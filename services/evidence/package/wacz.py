"""The WACZ 1.1.1 package of a sealed capture: which files, in which order, with which descriptors."""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from services.common.canonical import canonical
from services.evidence.package.layout import Member, Part, arrange

ENVELOPE = "evidence/manifest.dsse.json"
ENTRY = "evidence/log.entry.json"
CONSISTENCY = "evidence/log.consistency.json"
PROOF = "evidence/log.tlog-proof"
REDACTION = "evidence/redaction.json"
SOFTWARE = "wangjian evidence package v2"


def stamp_path(position: int) -> str:
    """Where the time stamp of that position lies."""
    return f"evidence/tst-{position}.tsr"


def batch_path(position: int) -> str:
    """Where the way from the item to the root of a stamped batch lies, if that stamp was made in a batch."""
    return f"evidence/tst-{position}.path.json"


def small_member(path: str, data: bytes) -> Member:
    """A file whose bytes are at hand."""
    return Member(path, len(data), zlib.crc32(data), hashlib.sha256(data).hexdigest(), data)


def build(predicate: Mapping[str, Any], artefacts: list[Member], proofs: Mapping[str, bytes]) -> list[Part]:
    """The package's parts.

    predicate: of the manifest; artefacts: as stored; proofs: envelope, entry, log proofs and stamps by path.
    Artefacts in byte order of their paths, then the proofs likewise, then datapackage.json and its digest.
    """
    members = [
        *sorted(artefacts, key=_path),
        *sorted((small_member(path, data) for path, data in proofs.items()), key=_path),
    ]
    document = _datapackage(predicate, members)
    digest = {"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": "datapackage.json"}
    descriptors = [
        small_member("datapackage.json", document),
        small_member("datapackage-digest.json", canonical(digest)),
    ]
    return arrange([*members, *descriptors])


def _path(member: Member) -> str:
    return member.path


def _datapackage(predicate: Mapping[str, Any], members: list[Member]) -> bytes:
    """datapackage.json; WACZ 1.1.1 asks `name` to be a unique lower-case slug: the path is one."""
    target, times = predicate["target"], predicate["times"]
    page = str(target.get("final_url") or target.get("requested_url") or "")
    return canonical(
        {
            "created": times["end"],
            "mainPageDate": times["start"],
            "mainPageUrl": page,
            "profile": "data-package",
            "resources": [
                {"bytes": m.size, "hash": f"sha256:{m.sha256}", "name": m.path, "path": m.path}
                for m in members
            ],
            "software": SOFTWARE,
            "title": str(target.get("title") or page),
            "wacz_version": "1.1.1",
        }
    )
