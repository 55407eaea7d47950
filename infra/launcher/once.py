"""What is done once in the life of a home, after everything is ready: regions, demo staff, the first capture.

Each step is recorded in state.json when it is done, so an interrupted one is done again at the next start.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.launcher.home import Home
from infra.launcher.screen import Screen
from infra.launcher.table import Stack


@dataclass(frozen=True)
class Step:
    """A once-only command: python -m `module`. `contains`: a smaller step it makes needless."""

    name: str
    zh: str
    en: str
    module: tuple[str, ...]
    contains: str | None = None


PLAIN = (
    Step("registry", "载入行政区划与机构", "divisions and authorities", ("services.registry.bootstrap",)),
    Step("operator", "建立本机操作员", "local operator", ("gateway.bootstrap",)),
)
DEMO = (
    Step(
        "demo_registry",
        "载入行政区划、机构与演示主体",
        "divisions, authorities, demo subjects",
        ("services.registry.bootstrap", "--demo"),
        contains="registry",
    ),
    Step("demo_staff", "建立演示人员", "demo staff", ("gateway.bootstrap", "--demo"), contains="operator"),
)


class OnceFailed(Exception):
    """A step did not work; it will be tried again at the next start."""

    def __init__(self, step: str, code: int, text: str) -> None:
        super().__init__(f"{step}: exit {code}: {text.strip()[-400:]}")


async def run(home: Home, stack: Stack, screen: Screen) -> None:
    """Do whatever has not been done yet. Raises OnceFailed."""
    for step in DEMO if stack.market_url else PLAIN:
        if home.done(step.name) is None:
            screen.status(step.name, step.zh, step.en)
            # What it prints goes straight to the terminal: one-time passwords must not land in a file.
            code, text = await _run(stack, step.module, capture=False)
            if code != 0:
                raise OnceFailed(step.name, code, text)
            if step.contains:
                home.record(step.contains, True)
            home.record(step.name, True)
    if stack.market_url and home.done("first_capture") is None:
        home.record("first_capture", await _first_capture(home, stack, screen, stack.market_url))


async def _first_capture(home: Home, stack: Stack, screen: Screen, market: str) -> dict[str, Any]:
    """The main job once: capture a demo listing and verify it offline. Returns its three numbers."""
    from infra.demo_market import catalogue

    package = home.home / "first" / "first.wacz"
    trust = package.with_name("trust.json")
    package.parent.mkdir(parents=True, exist_ok=True)
    package.unlink(missing_ok=True)
    url = catalogue.featured_url(market)
    screen.status("first", f"首次取证 {url}", "first capture")
    sealed = await _json(stack, "capture", ("wangjian", "capture", url, "--out", str(package), "--json"))
    await _checked(stack, "trust", ("wangjian", "trust", "export", "--out", str(trust)))
    verdict = ("wangjian", "verify", str(package), "--trust", str(trust), "--json")
    report = await _json(stack, "verify", verdict)
    screen.line(f"         证据编号 evidence  {sealed['evidence_no']}")
    screen.line(f"         SHA-256            {sealed['sha256']}")
    screen.line(f"         SM3                {sealed['sm3']}")
    screen.line(f"         离线核验 verified   {report['verdict']}")
    screen.line(f"         wangjian verify {package} --trust {trust}")
    return {name: sealed[name] for name in ("evidence_no", "sha256", "sm3")}


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
    said = b"" if out is None else out if code == 0 else out + err
    return code, said.decode("utf-8", "replace")
