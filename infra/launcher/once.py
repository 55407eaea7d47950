"""What is done once in the life of a home, after everything is ready: regions, demo staff, the first capture.

Each step is recorded in state.json when it is done, so an interrupted one is done again at the next start.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.launcher.home import Home
from infra.launcher.screen import Screen
from infra.launcher.table import Stack

FIRST_PAGE = "/"


class OnceFailed(Exception):
    """A step did not work; it will be tried again at the next start."""

    def __init__(self, step: str, code: int, text: str) -> None:
        super().__init__(f"{step}: exit {code}: {text.strip()[-400:]}")


async def run(home: Home, stack: Stack, screen: Screen) -> None:
    """Do whatever has not been done yet. Raises OnceFailed."""
    await _step(home, stack, screen, "registry", "载入行政区划与机构", ("services.registry.bootstrap",))
    if stack.market_url is None:
        return
    await _step(home, stack, screen, "staff", "建立演示人员", ("gateway.bootstrap", "--demo"))
    if home.done("first_capture") is None:
        home.record("first_capture", await _first_capture(home, stack, screen))


async def _step(
    home: Home, stack: Stack, screen: Screen, step: str, zh: str, module: tuple[str, ...]
) -> None:
    if home.done(step) is not None:
        return
    screen.status(step, zh, "once")
    # What it prints goes straight to the terminal: one-time passwords must not land in a file.
    code, text = await _run(stack, module, capture=False)
    if code != 0:
        raise OnceFailed(step, code, text)
    home.record(step, True)


async def _first_capture(home: Home, stack: Stack, screen: Screen) -> dict[str, Any]:
    """Capture one page of the demo market and verify it offline. Returns what was printed."""
    package = home.home / "first" / "first.wacz"
    package.parent.mkdir(parents=True, exist_ok=True)
    package.unlink(missing_ok=True)
    screen.status("first", "首次取证：演示商城", "first capture of the demo market")
    url = f"{stack.market_url}{first_page()}"
    sealed = await _json(stack, "capture", ("wangjian.cli", "capture", url, "--out", str(package), "--json"))
    trust = package.with_name("trust.json")
    await _checked(stack, "trust", ("wangjian.cli", "trust", "export", "--out", str(trust)))
    verdict = ("wangjian.cli", "verify", str(package), "--trust", str(trust), "--json")
    report = await _json(stack, "verify", verdict)
    screen.line(f"        证据编号 evidence  {sealed.get('evidence_no')}")
    screen.line(f"        SHA-256  {sealed.get('sha256')}")
    screen.line(f"        SM3      {sealed.get('sm3')}")
    screen.line(f"        {report.get('verdict')}  wangjian verify {package} --trust {trust}")
    return {name: sealed.get(name) for name in ("evidence_no", "sha256", "sm3")}


def first_page() -> str:
    """Path of the listing shown first."""
    return FIRST_PAGE


async def _json(stack: Stack, step: str, arguments: Sequence[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await _checked(stack, step, arguments))
    return answer


async def _checked(stack: Stack, step: str, arguments: Sequence[str]) -> str:
    code, text = await _run(stack, arguments, capture=True)
    if code != 0:
        raise OnceFailed(step, code, text)
    return text


async def _run(stack: Stack, arguments: Sequence[str], *, capture: bool) -> tuple[int, str]:
    """Run one Python module with the stack's environment; ended when we are cancelled."""
    pipe = asyncio.subprocess.PIPE if capture else None
    running = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", *arguments),
        env=dict(stack.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    try:
        out, err = await running.communicate()
    except asyncio.CancelledError:
        running.terminate()
        await running.wait()
        raise
    code = running.returncode or 0
    return code, (out if code == 0 else err or out or b"").decode("utf-8", "replace") if capture else ""


def packages_of(home: Path) -> Path:
    """Folder of the first capture's files."""
    return home / "first"
