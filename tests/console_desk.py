"""A person at the console: a real Chromium that notes every policy violation, error and missing text."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

CONSOLE = Path(__file__).parents[1] / "web" / "console"
AXE = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
# What the staff of the tests choose at their first sign-in.
CHOSEN = "Lan-Hua-2026-Qingshan"
_HAVE_CHOSEN: set[tuple[str, str]] = set()

_LISTEN = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile));
"""

_AT_REST = """
() => document.getAnimations().every((one) =>
  one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)
"""


@dataclass
class Person:
    """One browser context. `faults`: CSP violations, missing texts and errors of the console, in order."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the page complains about; refused requests (4xx, 5xx) are answers, not faults."""
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    async def open(self, path: str) -> None:
        """Open a screen by its address and wait until it is no longer loading."""
        await self.page.goto(self.base + path)
        await self.settled()

    async def settled(self) -> None:
        """Wait until no part of the screen is loading."""
        await expect(self.page.locator("h1").first).to_be_visible()
        await expect(self.page.locator("[data-loading]")).to_have_count(0)

    async def sign_in(self, username: str, one_time: str) -> None:
        """Sign in, choosing a password at the first time; ends on the workbench."""
        page = self.page
        await page.goto(self.base + "/sign-in")
        # A wrong guess counts towards the lockout, so the likelier password goes first.
        known = (self.base, username) in _HAVE_CHOSEN
        for password in (CHOSEN, one_time) if known else (one_time, CHOSEN):
            await page.fill("[name=username]", username)
            await page.fill("[name=password]", password)
            await page.keyboard.press("Enter")
            came = page.locator("header.top-bar, [name=next], [data-test=problem]")
            await expect(came.first).to_be_visible()
            if await page.locator("[data-test=problem]").count() == 0:
                break
        if await page.locator("[name=next]").count():
            await page.fill("[name=current]", one_time)
            await page.fill("[name=next]", CHOSEN)
            await page.fill("[name=again]", CHOSEN)
            await page.keyboard.press("Enter")
        await expect(page.locator("header.top-bar")).to_be_visible()
        _HAVE_CHOSEN.add((self.base, username))

    async def sign_out(self) -> None:
        """Sign out by the user menu."""
        await self.page.click("[data-test=user-menu]")
        await self.page.click("[data-test=sign-out]")
        await expect(self.page.locator("[name=username]")).to_be_visible()

    async def tab_to(self, selector: str, at_most: int = 80) -> None:
        """Press Tab until the first element of the selector has the focus."""
        for _ in range(at_most):
            await self.page.keyboard.press("Tab")
            if await self.page.evaluate("(s) => document.activeElement?.matches(s) ?? false", selector):
                return
        raise AssertionError(f"{selector} cannot be reached with {at_most} presses of Tab")

    async def barriers(self) -> list[str]:
        """What axe calls serious or critical on the present screen.

        The script is evaluated in the page's world, not added to the document, so that the page's own
        content security policy stays in force while it runs.
        """
        await self.page.wait_for_function(_AT_REST)  # a text that fades in has no contrast yet
        if not await self.page.evaluate("() => 'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate(
            "() => axe.run(document, {resultTypes: ['violations'], runOnly: "
            "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        )
        return [
            f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    async def check(self, screen: str) -> None:
        """The screen has no barrier, does not spill over its width, and nothing complained."""
        barriers = await self.barriers()
        assert not barriers, f"{screen}: {barriers}"
        wide, room = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room, f"{screen}: {wide} px in a window of {room} px"
        assert self.faults == [], screen


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium; only our own pages are opened, and as root its sandbox cannot start."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=os.environ.get("WANGJIAN_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield chromium
        await chromium.close()


@asynccontextmanager
async def person(chromium: Browser, base: str, width: int = 1280, height: int = 800) -> AsyncIterator[Person]:
    """A person with a browser of their own: no cookies, Chinese first."""
    context = await chromium.new_context(
        viewport={"width": width, "height": height}, locale="zh-CN", accept_downloads=True
    )
    context.set_default_timeout(20_000)
    await context.add_init_script(_LISTEN)
    page = await context.new_page()
    someone = Person(page, base)
    page.on("console", someone.hear)
    page.on("pageerror", lambda error: someone.faults.append(f"page error: {error}"))
    try:
        yield someone
    finally:
        await context.close()
