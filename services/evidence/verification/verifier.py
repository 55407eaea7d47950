"""The offline verifier of Wangjian evidence packages: one module, standard library and `cryptography` only.

It opens no network connection and no database, and trusts nothing from the package itself: every key and
certificate comes from the trust file of whoever runs it. Absence is failure. A package is VALID only when
all checks in STEPS pass; each has a stable code. Formats: ZIP (APPNOTE 6.3.10), WACZ 1.1.1, in-toto
Statement v1 in RFC 8785 JSON inside DSSE v1, RFC 3161 tokens, RFC 6962 tree with C2SP notes and proofs.
How to read it: `verify` runs STEPS in order over a `Package`; each step raises `Failed` or says what it saw.
"""

import base64
import binascii
import datetime as dt
import hashlib
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

ENVELOPE, ENTRY, PROOF = "evidence/manifest.dsse.json", "evidence/log.entry.json", "evidence/log.tlog-proof"
DATAPACKAGE, DIGEST = "datapackage.json", "datapackage-digest.json"
ARTEFACT_PATH = re.compile(r"(archive|indexes|pages|evidence)/[a-z0-9][a-z0-9._-]{0,99}")
STAMP_PATH = re.compile(r"evidence/tst-(0|[1-9][0-9]?)\.tsr")
REQUIRED = ("archive/data.warc.gz", "indexes/index.cdxj", "pages/pages.jsonl")
PREDICATE = (
    "schema evidence_id target operator times network environment method completeness"
    " artifacts key_ids policy_id"
)
ARTEFACT = "path role media_type bytes sha256 sm3 created derived_from"
OUTCOMES = ("COMPLETE", "PARTIAL", "BLOCKED", "FAILED")
STAMP_HEADER = "wangjian:dsse-signatures:v1\n"
_BLOCK, _SMALL_LIMIT = 1 << 20, 1 << 24


class Failed(Exception):
    """A check did not pass; the message says why."""


class Unreadable(Exception):
    """There is nothing to check: no package, or no usable trust file. `zh` and `en` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def require(condition: object, reason: str) -> None:
    """Raise Failed with `reason` unless the condition holds."""
    if not condition:
        raise Failed(reason)


# --- JSON: strict reading, RFC 8785 writing ---------------------------------------------------------------


def strict_json(data: bytes) -> Any:
    """Parse JSON, refusing duplicate keys, NaN and anything that is not its own RFC 8785 form."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        require(len({key for key, _ in pairs}) == len(pairs), "duplicate JSON key")
        return dict(pairs)

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise Failed(f"not JSON: {error}") from error
    require(same, "not in canonical form (RFC 8785)")
    return value


def canonical(value: Any) -> bytes:
    """RFC 8785 form of a JSON value."""
    return _write(value).encode("utf-8")


