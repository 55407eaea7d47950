"""How a copy that says less is made (docs/evidence/package.md, "Copies that say less"). Pure."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from services.common.canonical import canonical
from services.common.problems import Problem
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.package.layout import Member, Part, arrange
from services.evidence.package.wacz import REDACTION, build, small_member

SCHEMA = "urn:wangjian:disclosure:v1"
DOCUMENT = "disclosure.json"


def redact(
    predicate: Mapping[str, Any], artefacts: list[Member], proofs: Mapping[str, bytes], removed: Iterable[str]
) -> list[Part]:
    """The parts of the package without these artefacts.

    predicate: of the manifest; artefacts: all of them; proofs: every other file of the package but the two
    descriptors, by path. Raises Problem 422 `evidence.redaction_unknown` unless each path is an artefact's.
    """
    names, wanted = [item["path"] for item in predicate["artifacts"]], set(removed)
    unknown = sorted(wanted - set(names))
    if unknown or not wanted:
        raise Problem(
            "evidence.redaction_unknown",
            422,
            zh=f"证据中没有该文件:{unknown[0][:120]}" if unknown else "请至少选择一个要删去的文件",
            en=f"no such artefact: {unknown[0][:120]}"
            if unknown
            else "choose at least one artefact to leave out",
            todo_zh="请从证据文件列表中选择",
            todo_en="choose from the item's list of files",
        )
    document: dict[str, Any] = {"removed": [name for name in names if name in wanted], "v": 1}
    kept = [member for member in artefacts if member.path not in wanted]
    return build(predicate, kept, {**proofs, REDACTION: canonical(document)})


def disclosure(predicate: Mapping[str, Any], path: str, entry: bytes, proof: str) -> bytes:
    """The JSON that proves one artefact by its Merkle path, the log entry and the entry's tlog-proof.

    Raises LookupError when the manifest lists no such artefact.
    """
    tree, listed = MerkleTree(), predicate["artifacts"]
    for item in listed:
        tree.append(leaf_hash(canonical(item)))
    index = next((place for place, item in enumerate(listed) if item["path"] == path), None)
    if index is None:
        raise LookupError(path)
    hashes = tree.inclusion_proof(index, tree.size)
    return canonical(
        {
            "schema": SCHEMA,
            "artefact": listed[index],
            "index": index,
            "size": tree.size,
            "hashes": [base64.b64encode(item).decode() for item in hashes],
            "entry": base64.b64encode(entry).decode(),
            "proof": proof,
        }
    )


def bundle(document: bytes, artefact: Member) -> list[Part]:
    """The parts of a ZIP with `disclosure.json` and, beside it, the artefact's file under its own name."""
    name = artefact.path.rpartition("/")[2]
    file = Member(name, artefact.size, artefact.crc32, artefact.sha256, artefact.data)
    return arrange([small_member(DOCUMENT, document), file])
