"""Checks of the container, the artefacts and the WACZ descriptors."""

import hashlib
from typing import Any

from .container import Member, read_members
from .manifest import ARTEFACT_PATH, RESERVED
from .package import (
    CONSISTENCY,
    DATAPACKAGE,
    DIGEST,
    ENTRY,
    ENVELOPE,
    PROOF,
    REDACTION,
    Package,
)
from .strict import canonical, require, same_json, strict_json

REQUIRED = ("archive/data.warc.gz", "indexes/index.cdxj", "pages/pages.jsonl")


def check_structure(package: Package) -> str:
    """Every structural byte of the ZIP is the one the layout prescribes."""
    members = read_members(package.reader, package.length)
    same = len(members) == len(package.scanned) and all(map(Member.same, members, package.scanned))
    require(same, "the files that were digested are not those of the central directory")
    package.members = package.scanned
    return f"{len(package.members)} files, {package.length} bytes"


def check_members(package: Package) -> str:
    """Names are safe, unique, in order; every proof has its place and nothing else is there."""
    names = [member.name for member in package.members]
    require(len({name.casefold() for name in names}) == len(names), "two files with one name")
    for name in names:
        safe = name in (DATAPACKAGE, DIGEST) or ARTEFACT_PATH.fullmatch(name)
        require(safe and ".." not in name, f"name not permitted: {name!r}")
    require(names[-2:] == [DATAPACKAGE, DIGEST], "datapackage.json and its digest must stand last")
    in_order = sorted(names[:-2], key=lambda name: (RESERVED.fullmatch(name) is not None, name))
    require(names[:-2] == in_order, "files not in order: artefacts, then proofs")
    package.by_name = {member.name: member for member in package.members}
    for name in (ENVELOPE, ENTRY, CONSISTENCY, PROOF, *(() if package.redacted else REQUIRED)):
        require(name in package.by_name, f"{name} is missing")
    stamps = package.stamp_names()
    require(stamps, "no time stamp")
    require(stamps == [f"evidence/tst-{n}.tsr" for n in range(len(stamps))], "time stamps not numbered 0…n")
    known = {ENVELOPE, ENTRY, CONSISTENCY, PROOF, REDACTION, *stamps, *map(batch_path_name, stamps)}
    unknown = [name for name in names if RESERVED.fullmatch(name) and name not in known]
    require(not unknown, f"a proof nobody asks for: {unknown}")
    return f"{len(names)} names"


def batch_path_name(stamp: str) -> str:
    """Where the batch path of a time stamp lies, if it was stamped in a batch."""
    return stamp.removesuffix(".tsr") + ".path.json"


def check_crc(package: Package) -> str:
    """The CRC-32 of every file agrees with its header."""
    require(package.members, "no files could be read")
    for member in package.members:
        require(member.seen_crc == member.crc, f"CRC of {member.name} differs")
    return f"{len(package.members)} files"


def check_artefact_set(package: Package) -> str:
    """Statement, manifest list and files name exactly the same artefacts, but for those a redaction names."""
    listed = package.predicate["artifacts"]
    subject = [{"digest": {"sha256": a["sha256"], "sm3": a["sm3"]}, "name": a["path"]} for a in listed]
    require(package.manifest["subject"] == subject, "the subjects differ from the artefact list")
    paths = [item["path"] for item in listed]
    package.removed = _removed(package, paths)
    own = (DATAPACKAGE, DIGEST)
    present = [name for name in package.by_name if name not in own and not RESERVED.fullmatch(name)]
    expected = [path for path in paths if path not in package.removed]
    require(present == expected, "files and manifest do not name the same artefacts")
    return f"{len(present)} artefacts, {len(package.removed)} left out"


def _removed(package: Package, paths: list[str]) -> list[str]:
    """The artefacts a redacted copy says it leaves out: at least one, in order, each of the manifest."""
    if not package.redacted:
        return []
    document = strict_json(package.content(REDACTION))
    removed = document["removed"]
    as_given = same_json(document, {"removed": removed, "v": 1})
    require(as_given and isinstance(removed, list), "malformed redaction")
    in_order = [path for path in paths if path in removed]
    require(removed and removed == in_order, "the redaction is not of this manifest")
    return in_order


def _check_artefacts(package: Package, field: str) -> str:
    here = [item for item in package.predicate["artifacts"] if item["path"] not in package.removed]
    for item in here:
        member = package.by_name[item["path"]]
        found = member.size if field == "bytes" else getattr(member, field)
        require(found == item[field], f"{item['path']}: {field} differs from the manifest")
    return f"{len(here)} artefacts"


def check_sizes(package: Package) -> str:
    """Every artefact has the size the manifest states."""
    return _check_artefacts(package, "bytes")


def check_sha256(package: Package) -> str:
    """Every artefact has the SHA-256 the manifest states."""
    return _check_artefacts(package, "sha256")


def check_sm3(package: Package) -> str:
    """Every artefact has the SM3 (GB/T 32905) the manifest states."""
    return _check_artefacts(package, "sm3")


def check_datapackage(package: Package) -> str:
    """Both WACZ descriptor files are byte for byte what the other files make them."""
    target, times = package.predicate["target"], package.predicate["times"]
    listed = [member for member in package.members if member.name not in (DATAPACKAGE, DIGEST)]
    expected = datapackage(target, times, [(m.name, m.size, m.sha256) for m in listed])
    require(package.content(DATAPACKAGE) == expected, "datapackage.json differs from the files")
    require(package.content(DIGEST) == datapackage_digest(expected), "datapackage-digest.json differs")
    return f"{len(listed)} resources"


def datapackage(target: dict[str, Any], times: dict[str, Any], files: list[tuple[str, int, str]]) -> bytes:
    """datapackage.json (WACZ 1.1.1 §5) of files given as (path, bytes, SHA-256)."""
    page = str(target.get("final_url") or target.get("requested_url") or "")
    resources = [
        {"bytes": size, "hash": f"sha256:{sha256}", "name": name, "path": name}
        for name, size, sha256 in files
    ]
    document = {
        "created": times["end"],
        "mainPageDate": times["start"],
        "mainPageUrl": page,
        "profile": "data-package",
        "resources": resources,
        "software": "wangjian evidence package v2",
        "title": str(target.get("title") or page),
        "wacz_version": "1.1.1",
    }
    return canonical(document)


def datapackage_digest(document: bytes) -> bytes:
    """datapackage-digest.json of a datapackage.json."""
    return canonical({"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": DATAPACKAGE})
