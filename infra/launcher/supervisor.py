"""Starts children stage by stage, restarts those that crash, stops all in reverse order."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.refusal import Refused
from infra.launcher import logs, orphans
from infra.launcher.child import Child, Status
from infra.launcher.spawn import Nursery, Running, plain

Tell = Callable[[str, str, str], None]
"""Called with a child's name and one status line in Chinese and in English."""


class StartFailed(Exception):
    """A child did not become ready. `name` and the last line of its log say more."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log
        super().__init__(f"{name}: {logs.last_line(log)}")


@dataclass(frozen=True)
class Policy:
    """How patiently children are treated; seconds."""

    first_delay: float = 0.5
    longest_delay: float = 30.0
    settled_after: float = 60.0
    """A child that lived this long starts again with the first delay."""
    early_crashes: int = 3
    """Ends before it was ever ready, after which starting is given up."""
    probe_every: float = 0.05


class Supervisor:
    """Keeps a set of children running. All children are started from the thread that runs the event loop."""

    def __init__(
        self,
        log_dir: Path,
        register: orphans.Register,
        tell: Tell,
        policy: Policy | None = None,
        changed: Callable[[], None] = lambda: None,
        nursery: Nursery | None = None,
    ) -> None:
        self.status: dict[str, Status] = {}
        self._log_dir = log_dir
        self._register = register
        self._tell = tell
        self._policy = policy or Policy()
        self._changed = changed
        self._nursery = nursery
        self._children: dict[str, Child] = {}
        self._processes: dict[str, Running] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._ready: dict[str, asyncio.Future[None]] = {}
        self._stopping: set[str] = set()
        log_dir.mkdir(parents=True, exist_ok=True)

    async def start(self, children: Iterable[Child]) -> None:
        """Start these children at once and wait until each is ready. Raises StartFailed or Refused."""
        group = list(children)
        for child in group:
            self._children[child.name] = child
            self.status[child.name] = Status(log=str(self._log(child)))
            self._ready[child.name] = asyncio.get_running_loop().create_future()
            self._ready[child.name].add_done_callback(_heard)
            self._keepers[child.name] = asyncio.create_task(self._keep(child), name=child.name)
            self._keepers[child.name].add_done_callback(self._keeper_ended)
        await asyncio.gather(*(self._ready[child.name] for child in group))

    async def run_once(self, child: Child) -> int:
        """Run something that ends by itself and is not restarted; gives its exit code."""
        running = await self._spawn(child)
        code = await running.wait()
        del self._processes[child.name]
        del self.status[child.name]
        return code

    async def stop(self) -> None:
        """Stop all children, highest stage first, each stage at once."""
        for stage in sorted({child.stage for child in self._children.values()}, reverse=True):
            group = [child for child in self._children.values() if child.stage == stage]
            await asyncio.gather(*(self._stop_one(child) for child in group))
        self._children.clear()

    def known_pids(self) -> set[int]:
        """Pids of the children themselves."""
        own = {one.pid for one in self._processes.values()}
        return own | (self._nursery.pids if self._nursery else set())

    async def _keep(self, child: Child) -> None:
        """One child's life: start, wait for its end, start again after a growing delay."""
        delay, early = self._policy.first_delay, 0
        ready = self._ready[child.name]
        while child.name not in self._stopping:
            begun = time.monotonic()
            try:
                running = await self._spawn(child)
            except Refused as refusal:
                if not ready.done():
                    ready.set_exception(refusal)
                    break
                end = str(refusal)
            except OSError as error:  # no process, no log file: a full disk or table; it may pass
                end = str(error)
            else:
                code = await self._see_through(child, running)
                end = f"信号 signal {-code}" if code < 0 else f"退出码 exit {code}"
            if child.name in self._stopping:
                break
            early += 0 if ready.done() else 1
            if early >= self._policy.early_crashes and not ready.done():
                ready.set_exception(StartFailed(child.name, self._log(child)))
                break
            if time.monotonic() - begun > self._policy.settled_after:
                delay = self._policy.first_delay
            self.status[child.name].restarts += 1
            self._set(child, "restarting")
            self._tell(
                child.name, f"意外结束（{end}），{delay:g} 秒后重启", f"ended, restarting in {delay:g} s"
            )
            await asyncio.sleep(delay)
            delay = min(delay * 2, self._policy.longest_delay)
        self._set(child, "stopped")

    async def _spawn(self, child: Child) -> Running:
        self.status.setdefault(child.name, Status(log=str(self._log(child))))
        self._set(child, "starting")
        if child.prepare:
            await asyncio.to_thread(child.prepare)
        running = await self._nursery.start(child, self._log(child)) if self._nursery else None
        running = running or plain(child.command(), child.env, self._log(child))
        self._processes[child.name] = running
        self.status[child.name].pid = running.pid
        self._register.add(child.name, running.pid)
        return running

    async def _see_through(self, child: Child, running: Running) -> int:
        """Watch a started process become ready and, some day, end. Returns its exit code."""
        ended = asyncio.ensure_future(running.wait())
        waiting = asyncio.create_task(self._await_ready(child))
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and not ended.done():
            if waiting.result():
                self._set(child, "ready")
                again = self.status[child.name].restarts > 0
                self._tell(child.name, "已恢复" if again else "就绪", "ready again" if again else "ready")
                if not self._ready[child.name].done():
                    self._ready[child.name].set_result(None)
            else:
                orphans.kill_group(running.pid)
        waiting.cancel()
        code = await ended
        orphans.kill_group(running.pid)
        del self._processes[child.name]
        self.status[child.name].pid = None
        return code

    async def _await_ready(self, child: Child) -> bool:
        """Ask until ready; False when the child's time is up."""
        deadline = time.monotonic() + child.ready_seconds
        told = time.monotonic()
        while not await child.ready():
            now = time.monotonic()
            if now > deadline:
                self._tell(child.name, "迟迟未就绪，重新启动", "not ready in time, restarting")
                return False
            if now - told > 10:
                told = now
                self._tell(child.name, "仍在启动", "still starting")
            await asyncio.sleep(self._policy.probe_every)
        return True

    async def _stop_one(self, child: Child) -> None:
        self._stopping.add(child.name)
        keeper = self._keepers[child.name]
        while (running := self._processes.get(child.name)) is None and not keeper.done():
            if self.status[child.name].state == "restarting":
                keeper.cancel()  # it sleeps between two starts
            await asyncio.sleep(0.01)
        if running is not None and running.returncode is None:
            self._set(child, "stopping")
            with contextlib.suppress(ProcessLookupError):  # ended by itself meanwhile
                running.send_signal(child.stop_signal)
            done, _ = await asyncio.wait({keeper}, timeout=child.stop_seconds)
            if not done:
                self._tell(child.name, f"{child.stop_seconds:g} 秒内未停止，强制结束", "killed")
                orphans.kill_group(running.pid)
        await asyncio.wait({keeper})
        self._set(child, "stopped")

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        """A fault of our own must not leave a child unwatched in silence."""
        fault = None if keeper.cancelled() else keeper.exception()
        if fault is not None:
            ready = self._ready[keeper.get_name()]
            if not ready.done():
                ready.set_exception(fault)
            self._tell(keeper.get_name(), f"监管出错：{fault!r}", "no longer supervised")

    def _log(self, child: Child) -> Path:
        return self._log_dir / f"{child.name}.log"

    def _set(self, child: Child, state: str) -> None:
        status = self.status[child.name]
        if status.state != state:
            status.state, status.since = state, time.time()
            self._changed()


def _heard(outcome: "asyncio.Future[None]") -> None:
    """Take note of a failure nobody waits for any more (the first one has already ended the start)."""
    if not outcome.cancelled():
        outcome.exception()
