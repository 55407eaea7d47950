"""`wangjian up`: start the platform, keep it running, stop it. Runs in the foreground."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any

from infra.embedded.refusal import Refused
from infra.launcher import logs, once, orphans
from infra.launcher.home import Home
from infra.launcher.screen import Screen
from infra.launcher.spawn import Nursery
from infra.launcher.supervisor import Policy, StartFailed, Supervisor
from infra.launcher.table import DATA, DOOR, SERVICE, TRUST, WORK, Stack, build, market_port
from services.common.settings import Settings


def run(settings: Settings, *, demo: bool, then_log: bool = False, policy: Policy | None = None) -> int:
    """Run the platform until Ctrl-C or SIGTERM. Exit code: 0 stopped on request, 1 failed, 2 refused.

    then_log: once started, statuses go to log/launcher.log, no longer to the terminal (`--background`).
    """
    screen = Screen()
    home = Home(settings.home, settings.run_dir)
    try:
        home.make()
        home.lock()
        _check_programs()
        for port in _ports(settings, demo=demo):
            _check_port(settings.host, port)
        return asyncio.run(Platform(home, build(settings, demo=demo), screen, policy).run(then_log=then_log))
    except Refused as refusal:
        print(f"wangjian: {refusal.zh}\n          {refusal.en}", file=sys.stderr)
        return 2


class Platform:
    """One run of the whole stack."""

    def __init__(self, home: Home, stack: Stack, screen: Screen, policy: Policy | None) -> None:
        self._home, self._stack, self._screen = home, stack, screen
        self._register = orphans.Register(home.children_file)
        self._state = "starting"
        self._stop = asyncio.Event()
        self._nursery = Nursery(stack.env, home.log_dir / "nursery.log")
        self._supervisor = Supervisor(
            home.log_dir,
            self._register,
            screen.status,
            policy,
            changed=self._write_status,
            nursery=self._nursery,
        )

    async def run(self, *, then_log: bool) -> int:
        """Start, watch, stop. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        with contextlib.suppress(OSError):  # a kernel without it only costs the tidying up of grandchildren
            orphans.adopt()
        tidying = asyncio.create_task(self._tidy())
        code = 0
        try:
            if await self._unless_stopped(self._start()):
                self._set_state("ready")
                if await self._unless_stopped(self._once()) and then_log:
                    self._to_log()
                await self._stop.wait()
        except StartFailed as failure:
            self._screen.line(f"wangjian: {failure.name} 启动失败 did not start: {failure}")
            self._screen.line(f"          日志 log: {failure.log}")
            code = 1
        finally:
            tidying.cancel()
            await self._shut_down()
        return code

    async def _start(self) -> None:
        begun = time.monotonic()
        self._write_status()
        left = await asyncio.to_thread(self._register.end_left_over)
        if left:
            self._screen.status(
                "launcher", f"清理上次遗留进程：{', '.join(left)}", "ended left-over processes"
            )
        await self._nursery.open()
        trust = asyncio.create_task(self._supervisor.start(self._stack.of(TRUST)))
        try:
            await self._supervisor.start(self._stack.of(DATA))
            await self._migrate()
            await trust
        finally:
            trust.cancel()
        await self._supervisor.start(self._stack.of(SERVICE, DOOR, WORK))
        self._screen.status("launcher", "全部就绪", f"all ready in {time.monotonic() - begun:.1f} s")
        self._screen.line(f"ready {self._stack.url}")

    async def _migrate(self) -> None:
        if await self._supervisor.run_once(self._stack.databases) != 0:
            raise StartFailed("databases", self._home.log_dir / "databases.log")
        self._screen.status("databases", "数据表已是最新", "schemas current")

    async def _once(self) -> None:
        try:
            await once.run(self._home, self._stack, self._screen)
        except once.OnceFailed as failure:
            self._screen.status("first", "首次任务未完成，下次启动重试：", f"will be retried: {failure}")

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run until done or until a stop is asked for. True when it was done."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
            return not self._stop.is_set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return False

    async def _shut_down(self) -> None:
        self._set_state("stopping")
        self._screen.status("launcher", "正在停止", "stopping")
        await self._supervisor.stop()
        await self._nursery.close()
        await asyncio.to_thread(orphans.end_adopted, ())
        self._register.clear()
        self._set_state("stopped")
        self._screen.status("launcher", "已停止", "stopped")

    async def _tidy(self) -> None:
        """For ever: collect adopted zombies, turn logs over."""
        seen: set[int] = set()
        while True:
            await asyncio.sleep(5)
            seen = orphans.reap(self._supervisor.known_pids(), seen)
            await asyncio.to_thread(logs.turn_over, self._home.log_dir)

    def _to_log(self) -> None:
        descriptor = os.open(
            self._home.log_dir / "launcher.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self._screen.hand_over(descriptor)

    def _set_state(self, state: str) -> None:
        self._state = state
        self._write_status()

    def _write_status(self) -> None:
        try:
            self._home.write_status(self._stack.url, self._state, self._supervisor.status)
        except OSError as error:  # a full disk must not end the supervision; the next change writes again
            self._screen.status(
                "launcher", f"无法写状态文件：{error.strerror}", "cannot write the status file"
            )


def _ports(settings: Settings, *, demo: bool) -> list[int]:
    return [settings.port, *([market_port(settings)] if demo else [])]


def _check_port(host: str, port: int) -> None:
    """Raises Refused when the port cannot be had."""
    if not 0 < port < 65536:
        raise Refused(f"端口 {port} 不在 1–65535 之内", f"port {port} is not between 1 and 65535")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: no wait after a restart
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"端口 {host}:{port} 不可用（{error}）；用 WANGJIAN_PORT=其他端口 启动",
                f"port {host}:{port} cannot be had; choose another with WANGJIAN_PORT",
            ) from error


def _check_programs() -> None:
    if shutil.which("setpriv") is None:
        raise Refused(
            "缺少 setpriv（util-linux）；请运行 make up", "setpriv (util-linux) is missing; run make up"
        )
