"""The Merkle tree of RFC 6962 §2.1: append, roots, inclusion and consistency proofs, and their checks.

All complete nodes are kept in memory, 64 bytes a leaf; the tree itself knows no files and no database.
"""

import hashlib

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


class MerkleTree:
    """An append-only tree. `levels[k][i]` is the hash of leaves i·2^k … (i+1)·2^k - 1."""

    def __init__(self) -> None:
        self.levels: list[bytearray] = [bytearray()]

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self.levels[0]) // HASH_BYTES

    def node(self, level: int, index: int) -> bytes:
        """One complete node's hash."""
        at = index * HASH_BYTES
        return bytes(self.levels[level][at : at + HASH_BYTES])

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash (32 bytes); gives its index."""
        index = self.size
        self.levels[0] += leaf
        current, position, level = leaf, index, 0
        while position & 1:
            current = node_hash(self.node(level, position - 1), current)
            position >>= 1
            level += 1
            if level == len(self.levels):
                self.levels.append(bytearray())
            self.levels[level] += current
        return index

    def truncate(self, size: int) -> None:
        """Forget every leaf from `size` on (a batch that was not committed)."""
        for level, nodes in enumerate(self.levels):
            del nodes[(size >> level) * HASH_BYTES :]

    def root(self, size: int | None = None) -> bytes:
        """The tree hash of the first `size` leaves."""
        size = self.size if size is None else size
        return self._range(0, size) if size else EMPTY_ROOT

    def _range(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) for ranges that RFC 6962 recursion reaches (start aligned)."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self.node(level, start >> level)
        middle = start + _split(width)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[0:size]), RFC 6962 §2.1.1. Raises ValueError outside the tree."""
        if not 0 <= index < size <= self.size:
            raise ValueError(f"no leaf {index} in a tree of {size}")
        return self._path(index, 0, size)

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._range(middle, end)]
        return [*self._path(index, middle, end), self._range(start, middle)]

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[0:new]), RFC 6962 §2.1.2; empty for old = 0 or old = new."""
        if not 0 <= old <= new <= self.size:
            raise ValueError(f"no consistency proof from {old} to {new} in a tree of {self.size}")
        if old in (0, new):
            return []
        return self._subproof(old, 0, new, complete=True)

    def _subproof(self, old: int, start: int, end: int, *, complete: bool) -> list[bytes]:
        if old == end - start:
            return [] if complete else [self._range(start, end)]
        cut = _split(end - start)
        middle = start + cut
        if old <= cut:
            return [*self._subproof(old, start, middle, complete=complete), self._range(middle, end)]
        return [*self._subproof(old - cut, middle, end, complete=False), self._range(start, middle)]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root an inclusion proof leads to (RFC 9162 §2.1.3.2). ValueError for a proof of wrong length."""
    if not 0 <= index < size:
        raise ValueError("index outside the tree")
    position, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ValueError("proof too long")
        if position & 1 or position == last:
            current = node_hash(sibling, current)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ValueError("proof too short")
    return current


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """Whether the tree of `new` leaves extends that of `old` leaves (RFC 9162 §2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if not 0 < old < new:
        return False
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            from_new = node_hash(from_new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and from_old == old_root and from_new == new_root
