"""The hash trees of RFC 4998 §4.2: binary, hashes under a node in ascending order, and their reduction."""

from collections.abc import Iterable

from services.evidence.verification.verifier.renewal import hashed


class HashTree:
    """A tree over distinct leaf values (digests of one algorithm). Raises ValueError for none."""

    def __init__(self, algorithm: str, leaves: Iterable[bytes]) -> None:
        self._algorithm = algorithm
        self._levels = [sorted(set(leaves))]
        if not self._levels[0]:
            raise ValueError("a hash tree needs a leaf")
        self._index = {leaf: position for position, leaf in enumerate(self._levels[0])}
        while len(self._levels[-1]) > 1:
            self._levels.append(self._above(self._levels[-1]))

    def _above(self, level: list[bytes]) -> list[bytes]:
        """Each pair's node; the odd one out goes up as it is."""
        pairs = (level[at : at + 2] for at in range(0, len(level), 2))
        return [
            hashed(self._algorithm, b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs
        ]

    @property
    def root(self) -> bytes:
        """What is time-stamped."""
        return self._levels[-1][0]

    def reduced(self, leaf: bytes) -> list[list[bytes]]:
        """The reduced hash tree of a leaf: its own list first, then fathers' siblings. A lone leaf: empty.

        Raises KeyError when the leaf is not in the tree.
        """
        position, found = self._index[leaf], list[list[bytes]]()
        for level in self._levels[:-1]:
            pair = level[position & ~1 : (position & ~1) + 2]
            if len(pair) == 2:
                found.append(sorted(pair) if not found else [pair[1 - (position & 1)]])
            position >>= 1
        return found