def _write(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_write(key)}:{_write(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item) for item in value) + "]"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and abs(value) >= 1 << 53:
        raise ValueError("integer out of range")
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMAScript's Number-to-string, which RFC 8785 §3.2.2.3 asks for."""
    if not math.isfinite(value):
        raise ValueError("not a JSON number")
    _, parts, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits, prefix = "".join(map(str, parts)), "-" if value < 0 else ""
    point = len(digits) + int(exponent)
    if value == 0:
        return "0"
    if len(digits) <= point <= 21:
        return prefix + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{prefix}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{prefix}0.{'0' * -point}{digits}"
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{prefix}{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def unbase64(text: Any, what: str) -> bytes:
    """Decode base64 that is in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Failed(f"{what}: not base64") from error
    require(base64.b64encode(data).decode() == text, f"{what}: base64 not in canonical form")
    return data


def moment(text: Any) -> dt.datetime:
    """An RFC 3339 time in UTC."""
    require(isinstance(text, str) and text.endswith("Z"), f"not a UTC time: {text!r}")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Failed(f"not a time: {text!r}") from error


# --- ZIP: one permitted byte layout -----------------------------------------------------------------------

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")


class Member:
    """One file in the package: its name, CRC-32, length and where its bytes lie."""

    def __init__(self, name: str, crc: int, size: int, start: int) -> None:
        self.name, self.crc, self.size, self.start = name, crc, size, start
        self.sha256 = self.sm3 = ""
        self.seen_crc = -1


def local_header(name: bytes, crc: int, size: int) -> bytes:
    """The only permitted local header: stored, no flags, 1980-01-01 00:00, no extra field."""
    return _LOCAL.pack(0x04034B50, 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0) + name


def central_header(name: bytes, crc: int, size: int, offset: int) -> bytes:
    """The only permitted central directory entry."""
    fields = (0x02014B50, 10, 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0, 0, 0, 0, 0, offset)
    return _CENTRAL.pack(*fields) + name


def end_record(count: int, size: int, offset: int) -> bytes:
    """The only permitted end record: one disk, no comment."""
    return _END.pack(0x06054B50, 0, 0, count, count, size, offset, 0)


def read_members(reader: BinaryIO, length: int) -> list[Member]:
    """The members of a ZIP that is byte for byte in the permitted layout, else Failed."""
    require(length >= _END.size, "too short for a ZIP")
    end = _read(reader, length - _END.size, _END.size)
    _, _, _, _, count, size, offset, _ = _END.unpack(end)
    require(end == end_record(count, size, offset), "end record not in the permitted form")
    require(offset + size + _END.size == length, "bytes before, between or after the ZIP's parts")
    directory, members, at, position = _read(reader, offset, size), [], 0, 0
    for _ in range(count):
        require(at + _CENTRAL.size <= size, "central directory too short")
        fields = _CENTRAL.unpack_from(directory, at)
        crc, stored, name_length = fields[7], fields[9], fields[10]
        name = directory[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        entry = central_header(name, crc, stored, position)
        require(directory[at : at + len(entry)] == entry, "central directory entry not in the permitted form")
        header = local_header(name, crc, stored)
        require(_read(reader, position, len(header)) == header, f"local header of {name!r} differs")
        members.append(Member(name.decode("latin-1"), crc, stored, position + len(header)))
        at, position = at + len(entry), position + len(header) + stored
    require(at == size and position == offset, "central directory does not match the files")
    return members


def _read(reader: BinaryIO, start: int, count: int) -> bytes:
    require(start >= 0 and count >= 0, "negative length")
    reader.seek(start)
    data = reader.read(count)
    require(len(data) == count, "file ends early")
    return data


# --- one pass over the bytes: all digests at once ---------------------------------------------------------


class Digests:
    """SHA-256, SM3 (when wanted) and CRC-32 of a run of bytes."""

    def __init__(self, *, with_sm3: bool = True) -> None:
        self._sha256, self.crc = hashlib.sha256(), 0
        self._sm3 = hashes.Hash(hashes.SM3()) if with_sm3 else None

    def parts(self) -> list[Callable[[bytes], None]]:
        """The updates; they may run in parallel, because hashing releases the interpreter lock."""
        return [self._sm3.update, self._fast] if self._sm3 else [self._fast]

    def _fast(self, block: bytes) -> None:
        self._sha256.update(block)
        self.crc = zlib.crc32(block, self.crc)

    def finish(self) -> tuple[str, str]:
        """(SHA-256, SM3) as lowercase hex."""
        return self._sha256.hexdigest(), self._sm3.finalize().hex() if self._sm3 else ""


def digest_package(
    reader: BinaryIO, length: int, members: list[Member], *, package_sm3: bool
) -> tuple[str, str]:
    """Digest the file and each member in one pass, in constant memory; gives the file's (SHA-256, SM3)."""
    whole = Digests(with_sm3=package_sm3)
    with ThreadPoolExecutor(4) as pool:
        at = 0
        for member in members:
            _feed(reader, at, member.start, [whole], pool)
            single = Digests()
            at = member.start + member.size
            _feed(reader, member.start, at, [whole, single], pool)
            member.seen_crc = single.crc
            member.sha256, member.sm3 = single.finish()
        _feed(reader, at, length, [whole], pool)
    return whole.finish()


def _feed(reader: BinaryIO, start: int, end: int, into: list[Digests], pool: ThreadPoolExecutor) -> None:
    reader.seek(start)
    updates = [update for digests in into for update in digests.parts()]
    while start < end:
        block = reader.read(min(_BLOCK, end - start))
        if not block:
            raise Unreadable("文件在读取过程中变短", "the file became shorter while it was read")
        start += len(block)
        if len(block) < _BLOCK // 8:
            for update in updates:
                update(block)
        else:
            list(pool.map(lambda update, data=block: update(data), updates))


# --- the package and what was learnt about it -------------------------------------------------------------


class Package:
    """The file under test, the trust file, and what earlier steps found."""

    def __init__(self, reader: BinaryIO, length: int, trust: dict[str, Any]) -> None:
        self.reader, self.length, self.trust = reader, length, trust
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
        return _read(self.reader, member.start, member.size)

    @property
    def predicate(self) -> dict[str, Any]:
        """The capture statement of the manifest."""
        return dict(self.manifest["predicate"])

    def stamp_names(self) -> list[str]:
        """The time stamp files, in order."""
        return [name for name in self.by_name if STAMP_PATH.fullmatch(name)]


def check_structure(package: Package) -> str:
    """Every structural byte of the ZIP is the one the layout prescribes."""
    package.members = read_members(package.reader, package.length)
    return f"{len(package.members)} files, {package.length} bytes"


def check_members(package: Package) -> str:
    """Names are safe, unique, in order; every proof has its place and nothing else is there."""
    names = [member.name for member in package.members]
    require(len({name.casefold() for name in names}) == len(names), "two files with one name")
    for name in names:
        safe = name in (DATAPACKAGE, DIGEST) or ARTEFACT_PATH.fullmatch(name)
        require(safe and ".." not in name, f"name not permitted: {name!r}")
    require(names[-2:] == [DATAPACKAGE, DIGEST], "datapackage.json and its digest must stand last")
    require(names[:-2] == sorted(names[:-2]), "files not in order")
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


# --- RFC 3161 time stamps ---------------------------------------------------------------------------------

_OID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_OID_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_OID_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_OID_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_OID_SIGNING_CERT_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_GRANTED = bytes.fromhex("3003020100")
_NULL = "0500"
# AlgorithmIdentifier → hash; RFC 5754 allows SHA-2 with and without the NULL parameter.
_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex(f"30{length}0609608648016503040{code}{null}"): algorithm
    for code, algorithm in (("201", hashes.SHA256()), ("202", hashes.SHA384()), ("203", hashes.SHA512()))
    for length, null in (("0b", ""), ("0d", _NULL))
}
_ECDSA: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("300a06082a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("300a06082a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("300a06082a8648ce3d040304"): hashes.SHA512(),
}
_RSA: dict[bytes, hashes.HashAlgorithm | None] = {
    bytes.fromhex("300d06092a864886f70d0101010500"): None,  # rsaEncryption: the hash is the digest algorithm
    bytes.fromhex("300d06092a864886f70d01010b0500"): hashes.SHA256(),
    bytes.fromhex("300d06092a864886f70d01010c0500"): hashes.SHA384(),
    bytes.fromhex("300d06092a864886f70d01010d0500"): hashes.SHA512(),
}


