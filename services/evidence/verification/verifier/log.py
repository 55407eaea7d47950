"""The transparency log: entry, checkpoint, inclusion, cosignatures, beacon; and the order of times."""

import datetime as dt
import hashlib
import re
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .package import CONSISTENCY, ENTRY, ENVELOPE, PROOF, Package
from .strict import Failed, moment, require, same_json, strict_json, unbase64
from .tree import check_consistency, leaf_hash, root_of_path

NUMBER = re.compile(r"WJ-[0-9]{6}-[0-9]{4}-[0-9]{8}")
_LOG_KEY, _WITNESS_KEY = 1, 4  # C2SP signature types: Ed25519 note signature, Ed25519 cosignature


def check_entry(package: Package) -> str:
    """The log entry binds envelope, Merkle root, time stamps, evidence id and number."""
    entry = strict_json(package.content(ENTRY))
    number = entry.get("evidence_no") if isinstance(entry, dict) else None
    expected = {
        "envelope_sha256": hashlib.sha256(package.content(ENVELOPE)).hexdigest(),
        "evidence_id": package.predicate["evidence_id"],
        "evidence_no": number,
        "kind": "seal",
        "merkle_root": package.predicate["merkle"]["root"],
        "stamps_sha256": [
            hashlib.sha256(package.content(name)).hexdigest() for name in package.stamp_names()
        ],
        "v": 2,
    }
    require(same_json(entry, expected), "the log entry is not of this package")
    require(isinstance(number, str) and NUMBER.fullmatch(number), "malformed evidence number")
    package.entry = entry
    return str(number)


@lru_cache(maxsize=64)
def parse_vkey(text: str, kind: int) -> tuple[str, bytes, bytes]:
    """(name, key id, raw Ed25519 key) of a C2SP vkey of the given signature type. Raises Failed."""
    name, key_id, material = [*text.split("+", 2), "", ""][:3]
    raw = unbase64(material, "vkey")
    computed = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    require(len(raw) == 33 and raw[0] == kind and computed.hex() == key_id, f"malformed key {name!r}")
    return name, computed, raw[1:]


