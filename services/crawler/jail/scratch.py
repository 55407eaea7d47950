"""The folder the browser's unprivileged id can reach: profiles, the proxy's socket, a process-id file."""

import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import structlog

log = structlog.get_logger()


class ScratchError(RuntimeError):
    """The folder cannot be used safely."""


def scratch_root(home: Path) -> Path:
    """Where all workers of one installation keep scratch folders.

    In the system's temporary folder, because the home may lie under folders the browser's id cannot enter.
    """
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"wangjian-jail-{os.getuid()}-{mark}"


def open_scratch(home: Path) -> Path:
    """A new folder for this process; folders and browsers of dead workers are cleared away first."""
    root = scratch_root(home)
    root.mkdir(mode=0o711, exist_ok=True)
    state = root.lstat()
    if root.is_symlink() or state.st_uid != os.getuid():
        raise ScratchError(f"{root} belongs to someone else")
    root.chmod(0o711)
    sweep(root)
    own = root / f"{os.getpid()}-{os.urandom(3).hex()}"
    own.mkdir(mode=0o711)
    own.chmod(0o711)
    return own


def close_scratch(folder: Path) -> None:
    """Remove a worker's folder, and the installation's when no other worker has one there."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty: another worker lives
        folder.parent.rmdir()


def sweep(root: Path) -> None:
    """End browsers whose worker is gone and remove their folders."""
    for folder in root.iterdir():
        owner, _, _ = folder.name.partition("-")
        if owner.isdigit() and int(owner) != os.getpid() and not Path(f"/proc/{owner}").exists():
            end_browser(folder)
            shutil.rmtree(folder, ignore_errors=True)


def end_browser(folder: Path) -> None:
    """Kill the browser that left its process id in `folder`, if that process really is the one."""
    note = folder / "browser.pid"
    try:
        pid = int(note.read_text())
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return  # no browser was started, or it has ended
    if os.fsencode(folder) in line:
        log.info("jail.browser_ended", pid=pid)
        os.kill(pid, signal.SIGKILL)