class Der:
    """One DER element: its tag byte, content and complete encoding; padded or open lengths are refused."""

    def __init__(self, tag: int, content: bytes, raw: bytes) -> None:
        self.tag, self.content, self.raw = tag, content, raw

    def children(self, *tags: int) -> list["Der"]:
        """The elements inside; with `tags`, exactly these in this order."""
        found = list(_der_elements(self.content))
        require(
            not tags or [item.tag for item in found] == list(tags), "unexpected element in the time stamp"
        )
        return found


def _der_elements(data: bytes) -> Iterator[Der]:
    at = 0
    while at < len(data):
        require(at + 2 <= len(data) and data[at] & 0x1F != 0x1F, "time stamp: broken DER")
        tag, size, start = data[at], data[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
            shortest = size.bit_length() > 7 and width == (size.bit_length() + 7) // 8
            require(0 < width <= 4 and shortest, "time stamp: length not in DER")
        require(start + size <= len(data), "time stamp: element too long")
        yield Der(tag, data[start : start + size], data[at : start + size])
        at = start + size


def _single(data: bytes) -> Der:
    found = list(_der_elements(data))
    require(len(found) == 1, "time stamp: more than one element")
    return found[0]


def stamped_message(signatures: list[dict[str, str]]) -> bytes:
    """What is stamped: a header line, then a line `<keyid> <base64 signature>` each, in envelope order."""
    return (STAMP_HEADER + "".join(f"{s['keyid']} {s['sig']}\n" for s in signatures)).encode()


def check_stamps(package: Package) -> str:
    """Every time stamp is a granted RFC 3161 response of a pinned authority over the two signatures."""
    message = stamped_message(package.envelope["signatures"])
    for name in package.stamp_names():
        package.stamps.append(verify_stamp(package.content(name), message, package.trust["tsas"]))
    return ", ".join(f"{s['operator']} {s['time'].isoformat()}" for s in package.stamps)


def verify_stamp(response: bytes, message: bytes, authorities: list[dict[str, Any]]) -> dict[str, Any]:
    """Check a DER TimeStampResp over `message`; gives {operator, time, policy, serial}. Raises Failed."""
    status, token = _single(response).children(0x30, 0x30)
    require(status.raw == _GRANTED, "time stamp not granted")
    kind, explicit = token.children(0x06, 0xA0)
    require(kind.raw == _OID_SIGNED_DATA, "time stamp is not signed data")
    (signed,) = explicit.children(0x30)
    parts = signed.children()
    tags = [part.tag for part in parts]
    require(tags in ([2, 0x31, 0x30, 0xA0, 0x31], [2, 0x31, 0x30, 0x31]), "time stamp: unexpected parts")
    require(parts[0].content == b"\x03", "time stamp: unexpected version")
    content_type, wrapped = parts[2].children(0x06, 0xA0)
    require(content_type.raw == _OID_TST_INFO, "time stamp carries other content")
    (octets,) = wrapped.children(0x04)
    (signer,) = parts[-1].children(0x30)
    authority, certificate = _find_authority(signer, authorities)
    if len(parts) == 5:
        _check_embedded(parts[3], authority)
    digest = _check_signer(signer, octets.content, certificate)
    require([item.raw for item in parts[1].children()] == [digest], "time stamp: digest algorithms differ")
    return {"operator": authority["operator"], **_read_info(octets.content, message, authority, certificate)}


def _find_authority(
    signer: Der, authorities: list[dict[str, Any]]
) -> tuple[dict[str, Any], x509.Certificate]:
    issuer, serial = signer.children()[1].children(0x30, 0x02)
    for authority in authorities:
        certificate = x509.load_der_x509_certificate(base64.b64decode(authority["certificate"]))
        same_serial = int.from_bytes(serial.content, "big", signed=True) == certificate.serial_number
        if same_serial and certificate.issuer.public_bytes() == issuer.raw:
            return authority, certificate
    raise Failed("the time stamp is of an authority that is not in the trust file")


def _check_embedded(certificates: Der, authority: dict[str, Any]) -> None:
    pinned = {base64.b64decode(item) for item in [authority["certificate"], *authority["chain"]]}
    embedded = [item.raw for item in certificates.children()]
    known = len(set(embedded)) == len(embedded) and set(embedded) <= pinned
    require(known, "the time stamp embeds a certificate that is not pinned")


def _check_signer(signer: Der, content: bytes, certificate: x509.Certificate) -> bytes:
    """Check the signed attributes and the signature; gives the digest algorithm's encoding."""
    version, _, digest, attributes, algorithm, signature = signer.children(2, 0x30, 0x30, 0xA0, 0x30, 4)
    require(version.content == b"\x01" and digest.raw in _DIGESTS, "time stamp: unknown signer form")
    hasher = _DIGESTS[digest.raw]
    values = _attributes(attributes)
    require(values.get(_OID_CONTENT_TYPE) == _OID_TST_INFO, "time stamp: content type attribute")
    stated = _single(values.get(_OID_MESSAGE_DIGEST, b"\x05\x00"))
    require(stated.tag == 4 and stated.content == _hash(hasher, content), "time stamp: content was altered")
    fingerprint = certificate.fingerprint(hashes.SHA256())
    require(fingerprint in values.get(_OID_SIGNING_CERT_V2, b""), "time stamp: signing certificate attribute")
    signed = b"\x31" + attributes.raw[1:]  # RFC 5652 §5.4: signed as SET OF, not as the [0] it is sent as
    _check_key(certificate, algorithm.raw, hasher, signature.content, signed)
    return digest.raw


def _attributes(attributes: Der) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for item in attributes.children():
        kind, value = item.children(0x06, 0x31)
        require(kind.raw not in values, "time stamp: attribute twice")
        values[kind.raw] = value.content
    return values


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def _check_key(
    certificate: x509.Certificate,
    algorithm: bytes,
    hasher: hashes.HashAlgorithm,
    signature: bytes,
    data: bytes,
) -> None:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    purpose = list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    require(usage.critical and purpose, "the pinned certificate is not for time stamping alone")
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA:
            key.verify(signature, data, ec.ECDSA(_ECDSA[algorithm]))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm in _RSA:
            key.verify(signature, data, padding.PKCS1v15(), _RSA[algorithm] or hasher)
        else:
            raise Failed("time stamp: unknown signature algorithm")
    except InvalidSignature as error:
        raise Failed("the authority's signature does not verify") from error


def _read_info(
    content: bytes, message: bytes, authority: dict[str, Any], certificate: x509.Certificate
) -> dict[str, Any]:
    parts = _single(content).children()
    require([part.tag for part in parts[:5]] == [2, 6, 0x30, 2, 0x18], "time stamp: malformed TSTInfo")
    version, policy, imprint, serial, when = parts[:5]
    require(version.content == b"\x01", "time stamp: unknown version")
    algorithm, digest = imprint.children(0x30, 4)
    require(algorithm.raw in _DIGESTS, "time stamp: unknown imprint algorithm")
    require(
        _hash(_DIGESTS[algorithm.raw], message) == digest.content, "the time stamp is over other signatures"
    )
    oid = _dotted(policy.content)
    require(oid in authority["policy_oids"], f"policy {oid} is not accepted for this authority")
    text = when.content.decode("ascii", "replace")
    require(re.fullmatch(r"\d{14}(\.\d{0,5}[1-9])?Z", text), "time stamp: malformed time")
    time = dt.datetime.fromisoformat(f"{text[:8]}T{text[8:-1]}+00:00")
    inside = certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc
    require(inside, "stamped outside the validity of the authority's certificate")
    return {"time": time, "policy": oid, "serial": str(int.from_bytes(serial.content, "big", signed=True))}


def _dotted(content: bytes) -> str:
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def check_stamp_quorum(package: Package) -> str:
    """Enough different operators stamped (two tokens of one operator count once)."""
    operators, needed = {stamp["operator"] for stamp in package.stamps}, package.trust["policy"]["tsa_quorum"]
    require(len(operators) >= needed, f"{len(operators)} operators stamped, {needed} required")
    return f"{len(operators)} of {needed}"


# --- the transparency log ---------------------------------------------------------------------------------


def check_entry(package: Package) -> str:
    """The log entry binds the envelope, the time stamps, the evidence id and the number."""
    entry = strict_json(package.content(ENTRY))
    stamps = [hashlib.sha256(package.content(name)).hexdigest() for name in package.stamp_names()]
    number = entry.get("evidence_no") if isinstance(entry, dict) else None
    expected = {
        "envelope_sha256": hashlib.sha256(package.content(ENVELOPE)).hexdigest(),
        "evidence_id": package.predicate["evidence_id"],
        "evidence_no": number,
        "kind": "seal",
        "stamps_sha256": stamps,
        "v": 1,
    }
    require(entry == expected, "the log entry is not of this package")
    require(
        isinstance(number, str) and re.fullmatch(r"WJ-\d{6}-\d{4}-\d{8}", number), "malformed evidence number"
    )
    package.entry = entry
    return str(number)


def parse_vkey(text: str, kind: int) -> tuple[str, bytes, bytes]:
    """(name, key id, raw Ed25519 key) of a C2SP vkey of the given signature type. Raises Failed."""
    name, key_id, material = [*text.split("+", 2), "", ""][:3]
    raw = unbase64(material, "vkey")
    computed = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    require(len(raw) == 33 and raw[0] == kind and computed.hex() == key_id, f"malformed key {name!r}")
    return name, computed, raw[1:]


def read_note(note: str, log: dict[str, Any], witnesses: list[str]) -> dict[str, Any]:
    """A checkpoint {size, root, cosigned: {key: time}}; every signature must be of a known key and verify."""
    body, separator, block = note.rpartition("\n\n")
    lines, body = block.split("\n"), body + "\n"
    fields = body.split("\n")
    require(separator and lines.pop() == "" and len(fields) == 4, "malformed checkpoint")
    require(fields[0] == log["origin"], "checkpoint of another log")
    require(re.fullmatch(r"0|[1-9]\d{0,15}", fields[1]), "malformed tree size")
    root = unbase64(fields[2], "root hash")
    require(len(root) == 32, "malformed root hash")
    keys = {parse_vkey(log["vkey"], 1)[:2]: (parse_vkey(log["vkey"], 1)[2], False)}
    keys |= {parse_vkey(item, 4)[:2]: (parse_vkey(item, 4)[2], True) for item in witnesses}
    cosigned: dict[bytes, dt.datetime] = {}
    by_log = 0
    for line in lines:
        dash, name, encoded = [*line.split(" "), "", "", ""][:3]
        blob = unbase64(encoded, "checkpoint signature")
        require(line == f"— {name} {encoded}" and dash, "malformed signature line")
        require((name, blob[:4]) in keys, f"checkpoint signed by an unknown key of {name!r}")
        raw, is_witness = keys[name, blob[:4]]
        message, signature = body.encode(), blob[4:]
        if is_witness:
            require(len(signature) == 72 and raw not in cosigned, "malformed cosignature")
            seconds = int.from_bytes(signature[:8], "big")
            require(seconds < 1 << 34, "cosignature time out of range")
            message, signature = f"cosignature/v1\ntime {seconds}\n{body}".encode(), signature[8:]
            cosigned[raw] = dt.datetime.fromtimestamp(seconds, dt.UTC)
        by_log += not is_witness
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
        except InvalidSignature as error:
            raise Failed(f"checkpoint signature of {name!r} does not verify") from error
    require(by_log == 1, "exactly one signature of the log is required")
    return {"size": int(fields[1]), "root": root, "cosigned": cosigned}


def check_checkpoint(package: Package) -> str:
    """The proof file is canonical and its checkpoint carries the trusted log's signature."""
    try:
        text = package.content(PROOF).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failed("log proof is not UTF-8") from error
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    require(separator and len(lines) >= 2 and lines[0] == "c2sp.org/tlog-proof@v1", "malformed log proof")
    require(re.fullmatch(r"index (0|[1-9]\d{0,15})", lines[1]), "malformed leaf index")
    hashes_ = [unbase64(line, "proof hash") for line in lines[2:]]
    require(all(len(item) == 32 for item in hashes_), "malformed proof hash")
    found = read_note(note, package.trust["log"], package.trust["witnesses"]["keys"])
    package.proof = {**found, "index": int(lines[1][6:]), "hashes": hashes_}
    return f"{package.trust['log']['origin']}, {found['size']} entries"


def check_inclusion(package: Package) -> str:
    """RFC 9162 §2.1.3.2: the entry is in the tree of the checkpoint."""
    node = hashlib.sha256(b"\x00" + package.content(ENTRY)).digest()
    position, last = package.proof["index"], package.proof["size"] - 1
    require(position <= last, "leaf index outside the tree")
    for sibling in package.proof["hashes"]:
        require(last > 0, "inclusion proof too long")
        if position & 1 or position == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        position, last = position >> 1, last >> 1
    require(last == 0, "inclusion proof too short")
    require(node == package.proof["root"], "the entry is not in the log's tree")
    return f"leaf {package.proof['index']}"


def check_witness(package: Package) -> str:
    """Enough independent witnesses cosigned the checkpoint."""
    count, needed = len(package.proof["cosigned"]), package.trust["witnesses"]["quorum"]
    require(count >= needed, f"{count} witnesses cosigned, {needed} required")
    return f"{count} of {needed}"


def check_beacon(package: Package) -> str:
    """The manifest quotes an earlier checkpoint of the log: the capture was not made before it."""
    beacon = package.predicate["times"]["beacon_checkpoint"]
    require(isinstance(beacon, str), "no beacon")
    found = read_note(beacon, package.trust["log"], package.trust["witnesses"]["keys"])
    require(0 < found["size"] <= package.proof["index"], "the beacon is not older than the seal")
    return f"{found['size']} entries"


def check_times(package: Package) -> str:
    """Start, end, time stamps and cosignatures follow each other within the permitted skew."""
    times, skew = (
        package.predicate["times"],
        dt.timedelta(seconds=package.trust["policy"]["max_skew_seconds"]),
    )
    start, end = moment(times["start"]), moment(times["end"])
    require(start <= end, "the capture ends before it starts")
    for stamp in package.stamps:
        require(end <= stamp["time"] + skew, "stamped before the capture ended")
        for cosigned in package.proof["cosigned"].values():
            require(stamp["time"] <= cosigned + skew, "cosigned before it was stamped")
    return f"{times['start']} … {times['end']}"


def check_keys(package: Package) -> str:
    """The signing keys were in their period of validity when the signatures were stamped."""
    used = {item["keyid"] for item in package.envelope["signatures"]}
    for key in [*package.trust["worker_keys"], *package.trust["sealing_keys"]]:
        for stamp in package.stamps if key["keyid"] in used else []:
            early = key.get("not_before") and stamp["time"] < moment(key["not_before"])
            late = key.get("not_after") and stamp["time"] > moment(key["not_after"])
            require(not early and not late, f"key {key['keyid'][:16]}… was not valid at {stamp['time']}")
    return f"{len(used)} keys"


# --- running it all ---------------------------------------------------------------------------------------

Check = Callable[[Package], str]
STEPS: list[tuple[str, str, str, Check]] = [
    ("zip.structure", "容器字节布局唯一且未改动", "container layout is the one permitted", check_structure),
    ("zip.members", "文件名安全、齐全、无多余", "file names safe, complete, none extra", check_members),
    ("zip.crc", "每个文件的校验码一致", "CRC of every file agrees", check_crc),
    ("envelope.form", "签名信封格式规范", "signature envelope well formed", check_envelope),
    ("signature.worker", "采集节点签名有效", "capture worker's signature", check_worker_signature),
    ("signature.sealing", "固证服务签名有效", "sealing service's signature", check_sealing_signature),
    ("manifest.form", "证据清单格式规范", "manifest well formed", check_manifest),
    ("artefacts.set", "清单与文件逐一对应", "manifest and files correspond", check_artefact_set),
    ("artefacts.size", "文件长度与清单一致", "sizes as in the manifest", check_sizes),
    ("artefacts.sha256", "SHA-256 与清单一致", "SHA-256 as in the manifest", check_sha256),
    ("artefacts.sm3", "SM3 与清单一致", "SM3 as in the manifest", check_sm3),
    ("datapackage.form", "WACZ 描述文件与内容一致", "WACZ descriptors match the files", check_datapackage),
    ("timestamp.token", "可信时间戳有效(RFC 3161)", "time stamps valid (RFC 3161)", check_stamps),
    ("timestamp.quorum", "时间戳机构数量达标", "enough time-stamping operators", check_stamp_quorum),
    ("log.entry", "存证日志条目对应本证据", "log entry is of this package", check_entry),
    ("log.checkpoint", "日志检查点签名有效", "log checkpoint signature", check_checkpoint),
    ("log.inclusion", "条目确在日志中", "entry included in the log", check_inclusion),
    ("log.witness", "第三方见证签名达标", "enough witness cosignatures", check_witness),
    ("beacon.checkpoint", "采集前检查点有效", "beacon older than the capture", check_beacon),
    ("time.order", "各时间先后合理", "times in order", check_times),
    ("keys.validity", "签名密钥在有效期内", "signing keys in their validity", check_keys),
]

NOT_CHECKED = [
    ("page.truth", "页面内容本身是否真实", "whether what the page says is true"),
    ("page.origin", "网站证书链与域名归属", "the site's certificate chain and who owns its domain"),
    ("tsa.revocation", "时间戳机构证书是否被吊销", "revocation of the time-stamping certificates"),
    ("log.later", "检查点之后的日志是否一致", "consistency of the log after this checkpoint"),
    ("log.other", "日志中是否另有相关条目", "whether the log holds other entries about this page"),
    ("custodian.copy", "第三方是否仍保有副本", "whether the custodian still holds its copy"),
]


def verify(reader: BinaryIO, trust: dict[str, Any], *, package_sm3: bool = True) -> dict[str, Any]:
    """Check a package. reader: seekable, binary; trust: from `read_trust`. Gives the report as JSON values.

    package_sm3: also compute the SM3 of the whole file for the report; no check rests on it.

    {verdict, package{sha256,sm3,bytes}, evidence_id, evidence_no, facts, checks[], not_checked[]}.
    """
    package = Package(reader, reader.seek(0, 2), trust)
    checks: list[dict[str, Any]] = []
    for code, zh, en, step in STEPS:
        ok, detail = _run(step, package)
        checks.append({"code": code, "ok": ok, "zh": zh, "en": en, "detail": detail})
        if code == "zip.structure":
            members = package.members if ok else []
            package.sha256, package.sm3 = digest_package(
                reader, package.length, members, package_sm3=package_sm3
            )
    valid = all(check["ok"] for check in checks) and len(checks) == len(STEPS)
    predicate = package.manifest.get("predicate", {})
    return {
        "verdict": "VALID" if valid else "INVALID",
        "package": {"sha256": package.sha256, "sm3": package.sm3, "bytes": package.length},
        "evidence_id": predicate.get("evidence_id"),
        "evidence_no": package.entry.get("evidence_no"),
        "facts": _facts(package, predicate) if valid else {},
        "trust": {"development": trust["development"], "label": trust["label"]},
        "checks": checks,
        "not_checked": [{"code": code, "zh": zh, "en": en} for code, zh, en in NOT_CHECKED],
    }


def _run(step: Check, package: Package) -> tuple[bool, str]:
    try:
        return True, step(package)
    except Failed as failure:
        return False, str(failure)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, UnsupportedAlgorithm) as error:
        # Malformed input, or a step that rests on one that failed: never a pass.
        return False, f"not checkable ({type(error).__name__}: {error})"


