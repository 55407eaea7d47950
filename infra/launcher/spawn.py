"""Starting a child: through the nursery when it may be forked from there, else as a plain process."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.launcher.child import Child


class Running:
    """A started child of ours, however it was started: pid, its end, signals."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # A pidfd becomes readable when the process ends: pidfd_open(2). No thread, no reused pid.
        self._handle = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._handle, self._collect)

    async def wait(self) -> int:
        """Exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless it has ended."""
        if self.returncode is None:
            signal.pidfd_send_signal(self._handle, number)

    def _collect(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        if not self._ended.done():
            self._ended.set_result(self.returncode)


def plain(command: Sequence[str], env: Mapping[str, str], log: Path) -> Running:
    """Start a program with its output appended to `log`, in a session of its own, so Ctrl-C passes it by."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        pid = os.posix_spawnp(
            command[0],
            list(command),
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
    finally:
        os.close(nothing)
        os.close(output)
    return Running(pid)


class Nursery:
    """The launcher's side of nursery.py. When it is gone or slow to come, children start plainly."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._env, self._log = env, log
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Task[bool] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Start it; returns at once, while it is still importing."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "infra.launcher.nursery"),
                env=dict(self._env),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._ready = asyncio.create_task(self._hear_ready())

    async def close(self) -> None:
        """End it: it ends by itself when its standard input does."""
        process, self._process = self._process, None
        if self._ready:
            self._ready.cancel()
        if process and process.returncode is None:
            if process.stdin:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 2)
            except TimeoutError:
                process.kill()
                await process.wait()

    @property
    def pids(self) -> set[int]:
        """Its own pid, while it runs."""
        return {self._process.pid} if self._process else set()

    async def start(self, child: Child, log: Path) -> Running | None:
        """Fork a child that is `python -m …`; None when it cannot be had and must be started plainly."""
        command = tuple(child.argv())
        if command[:2] != (sys.executable, "-m") or not await self._is_ready():
            return None
        content = {"name": child.name, "argv": command[2:], "env": dict(child.env), "log": str(log)}
        async with self._turn:
            answer = await self._ask(json.dumps(content))
        return Running(answer["pid"]) if answer else None

    async def _is_ready(self) -> bool:
        return self._ready is not None and await asyncio.shield(self._ready)

    async def _hear_ready(self) -> bool:
        assert self._process is not None  # noqa: S101 - started just before
        assert self._process.stdout is not None  # noqa: S101
        return bool(await self._process.stdout.readline())

    async def _ask(self, request: str) -> dict[str, int] | None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(request.encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (ConnectionError, OSError):
            return None  # it is gone: the child is started plainly
        answer: dict[str, int] | None = json.loads(line) if line else None
        return answer
