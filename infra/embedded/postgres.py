"""PostgreSQL 18 from the wheel's binaries, run as our own child on a UNIX socket.

The wheel's own wrapper is not used: as root it adds an account and opens every parent folder, it can hand
back a dead server, and it gives crash recovery ten seconds. Here recovery may take as long as it takes.

Who may connect: `peer` authentication in a folder of mode 0700. The kernel tells PostgreSQL which user
stands at the other end of the socket and only the one who started the platform is let in, so there is no
password to leak, and even a folder opened by mistake opens no door to another account.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.embedded import process
from infra.embedded.folders import SOCKET_NAME, private_folder, socket_dir, sync_folder
from infra.embedded.installation import copy_installation, find_installation
from infra.embedded.privilege import NOBODY, POSTGRES_ID, Drop, account_name, can_reach, require_setpriv
from infra.embedded.refusal import Refused

STOP_SIGNAL = signal.SIGINT
"""PostgreSQL's fast shutdown: roll back what runs, write a checkpoint, end."""


_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container reads how much memory it may use (control groups, version 2 and 1)."""


def memory() -> int:
    """Bytes of memory we may use: the machine's, or the container's where that is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(file.read_text()))
    return min(limits)


def _buffers() -> str:
    """An eighth of the memory, 128 MB to 4 GB: lists of millions of rows are read all over."""
    return f"{min(max(memory() // 8 >> 20, 128), 4096)}MB"


SERVER_SETTINGS = {
    "shared_buffers": _buffers(),
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}