def _facts(package: Package, predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "requested_url": predicate["target"].get("requested_url"),
        "final_url": predicate["target"].get("final_url"),
        "title": predicate["target"].get("title"),
        "outcome": predicate["completeness"]["state"],
        "captured": [predicate["times"]["start"], predicate["times"]["end"]],
        "stamped": [stamp["time"].isoformat() for stamp in package.stamps],
        "log_index": package.proof["index"],
    }


def read_trust(data: bytes) -> dict[str, Any]:
    """The trust file, checked. Raises Unreadable."""
    try:
        trust = json.loads(data)
        if trust["schema"] != "urn:wangjian:trust:v1":
            raise ValueError("unknown schema")
        for key in [*trust["worker_keys"], *trust["sealing_keys"]]:
            der = base64.b64decode(key["public_key"], validate=True)
            if not isinstance(load_der_public_key(der), Ed25519PublicKey):
                raise ValueError("a signing key is not Ed25519")
            if hashlib.sha256(der).hexdigest() != key["keyid"]:
                raise ValueError("a key does not match its key id")
        for authority in trust["tsas"]:
            x509.load_der_x509_certificate(base64.b64decode(authority["certificate"], validate=True))
            _ = authority["operator"], authority["chain"], authority["policy_oids"]
        if parse_vkey(trust["log"]["vkey"], 1)[0] != trust["log"]["origin"]:
            raise ValueError("the log key is not of the log's origin")
        for vkey in trust["witnesses"]["keys"]:
            parse_vkey(vkey, 4)
        quorums = [
            trust["witnesses"]["quorum"],
            trust["policy"]["tsa_quorum"],
            trust["policy"]["max_skew_seconds"],
        ]
        if not all(type(value) is int and value > 0 for value in quorums):
            raise ValueError("quorums and skew must be positive whole numbers")
        _ = trust["policy"]["id"], trust["development"], trust["label"]
    except (ValueError, KeyError, TypeError, AttributeError, Failed) as error:
        raise Unreadable("信任文件无法使用", f"the trust file cannot be used: {error}") from error
    return dict(trust)


def is_package(reader: BinaryIO) -> bool:
    """Whether the file can be a ZIP at all: it begins or ends like one. A damaged ZIP is INVALID instead."""
    length = reader.seek(0, 2)
    reader.seek(0)
    start = reader.read(2)
    reader.seek(max(0, length - _END.size))
    return start == b"PK" or reader.read(2) == b"PK"
