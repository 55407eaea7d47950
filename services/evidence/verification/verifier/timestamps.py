"""The time stamps of a package: over its signatures, of enough operators, and current."""

import base64
import hashlib
from typing import Any

from .contents import batch_path_name
from .package import Package
from .renewal import check_record
from .strict import moment, require, same_json, strict_json, unbase64
from .tokens import open_response, verify_token
from .tree import leaf_hash, root_of_path

STAMP_HEADER = "wangjian:dsse-signatures:v1\n"
BATCH_HEADER = "wangjian:stamp-batch:v1\n"


def stamped_message(signatures: list[dict[str, str]]) -> bytes:
    """What is stamped: a header line, then a line `<keyid> <base64 signature>` each, in envelope order."""
    return (STAMP_HEADER + "".join(f"{s['keyid']} {s['sig']}\n" for s in signatures)).encode()


def batch_message(path: bytes, message: bytes) -> bytes:
    """What is stamped for a whole batch: header, tree size and root, found by the path of one message in it.

    path: RFC 8785 JSON `{"hashes": [base64…], "index": i, "size": n, "v": 1}`. Raises Failed.
    """
    document = strict_json(path)
    members = isinstance(document, dict) and set(document) == {"hashes", "index", "size", "v"}
    require(members and same_json(document["v"], 1), "malformed batch path")
    index, size, hashes_ = document["index"], document["size"], document["hashes"]
    require(type(index) is int and type(size) is int and isinstance(hashes_, list), "malformed batch path")
    siblings = [unbase64(item, "batch path") for item in hashes_]
    require(all(len(item) == 32 for item in siblings), "malformed hash in the batch path")
    root = root_of_path(leaf_hash(message), index, size, siblings)
    return f"{BATCH_HEADER}{size}\n{base64.b64encode(root).decode()}\n".encode()


def check_stamps(package: Package) -> str:
    """Every time stamp is a granted RFC 3161 response of a pinned authority over the signatures."""
    alone = stamped_message(package.envelope["signatures"])
    for name in package.stamp_names():
        path = batch_path_name(name)
        message = batch_message(package.content(path), alone) if path in package.by_name else alone
        package.stamps.append(verify_stamp(package.content(name), message, package.trust["tsas"]))
    require(package.stamps, "no time stamp")
    return ", ".join(f"{s['operator']} {s['time'].isoformat()}" for s in package.stamps)


def verify_stamp(response: bytes, message: bytes, authorities: list[dict[str, Any]]) -> dict[str, Any]:
    """Check a DER TimeStampResp over a SHA-2 digest of `message`; gives as `verify_token`. Raises Failed."""
    found = verify_token(open_response(response), authorities)
    require(found["algorithm"] in hashlib.algorithms_guaranteed, "time stamp: unknown imprint algorithm")
    right = hashlib.new(found["algorithm"], message).digest() == found["imprint"]
    require(right, "the time stamp is over other signatures")
    return found


def check_stamp_quorum(package: Package) -> str:
    """Enough different operators stamped (two tokens of one operator count once)."""
    operators, needed = {stamp["operator"] for stamp in package.stamps}, package.policy["tsa_quorum"]
    require(len(operators) >= needed, f"{len(operators)} operators stamped, {needed} required")
    return f"{len(operators)} of {needed}"


def check_current(package: Package) -> str:
    """The certificates of the time stamps are valid now, or an evidence record took over in time."""
    require(package.stamps, "no valid time stamp")
    expiry = min(stamp["expires"] for stamp in package.stamps)
    if package.record is None:
        require(package.now <= expiry, f"a time stamp's certificate expired at {expiry}; no record is given")
        return f"until {expiry.isoformat()}"
    weak = {name: moment(since) for name, since in package.trust.get("weak_digests", {}).items()}
    found = check_record(package.record, package.digest, package.trust["tsas"], package.now, weak)
    require(found["first"] <= expiry, f"the record begins after the certificate expired at {expiry}")
    return f"renewed, until {found['until'].isoformat()}"
