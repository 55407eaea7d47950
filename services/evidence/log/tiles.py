"""The log as static files: c2sp.org/tlog-tiles. Derived from the leaves, so they can always be rebuilt."""

import os
import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from services.evidence.log.merkle import HASH_BYTES, MerkleTree

WIDTH = 256
_HEIGHT = 8
_PATH = re.compile(r"(?:entries|[0-9]|[1-5][0-9]|6[0-3])(?:/x\d{3})*/\d{3}(?:\.p/[1-9]\d{0,2})?")

# Gives the raw entries of leaves start … end-1.
EntryReader = Callable[[int, int], Iterable[bytes]]


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """`<L>/<N>[.p/<W>]`; level "entries" names an entry bundle."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"{level}/{'/'.join(groups)}{partial}"


def is_tile_path(path: str) -> bool:
    """Whether a request path has the shape of a tile (no other file can be reached)."""
    return _PATH.fullmatch(path) is not None


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry with its length in two big-endian bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises ValueError when it does not end where its last entry does."""
    entries, at = list[bytes](), 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("bundle ends inside a length")
        size = int.from_bytes(data[at : at + 2], "big")
        if at + 2 + size > len(data):
            raise ValueError("bundle ends inside an entry")
        entries.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


def read_entries(folder: Path, start: int, end: int, tree_size: int) -> list[bytes | None]:
    """Entries of leaves start … end-1 from a tree's bundles; None where one cannot be read."""
    found: list[bytes | None] = []
    for index in range(start // WIDTH, (end + WIDTH - 1) // WIDTH):
        width = min(WIDTH, tree_size - index * WIDTH)
        file = folder / "tile" / tile_path("entries", index, width)
        try:
            entries: list[bytes | None] = list(parse_bundle(file.read_bytes()))
        except (OSError, ValueError):
            entries = []
        found += (entries + [None] * width)[:width]
    first = start - start % WIDTH
    return found[start - first : end - first]


def write_synced(path: Path, data: bytes) -> None:
    """Write a file so that it is complete or absent after a crash (fsync, then rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def hash_tiles(tree: MerkleTree, old: int, new: int) -> Iterable[tuple[str, bytes]]:
    """Every hash tile that is new or grew when the tree went from `old` to `new` leaves."""
    level = 0
    while new >> (_HEIGHT * level):
        before, after = old >> (_HEIGHT * level), new >> (_HEIGHT * level)
        nodes = tree.levels[_HEIGHT * level]
        for index in range(before // WIDTH, (after + WIDTH - 1) // WIDTH):
            start, end = index * WIDTH, min((index + 1) * WIDTH, after)
            if end > before:
                path = tile_path(level, index, end - start)
                yield path, bytes(nodes[start * HASH_BYTES : end * HASH_BYTES])
        level += 1


def entry_tiles(read: EntryReader, old: int, new: int) -> Iterable[tuple[str, bytes]]:
    """Every entry bundle that is new or grew."""
    for index in range(old // WIDTH, (new + WIDTH - 1) // WIDTH):
        start, end = index * WIDTH, min((index + 1) * WIDTH, new)
        yield tile_path("entries", index, end - start), bundle(read(start, end))


def all_tiles(tree: MerkleTree, read: EntryReader, old: int, new: int) -> Iterable[tuple[str, bytes]]:
    """Hash tiles and entry bundles of the growth from `old` to `new` leaves."""
    yield from hash_tiles(tree, old, new)
    if new > old:
        yield from entry_tiles(read, old, new)


def publish(folder: Path, tiles: Iterable[tuple[str, bytes]]) -> None:
    """Write tiles below `folder`/tile; the partial forms of a tile that became full are dropped."""
    for path, data in tiles:
        target = folder / "tile" / path
        if not target.exists():
            write_synced(target, data)
        if ".p/" not in path:
            _drop_partials(target.with_name(target.name + ".p"))


def _drop_partials(partials: Path) -> None:
    if partials.is_dir():
        for file in partials.iterdir():
            file.unlink(missing_ok=True)
        partials.rmdir()
