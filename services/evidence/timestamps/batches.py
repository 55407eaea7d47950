"""Many messages under one stamp: the RFC 6962 tree over them, its stamped text and each message's path.

Format: docs/evidence/package.md, "What is stamped".
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from services.common.canonical import canonical
from services.evidence.log.merkle import MerkleTree, leaf_hash

HEADER = "wangjian:stamp-batch:v1\n"


def batch_text(size: int, root: bytes) -> bytes:
    """What is stamped for a tree of `size` messages: header, size, base64 root, each line ending in LF."""
    return f"{HEADER}{size}\n{base64.b64encode(root).decode()}\n".encode()


@dataclass(frozen=True)
class Batch:
    """The stamped text and, for each message in order, its `tst-N.path.json` document."""

    text: bytes
    paths: list[bytes]


def make_batch(messages: Sequence[bytes]) -> Batch:
    """The batch of these messages (at least one). Raises ValueError when there is none."""
    if not messages:
        raise ValueError("a batch needs a message")
    tree = MerkleTree()
    for message in messages:
        tree.append(leaf_hash(message))
    paths = [_path_document(index, len(messages), tree) for index in range(len(messages))]
    return Batch(batch_text(len(messages), tree.root()), paths)


def _path_document(index: int, size: int, tree: MerkleTree) -> bytes:
    hashes = [base64.b64encode(item).decode() for item in tree.inclusion_proof(index, size)]
    return canonical({"v": 1, "index": index, "size": size, "hashes": hashes})
