"""Log files of the children: appended to directly, turned over by size."""

import shutil
from pathlib import Path

LIMIT = 10 * 1024 * 1024
KEEP = 3


def turn_over(folder: Path, limit: int = LIMIT, keep: int = KEEP) -> list[Path]:
    """Copy each log larger than `limit` bytes to NAME.log.1 and empty it; older ones move up to `.keep`.

    Children hold their file open in append mode, so it is emptied rather than renamed: what is written
    between copy and emptying (milliseconds) is lost, which a log may be; evidence and audit never go
    through these files.
    """
    turned = []
    for file in folder.glob("*.log"):
        if file.stat().st_size <= limit:
            continue
        for number in range(keep - 1, 0, -1):
            older = file.with_name(f"{file.name}.{number}")
            if older.exists():
                older.replace(file.with_name(f"{file.name}.{number + 1}"))
        shutil.copyfile(file, file.with_name(f"{file.name}.1"))
        with file.open("r+b") as handle:
            handle.truncate(0)
        turned.append(file)
    return turned


def last_line(file: Path, window: int = 8192) -> str:
    """Last line of a log that is not empty, at most 300 characters."""
    if not file.exists():
        return ""
    with file.open("rb") as handle:
        handle.seek(max(0, file.stat().st_size - window))
        lines = [line.strip() for line in handle.read().decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:300]
