"""Imported files as received: which there are, and under which data key each is sealed."""

from pathlib import Path
from typing import Final

from services.registry.imports.reading.kept import ORIGINAL, TEXT

# Length of the first block (4 bytes), version of sealed values (1), number of the data key (2).
_KEY_AT: Final = 5
_HEAD: Final = 7


def sealed_files(folder: Path) -> list[tuple[str, str]]:
    """`(import, part)` of every file in the folder, in order of names."""
    if not folder.is_dir():
        return []
    names = (path.name.rpartition(".") for path in sorted(folder.iterdir()))
    return [(name, part) for name, _, part in names if part in (ORIGINAL, TEXT)]


def key_of_file(path: Path) -> int:
    """Number of the data key a file is sealed under; 0 when it is gone or too short to have one."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return 0
    return int.from_bytes(head[_KEY_AT:], "big") if len(head) == _HEAD else 0


def keys_of_files(folder: Path) -> set[int]:
    """Numbers of the data keys under which files in the folder are sealed."""
    return {key_of_file(folder / f"{name}.{part}") for name, part in sealed_files(folder)}
