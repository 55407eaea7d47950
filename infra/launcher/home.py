"""The files the launcher keeps in WANGJIAN_HOME: its lock, its status, what has been done once."""

import fcntl
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from infra.embedded import process
from infra.embedded.refusal import Refused
from infra.launcher.child import Status


class Home:
    """Names and handles the launcher's files of one home."""

    def __init__(self, home: Path, run_dir: Path) -> None:
        self.home, self.run_dir = home, run_dir
        self.log_dir = home / "log"
        self.children_file = home / "children.json"
        self.status_file = home / "launcher.json"
        self.state_file = home / "state.json"
        self._lock: IO[str] | None = None

    def make(self) -> None:
        """Make the folders. Raises Refused when the home cannot be written."""
        try:
            # Others may pass through (the database's id must reach its own folder), not list.
            self.home.mkdir(parents=True, exist_ok=True, mode=0o711)
            for folder in (self.log_dir, self.run_dir):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unusable(error) from error
        facts = self.run_dir.lstat()
        if self.run_dir.is_symlink() or facts.st_uid != os.geteuid():
            raise Refused(f"{self.run_dir} 属于其他用户", f"{self.run_dir} belongs to another user")
        self.run_dir.chmod(0o700)

    def lock(self) -> None:
        """Take the home for this launcher. Raises Refused when another has it."""
        try:
            handle = (self.home / "launcher.lock").open("a+", encoding="ascii")
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            other = self.status()
            where = f"（{other['url']}，进程 pid {other['pid']}）" if other else ""
            raise Refused(
                f"{self.home} 的平台已在运行{where}；停止请用 wangjian down",
                "the platform of this home is already running; stop it with: wangjian down",
            ) from None
        self._lock = handle

    def _unusable(self, error: OSError) -> Refused:
        return Refused(
            f"无法写入 WANGJIAN_HOME={self.home}：{error.strerror}",
            f"cannot write WANGJIAN_HOME={self.home}: {error.strerror}",
        )

    def write_status(self, url: str, state: str, children: dict[str, Status]) -> None:
        """Write what runs, for `wangjian status`; atomic."""
        content = {
            "pid": os.getpid(),
            "ticks": process.start_ticks(os.getpid()),
            "url": url,
            "state": state,
            "children": {name: asdict(status) for name, status in children.items()},
        }
        _replace(self.status_file, content)

    def status(self) -> dict[str, Any] | None:
        """What the running launcher wrote last; None when none runs."""
        content = _read(self.status_file)
        if not content or not process.same_process(content["pid"], content["ticks"]):
            return None
        return content

    def ask_to_stop(self, patience: float) -> bool:
        """Ask the running launcher to stop, wait. False when it is still there after `patience` seconds."""
        running = self.status()
        if running is None:
            return True
        os.kill(running["pid"], signal.SIGTERM)
        return process.wait_gone(running["pid"], running["ticks"], patience)

    def done(self, step: str) -> Any:
        """What was recorded when a once-only step was done; None when it was not."""
        return _read(self.state_file).get(step)

    def record(self, step: str, fact: Any) -> None:
        """Record that a once-only step is done, with a fact worth keeping; durable when this returns."""
        _replace(self.state_file, {**_read(self.state_file), step: fact})


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _replace(file: Path, content: dict[str, Any]) -> None:
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w", encoding="utf-8") as handle:
        json.dump(content, handle, ensure_ascii=False, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)