class EmbeddedPostgres:
    """One PostgreSQL server whose whole state lies in `home`/postgres."""

    stop_signal = STOP_SIGNAL

    def __init__(
        self,
        home: Path,
        run_dir: Path,
        *,
        installation: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = {**SERVER_SETTINGS, **(settings or {})}
        self.home = home.resolve()
        self.root = self.home / "postgres"
        self.data = self.root / "data"
        self.log = self.home / "log" / "postgres.log"
        self.socket_dir = socket_dir(self.root / "run", run_dir.resolve())
        self._link = run_dir.resolve() / "postgres"
        self._installation = installation or find_installation()
        self._drop = Drop(None)
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    # --- what the launcher and start() share -------------------------------------------------------------

    def prepare(self) -> None:
        """Make folders and, the first time, the database cluster; clear away what a crash left behind.

        Raises Refused when another process holds this home, or when no unprivileged id can reach it.
        """
        require_setpriv()
        self._take_lock()
        try:
            self._choose_drop()
            self._end_orphan()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._own(self.data)
            self._write_access_rules()
            self._link_socket_dir()
        except BaseException:
            self._release_lock()
            raise

    def argv(self) -> list[str]:
        """Command line of the server, dropped to its id and told to shut down fast when its parent dies."""
        settings = {**self._settings, "unix_socket_directories": str(self.socket_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._installation / "bin" / "postgres"), "-D", str(self.data), *options]
        return self._drop.argv(command, death_signal="INT")

    def environment(self) -> dict[str, str]:
        """Environment of the server: nothing of ours but a plain locale."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def ready(self) -> bool:
        """Whether the server answers a query now."""
        if not (self.socket_dir / SOCKET_NAME).exists():
            return False
        try:
            with self._connect("postgres", timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False  # starting up or in crash recovery: the caller asks again while the process lives
        return True

    # --- stand-alone use -----------------------------------------------------------------------------------

    def start(
        self, *, patience: float = 600.0, tell: Callable[[float], None] | None = None
    ) -> "EmbeddedPostgres":
        """Start and wait until it answers; crash recovery may use up to `patience` seconds.

        `tell` is called about every five seconds with the seconds waited so far. Raises Refused when the
        server ends instead.
        """
        self.prepare()
        begun = time.monotonic()
        told = begun
        self._child = self._spawn()
        while not self.ready():
            now = time.monotonic()
            if self._child.poll() is not None:
                if "shared memory block" in self.last_words() and now - begun < 15:
                    time.sleep(0.2)  # backends of a killed server are still on their way out
                    self._child = self._spawn()
                    continue
                self.stop()
                raise Refused(
                    f"PostgreSQL 启动失败：{self.last_words()}（日志：{self.log}）",
                    f"PostgreSQL ended while starting: {self.last_words()} (log: {self.log})",
                )
            if now - begun > patience:
                self.stop()
                raise Refused(
                    f"PostgreSQL 在 {patience:.0f} 秒内没有就绪（日志：{self.log}）",
                    f"PostgreSQL was not ready within {patience:.0f} s (log: {self.log})",
                )
            if tell and now - told > 5:
                told = now
                tell(now - begun)
            time.sleep(0.03)
        return self

    def stop(self, *, patience: float = 60.0) -> None:
        """Fast shutdown, then after `patience` seconds an immediate one. Safe to call twice."""
        child, self._child = self._child, None
        if child is not None and child.poll() is None:
            child.send_signal(STOP_SIGNAL)
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGQUIT)
                child.wait()
        self._release_lock()

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def url(self, database: str) -> str:
        """SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://postgres@/{quote(database)}?host={quote(str(self.socket_dir), safe='')}"

    def ensure_database(self, name: str, template: str = "template1") -> bool:
        """Create the database, a copy of `template`, unless it exists. True when it was created.

        Names: a-z, 0-9, _. Nobody may be connected to the template.
        """
        for given in (name, template):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", given):
                raise ValueError(f"not a database name: {given!r}")
        with self._connect("postgres", timeout=30) as connection:
            connection.autocommit = True
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                return False
            names = map(sql.Identifier, (name, template))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return True

    def last_words(self) -> str:
        """Last line of the server's log that carries a reason."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "setpriv:" in line]
        return (telling or lines or [""])[-1]

    # --- inside --------------------------------------------------------------------------------------------

    def _connect(self, database: str, *, timeout: int) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.socket_dir), user="postgres", dbname=database, connect_timeout=timeout
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.argv(),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the launcher, which stops us in order
            )

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o711, exist_ok=True)
        lock = (self.root / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Refused(
                f"{self.home} 的数据库已由另一个进程使用",
                f"the database of {self.home} is in use by another process",
            ) from None
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _choose_drop(self) -> None:
        """Find the least privilege under which the server reaches its program and its data."""
        private_folder(self.socket_dir, POSTGRES_ID if os.geteuid() == 0 else None)
        if os.geteuid() != 0:
            account_name()
            return
        reasons = []
        probes = (Drop(POSTGRES_ID), Drop(POSTGRES_ID, read_search=True))
        for drop in probes:
            reason = self._unreachable(drop)
            if reason is None:
                self._drop = drop
                return
            reasons.append(reason)
        self._installation = copy_installation(self._installation, self.root)
        if self._unreachable(probes[0]) is None:
            self._drop = probes[0]
            return
        raise Refused(
            f"以 root 运行时 PostgreSQL 须用普通编号 {POSTGRES_ID}，但该编号"
            f"无法进入 {self.home}（{reasons[-1]}）；请把 WANGJIAN_HOME 设到可进入的目录，或用普通用户运行",
            f"as root, PostgreSQL runs as id {POSTGRES_ID}, which cannot reach {self.home} ({reasons[-1]}); "
            "set WANGJIAN_HOME to a folder it can enter, or run as an ordinary user",
        )

    def _unreachable(self, drop: Drop) -> str | None:
        bki = self._installation / "share" / "postgres.bki"
        if not bki.exists():
            bki = self._installation / "share" / "postgresql" / "postgres.bki"
        programs = [self._installation / "bin" / name for name in ("postgres", "initdb")]
        return can_reach(drop, [self.root, self.socket_dir], [bki, *programs])

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: half a cluster never counts."""
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        drop = self._drop
        if drop.uid is not None:
            drop = drop.with_uid(NOBODY)
            os.chown(fresh, NOBODY, NOBODY)
        command = [
            str(self._installation / "bin" / "initdb"),
            f"--pgdata={fresh}",
            "--username=postgres",
            "--auth=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        done = subprocess.run(
            drop.argv(command), env=self.environment(), capture_output=True, text=True, check=False, cwd="/"
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["?"])[-1]
            raise Refused(f"PostgreSQL 初始化失败：{reason}", f"initdb failed: {reason}")
        self._own(fresh)
        fresh.rename(self.data)
        sync_folder(self.root)

    def _own(self, folder: Path) -> None:
        """Give the cluster to the server's id; a home made by one user and used by another is refused."""
        uid = self._drop.uid
        if uid is None:
            if folder.stat().st_uid != os.geteuid():
                raise Refused(
                    f"{folder} 属于编号 {folder.stat().st_uid}，当前用户无法使用；"
                    "请用当初的用户运行或换 WANGJIAN_HOME",
                    f"{folder} belongs to id {folder.stat().st_uid}; run as the user who made it, "
                    "or set another WANGJIAN_HOME",
                )
            return
        if folder.stat().st_uid == uid:
            return
        for where, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(Path(where) / name, uid, uid, follow_symlinks=False)
        os.chown(folder, uid, uid)  # last: its owner says that all below it is done

    def _write_access_rules(self) -> None:
        user = account_name().replace('"', '""')
        self._write("pg_hba.conf", "local all postgres peer map=wangjian\n")
        self._write("pg_ident.conf", f'wangjian "{user}" postgres\n')

    def _link_socket_dir(self) -> None:
        """Make `run_dir`/postgres lead to the socket; the server's id cannot enter `run_dir` itself."""
        self._link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._link.is_symlink() or not self._link.exists():
            fresh = self._link.with_name("postgres.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.socket_dir, target_is_directory=True)
            fresh.replace(self._link)

    def _write(self, name: str, text: str) -> None:
        target = self.data / name
        fresh = target.with_name(name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        if self._drop.uid is not None:
            os.chown(fresh, self._drop.uid, self._drop.uid)
        fresh.replace(target)

    def _end_orphan(self) -> None:
        """End a server that outlived its launcher and drop a lock file whose pid now names a stranger.

        We hold the home's lock, so whoever still runs on this data has no one to look after it.
        """
        file = self.data / "postmaster.pid"
        if not file.exists():
            return
        words = file.read_text(encoding="utf-8", errors="replace").split()
        pid = int(words[0]) if words and words[0].isdigit() else 0
        ticks = process.start_ticks(pid) if pid else None
        if ticks is not None and process.working_folder(pid) == self.data:
            process.end(pid, ticks, STOP_SIGNAL, 30)
        file.unlink(missing_ok=True)
