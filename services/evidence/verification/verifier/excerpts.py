"""What is shown without the whole package: one artefact (a disclosure), or one custody event.

Both rest on the log alone: an entry, its proof and the witnesses' cosignatures. The strictest policy of the
trust file says how many witnesses are needed.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

from . import log
from .container import digest_file
from .manifest import ARTEFACT_FORM, artefact_leaf, compare
from .strict import require, same_json, strict_json, unbase64
from .tree import root_of_path

DISCLOSURE, CUSTODY = "urn:wangjian:disclosure:v1", "urn:wangjian:custody-proof:v1"
_ENTRY_V2 = {"envelope_sha256", "evidence_id", "evidence_no", "kind", "merkle_root", "stamps_sha256", "v"}


class Excerpt:
    """The JSON document under test, the artefact's file for a disclosure, and what the checks found."""

    def __init__(self, data: bytes, file: BinaryIO | None, trust: dict[str, Any]) -> None:
        self.data, self.file, self.trust = data, file, trust
        self.document: dict[str, Any] = {}
        self.artefact: dict[str, Any] = {}
        self.event: dict[str, Any] = {}
        self.entry_bytes = b""
        self.entry: dict[str, Any] = {}
        self.proof: dict[str, Any] = {}
        self.size, self.sha256, self.sm3 = len(data), "", ""


ExcerptCheck = Callable[[Excerpt], str]


def check_disclosure_form(excerpt: Excerpt) -> str:
    """The disclosure is canonical and complete."""
    names = {"artefact", "entry", "hashes", "index", "proof", "schema", "size"}
    _read(excerpt, DISCLOSURE, names)
    compare(excerpt.document["artefact"], ARTEFACT_FORM, "artefact")
    excerpt.artefact = excerpt.document["artefact"]
    return str(excerpt.artefact["path"])


def check_custody_form(excerpt: Excerpt) -> str:
    """The custody proof is canonical and complete, and so is the event's document."""
    _read(excerpt, CUSTODY, {"document", "entry", "proof", "schema"})
    document = unbase64(excerpt.document["document"], "document")
    excerpt.event = strict_json(document)
    require(isinstance(excerpt.event, dict), "the event is not an object")
    return hashlib.sha256(document).hexdigest()


def _read(excerpt: Excerpt, schema: str, names: set[str]) -> None:
    document = strict_json(excerpt.data)
    require(isinstance(document, dict) and set(document) == names, "members missing, or too many")
    require(document["schema"] == schema and isinstance(document["proof"], str), "unknown schema")
    excerpt.document, excerpt.entry_bytes = document, unbase64(document["entry"], "entry")


def check_file(excerpt: Excerpt) -> str:
    """The file has the size and both digests the artefact's object states."""
    require(excerpt.file is not None, "the artefact's file is not here")
    assert excerpt.file is not None  # noqa: S101 - for the type checker; `require` raised already
    excerpt.size, excerpt.sha256, excerpt.sm3 = digest_file(excerpt.file)
    found = {"bytes": excerpt.size, "sha256": excerpt.sha256, "sm3": excerpt.sm3}
    for name, value in found.items():
        require(excerpt.artefact[name] == value, f"{name} of the file differs")
    return f"{excerpt.size} bytes"


def check_seal_entry(excerpt: Excerpt) -> str:
    """The entry is that of a seal."""
    entry = strict_json(excerpt.entry_bytes)
    require(isinstance(entry, dict) and set(entry) == _ENTRY_V2, "not the entry of a seal")
    require(entry["kind"] == "seal" and entry["v"] == 2, "not the entry of a seal")
    excerpt.entry, number = entry, entry["evidence_no"]
    require(isinstance(number, str) and log.NUMBER.fullmatch(number), "malformed evidence number")
    return str(number)


def check_artefact_path(excerpt: Excerpt) -> str:
    """The artefact's object is a leaf of the tree whose root the entry states."""
    document = excerpt.document
    require(type(document["index"]) is int and type(document["size"]) is int, "malformed index or size")
    hashes_ = [unbase64(item, "path") for item in document["hashes"]]
    require(all(len(item) == 32 for item in hashes_), "malformed hash in the path")
    root = root_of_path(artefact_leaf(excerpt.artefact), document["index"], document["size"], hashes_)
    require(root.hex() == excerpt.entry["merkle_root"], "the artefact is not of this seal")
    return f"leaf {document['index']} of {document['size']}"


def check_custody_entry(excerpt: Excerpt) -> str:
    """The entry is that of this custody event."""
    digest = hashlib.sha256(unbase64(excerpt.document["document"], "document")).hexdigest()
    entry = strict_json(excerpt.entry_bytes)
    expected = {"event_sha256": digest, "kind": "custody", "v": 1}
    require(same_json(entry, expected), "the entry is not of this event")
    excerpt.entry = entry
    return digest


def check_checkpoint(excerpt: Excerpt) -> str:
    """The proof's checkpoint carries a trusted log's signature."""
    excerpt.proof = log.read_proof(excerpt.document["proof"].encode(), excerpt.trust)
    return f"{excerpt.trust['logs'][excerpt.proof['log']]['origin']}, {excerpt.proof['size']} entries"


def check_inclusion(excerpt: Excerpt) -> str:
    """The entry is in the tree of the checkpoint."""
    return log.require_included(excerpt.entry_bytes, excerpt.proof)


def check_witness(excerpt: Excerpt) -> str:
    """Enough independent witnesses cosigned the checkpoint, by the strictest policy."""
    needed = max(policy["witness_quorum"] for policy in excerpt.trust["policies"])
    return log.require_witnesses(excerpt.proof, needed)


def logged_before(excerpt: Excerpt) -> dt.datetime:
    """The earliest cosignature: the entry was in the log by then."""
    times: list[dt.datetime] = [time for _, time in excerpt.proof["cosigned"]]
    return min(times)
