"""Checks of container, envelope, manifest, artefacts and WACZ descriptors."""

import base64
import hashlib
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .container import Member, read_members
from .package import DATAPACKAGE, DIGEST, ENTRY, ENVELOPE, PROOF, Package
from .strict import Failed, canonical, require, strict_json, unbase64

ARTEFACT_PATH = re.compile(r"(archive|indexes|pages|evidence)/[a-z0-9][a-z0-9._-]{0,99}")
RESERVED_PATH = re.compile(r"evidence/(manifest\.dsse\.json|redaction\.json|tst-.*|log\..*)")
REQUIRED = ("archive/data.warc.gz", "indexes/index.cdxj", "pages/pages.jsonl")
PREDICATE = (
    "schema evidence_id target operator times network environment method completeness"
    " artifacts key_ids policy_id"
)
ARTEFACT = "path role media_type bytes sha256 sm3 created derived_from"
OUTCOMES = ("COMPLETE", "PARTIAL", "BLOCKED", "FAILED")


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
    in_order = sorted(names[:-2], key=lambda name: (RESERVED_PATH.fullmatch(name) is not None, name))
    require(names[:-2] == in_order, "files not in order: artefacts, then proofs")
    package.by_name = {member.name: member for member in package.members}
    for name in (ENVELOPE, ENTRY, PROOF, *REQUIRED):
        require(name in package.by_name, f"{name} is missing")
    stamps = package.stamp_names()
    require(stamps, "no time stamp")
    require(
        set(stamps) == {f"evidence/tst-{n}.tsr" for n in range(len(stamps))}, "time stamps not numbered 0…n"
    )
    return f"{len(names)} names"


def check_crc(package: Package) -> str:
    """The CRC-32 of every file agrees with its header."""
    for member in package.members:
        require(member.seen_crc == member.crc, f"CRC of {member.name} differs")
    return f"{len(package.members)} files"


def signed_message(payload_type: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def check_envelope(package: Package) -> str:
    """The DSSE envelope is canonical and carries exactly two signatures."""
    envelope = strict_json(package.content(ENVELOPE))
    require(
        isinstance(envelope, dict) and set(envelope) == {"payload", "payloadType", "signatures"}, "not DSSE"
    )
    require(envelope["payloadType"] == "application/vnd.in-toto+json", "wrong payload type")
    signatures = envelope["signatures"]
    require(isinstance(signatures, list) and len(signatures) == 2, "exactly two signatures are required")
    for item in signatures:
        require(isinstance(item, dict) and set(item) == {"keyid", "sig"}, "malformed signature")
    require(signatures[0]["keyid"] != signatures[1]["keyid"], "both signatures are of one key")
    package.payload, package.envelope = unbase64(envelope["payload"], "payload"), envelope
    return "2 signatures"


def _check_signature(package: Package, position: int, keys: str) -> str:
    item = package.envelope["signatures"][position]
    known = {key["keyid"]: key for key in package.trust[keys]}
    require(item["keyid"] in known, f"key {str(item['keyid'])[:16]}… is not among the trusted {keys}")
    message = signed_message(package.envelope["payloadType"], package.payload)
    public = load_der_public_key(base64.b64decode(known[item["keyid"]]["public_key"]))
    assert isinstance(public, Ed25519PublicKey)  # noqa: S101 - established by read_trust
    try:
        public.verify(unbase64(item["sig"], "signature"), message)
    except InvalidSignature as error:
        raise Failed("the signature does not fit the manifest") from error
    return f"{item['keyid'][:16]}…"


def check_worker_signature(package: Package) -> str:
    """The first signature is a trusted capture worker's."""
    return _check_signature(package, 0, "worker_keys")


def check_sealing_signature(package: Package) -> str:
    """The second signature is a trusted sealing service's."""
    return _check_signature(package, 1, "sealing_keys")


def check_manifest(package: Package) -> str:
    """The manifest is a canonical in-toto statement with every required field."""
    package.manifest = parse_manifest(package.payload)
    require(package.predicate["policy_id"] == package.trust["policy"]["id"], "made under another policy")
    worker = package.envelope["signatures"][0]["keyid"]
    require(worker in package.predicate["key_ids"], "the signing worker key is not named in the manifest")
    return str(package.predicate["evidence_id"])


def parse_manifest(payload: bytes) -> dict[str, Any]:
    """The statement in a manifest payload, its shape checked. Raises Failed."""
    statement: dict[str, Any] = strict_json(payload)
    require(isinstance(statement, dict), "not an object")
    require(set(statement) == {"_type", "predicate", "predicateType", "subject"}, "not an in-toto statement")
    require(statement["_type"] == "https://in-toto.io/Statement/v1", "unknown statement type")
    require(statement["predicateType"] == "urn:wangjian:capture:v1", "unknown predicate type")
    predicate = statement["predicate"]
    require(isinstance(predicate, dict), "predicate is not an object")
    missing = set(PREDICATE.split()) - set(predicate)
    require(not missing, f"predicate lacks {', '.join(sorted(missing))}")
    require(predicate["schema"] == "urn:wangjian:capture:v1", "unknown schema")
    require(isinstance(predicate["evidence_id"], str), "evidence_id is not text")
    require(predicate["completeness"].get("state") in OUTCOMES, "unknown completeness state")
    require(isinstance(predicate["key_ids"], list), "key_ids is not a list")
    for name in ("times", "target", "operator"):
        require(isinstance(predicate[name], dict), f"{name} is not an object")
    require({"beacon_checkpoint", "start", "end", "clock"} <= set(predicate["times"]), "times are incomplete")
    for item in predicate["artifacts"]:
        require(set(ARTEFACT.split()) <= set(item), "artefact entry is incomplete")
    return statement


def check_artefact_set(package: Package) -> str:
    """Statement, manifest list and files name exactly the same artefacts."""
    listed = package.predicate["artifacts"]
    subject = [{"digest": {"sha256": a["sha256"], "sm3": a["sm3"]}, "name": a["path"]} for a in listed]
    require(package.manifest["subject"] == subject, "the subjects differ from the artefact list")
    own = {ENVELOPE, ENTRY, PROOF, DATAPACKAGE, DIGEST, *package.stamp_names()}
    present = [name for name in package.by_name if name not in own]
    require([a["path"] for a in listed] == present, "files and manifest do not name the same artefacts")
    return f"{len(listed)} artefacts"


def _check_artefacts(package: Package, field: str) -> str:
    for item in package.predicate["artifacts"]:
        member = package.by_name[item["path"]]
        found = member.size if field == "bytes" else getattr(member, field)
        require(found == item[field], f"{item['path']}: {field} differs from the manifest")
    return f"{len(package.predicate['artifacts'])} artefacts"


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
        "software": "wangjian evidence package v1",
        "title": str(target.get("title") or page),
        "wacz_version": "1.1.1",
    }
    return canonical(document)


def datapackage_digest(document: bytes) -> bytes:
    """datapackage-digest.json of a datapackage.json."""
    return canonical({"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": DATAPACKAGE})
