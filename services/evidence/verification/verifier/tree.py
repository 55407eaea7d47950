"""RFC 6962 Merkle trees over SHA-256: roots, inclusion paths, consistency. Pure functions of bytes."""

import hashlib

from .strict import require


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 §2.1: the hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 §2.1: the hash of an inner node; its prefix keeps a node from passing as a leaf."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1: the root over leaf hashes (at least one)."""
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << ((len(leaves) - 1).bit_length() - 1)  # the largest power of two below the number of leaves
    return node_hash(tree_root(leaves[:cut]), tree_root(leaves[cut:]))


def root_of_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162 §2.1.3.2: the root an inclusion path leads to. Raises Failed for a path of wrong length."""
    require(0 <= index < size, "leaf index outside the tree")
    position, last, node = index, size - 1, leaf
    for sibling in path:
        require(last > 0, "inclusion path too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    require(last == 0, "inclusion path too short")
    return node


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> None:
    """RFC 9162 §2.1.4.2: the tree of `new` leaves begins with that of `old` leaves (old > 0), else Failed."""
    require(0 < old <= new, "sizes out of order")
    if old == new:
        require(not path and old_root == new_root, "two trees of one size differ")
        return
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    require(nodes, "consistency proof is empty")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = nodes[0]
    for sibling in nodes[1:]:
        require(last > 0, "consistency proof too long")
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    require(last == 0, "consistency proof too short")
    require(first == old_root, "the proof does not start at the earlier tree")
    require(second == new_root, "the later tree does not contain the earlier one")