def read_note(note: str, trust: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint {log, size, root, cosigned: [(operator, time)]}. Raises Failed.

    log: its place in the trust file's list. Every signature must be of a known key and verify.
    """
    body, separator, block = note.rpartition("\n\n")
    lines, body = block.split("\n"), body + "\n"
    fields = body.split("\n")
    require(separator and lines.pop() == "" and len(fields) == 4, "malformed checkpoint")
    origins = [log["origin"] for log in trust["logs"]]
    require(fields[0] in origins, "checkpoint of another log")
    require(re.fullmatch(r"0|[1-9][0-9]{0,15}", fields[1]), "malformed tree size")
    root = unbase64(fields[2], "root hash")
    require(len(root) == 32, "malformed root hash")
    place = origins.index(fields[0])
    name, key_id, log_key = parse_vkey(trust["logs"][place]["vkey"], _LOG_KEY)
    witnesses = {parse_vkey(item["vkey"], _WITNESS_KEY)[:2]: item for item in trust["witnesses"]}
    by_log, cosigned = 0, dict[bytes, tuple[str, dt.datetime]]()
    for line in lines:
        signer, blob = _signature_line(line)
        if (signer, blob[:4]) == (name, key_id):
            _verify(log_key, blob[4:], body, signer)
            by_log += 1
            continue
        require((signer, blob[:4]) in witnesses, f"checkpoint signed by an unknown key of {signer!r}")
        witness = witnesses[signer, blob[:4]]
        raw = parse_vkey(witness["vkey"], _WITNESS_KEY)[2]
        require(raw not in cosigned, f"two cosignatures of one key of {signer!r}")
        cosigned[raw] = witness["operator"], _cosigned_at(raw, blob[4:], body, signer)
    require(by_log == 1, "exactly one signature of the log is required")
    return {"log": place, "size": int(fields[1]), "root": root, "cosigned": list(cosigned.values())}


def _signature_line(line: str) -> tuple[str, bytes]:
    dash, name, encoded = [*line.split(" "), "", "", ""][:3]
    blob = unbase64(encoded, "checkpoint signature")
    require(line == f"— {name} {encoded}" and dash, "malformed signature line")
    return name, blob


def _cosigned_at(raw: bytes, signature: bytes, body: str, name: str) -> dt.datetime:
    """The time of a cosignature (c2sp.org/tlog-cosignature): 8 bytes of POSIX seconds, then the signature."""
    require(len(signature) == 72, "malformed cosignature")
    seconds = int.from_bytes(signature[:8], "big")
    require(seconds < 1 << 34, "cosignature time out of range")
    _verify(raw, signature[8:], f"cosignature/v1\ntime {seconds}\n{body}", name)
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


@lru_cache(maxsize=64)
def _verify(raw: bytes, signature: bytes, message: str, name: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message.encode())
    except InvalidSignature as error:
        raise Failed(f"checkpoint signature of {name!r} does not verify") from error


def read_proof(data: bytes, trust: dict[str, Any]) -> dict[str, Any]:
    """A tlog-proof: its checkpoint as from `read_note`, with {index, hashes}. Raises Failed."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failed("log proof is not UTF-8") from error
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    require(separator and len(lines) >= 2 and lines[0] == "c2sp.org/tlog-proof@v1", "malformed log proof")
    require(re.fullmatch(r"index (0|[1-9][0-9]{0,15})", lines[1]), "malformed leaf index")
    siblings = [unbase64(line, "proof hash") for line in lines[2:]]
    require(all(len(item) == 32 for item in siblings), "malformed proof hash")
    return {**read_note(note, trust), "index": int(lines[1][6:]), "hashes": siblings}


def require_included(entry: bytes, proof: dict[str, Any]) -> str:
    """Raise Failed unless the entry is in the tree of the proof's checkpoint."""
    root = root_of_path(leaf_hash(entry), proof["index"], proof["size"], proof["hashes"])
    require(root == proof["root"], "the entry is not in the log's tree")
    return f"leaf {proof['index']}"


def require_witnesses(proof: dict[str, Any], needed: int) -> str:
    """Raise Failed unless witnesses of enough different operators cosigned."""
    operators = {operator for operator, _ in proof["cosigned"]}
    require(len(operators) >= needed, f"{len(operators)} operators cosigned, {needed} required")
    return f"{len(operators)} of {needed}"


def check_checkpoint(package: Package) -> str:
    """The proof file is canonical and its checkpoint carries a trusted log's signature."""
    package.proof = read_proof(package.content(PROOF), package.trust)
    return f"{package.trust['logs'][package.proof['log']]['origin']}, {package.proof['size']} entries"


def check_inclusion(package: Package) -> str:
    """The entry is in the tree of the checkpoint (RFC 9162 §2.1.3.2)."""
    return require_included(package.content(ENTRY), package.proof)


def check_witness(package: Package) -> str:
    """Enough independent witnesses cosigned the checkpoint."""
    return require_witnesses(package.proof, package.policy["witness_quorum"])


def check_beacon(package: Package) -> str:
    """The manifest quotes an earlier checkpoint of the log: the capture was not made before it."""
    found = read_note(package.predicate["times"]["beacon_checkpoint"], package.trust)
    same = found["log"] == package.proof["log"]
    older = found["size"] <= package.proof["index"] if same else found["log"] < package.proof["log"]
    require(found["size"] > 0 and older, "the beacon is not older than the seal")
    package.beacon = found
    return f"{found['size']} entries"


def check_growth(package: Package) -> str:
    """The log of the beacon grew into the log of the seal, without a leaf changed or removed."""
    document, beacon, proof = strict_json(package.content(CONSISTENCY)), package.beacon, package.proof
    same = beacon["log"] == proof["log"]
    sizes = (beacon["size"], proof["size"]) if same else (0, 0)
    encoded = document["hashes"]
    expected = {"hashes": encoded, "new": sizes[1], "old": sizes[0], "v": 1}
    require(same_json(document, expected), "the consistency proof is not between beacon and seal")
    hashes_ = [unbase64(item, "consistency proof") for item in encoded]
    require(all(len(item) == 32 for item in hashes_), "malformed hash in the consistency proof")
    if not same:
        require(not hashes_, "a consistency proof between two logs")
        return "an older log of the trust file"
    check_consistency(beacon["size"], beacon["root"], proof["size"], proof["root"], hashes_)
    return f"{sizes[0]} → {sizes[1]} entries"


def check_times(package: Package) -> str:
    """Beacon, start, end, time stamps and cosignatures follow each other within the permitted skew."""
    times, skew = package.predicate["times"], dt.timedelta(seconds=package.policy["max_skew_seconds"])
    start, end, offset = moment(times["start"]), moment(times["end"]), times["clock"]["offset_ms"]
    require(start <= end, "the capture ends before it starts")
    require(offset is None or abs(offset) <= skew.total_seconds() * 1000, "the clock was too far off")
    for _, seen in package.beacon["cosigned"]:
        require(seen <= start + skew, "the capture starts before its beacon")
    require(package.stamps and package.proof["cosigned"], "no stamp or cosignature to compare with")
    for stamp in package.stamps:
        require(end <= stamp["time"] + skew, "stamped before the capture ended")
        for _, cosigned in package.proof["cosigned"]:
            require(stamp["time"] <= cosigned + skew, "cosigned before it was stamped")
    return f"{times['start']} … {times['end']}"
