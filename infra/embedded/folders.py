"""Folders of the embedded server: private ones, and paths short enough for a UNIX socket."""

import os
from pathlib import Path

from infra.embedded.refusal import Refused

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 107
"""Bytes of a UNIX socket's path, sun_path less its closing zero: unix(7)."""


def socket_dir(preferred: Path, run_dir: Path) -> Path:
    """Folder for the socket: `preferred` when short enough, else one beside `run_dir`. May raise Refused."""
    for folder in (preferred, run_dir.with_name(run_dir.name + ".pg")):
        if len(os.fsencode(folder / SOCKET_NAME)) + len(".lock") <= SOCKET_LIMIT:
            return folder
    raise Refused(
        f"路径过长，无法放置 UNIX 套接字（最多 {SOCKET_LIMIT} 字节）：{run_dir}",
        f"path too long for a UNIX socket (at most {SOCKET_LIMIT} bytes): {run_dir}",
    )


def private_folder(folder: Path, uid: int | None) -> None:
    """Make a folder of mode 0700 owned by `uid` (None = us); one that another user made first is refused."""
    owners = {os.geteuid(), uid if uid is not None else os.geteuid()}
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if folder.is_symlink() or facts.st_uid not in owners:
        raise Refused(f"{folder} 不是本程序建立的目录", f"{folder} was not made by this program")
    folder.chmod(0o700)
    if uid is not None:
        os.chown(folder, uid, uid, follow_symlinks=False)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
