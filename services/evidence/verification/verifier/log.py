"""The transparency log: entry, checkpoint, inclusion, cosignatures, beacon; and the order of times."""

import datetime as dt
import hashlib
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .package import ENTRY, ENVELOPE, PROOF, Package
from .strict import Failed, moment, require, strict_json, unbase64


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
