"""One warm Chromium a worker, in the jail; every capture gets a browsing context of its own."""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from playwright.async_api import Error as BrowserError

from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.probe import JailMode, probe
from services.crawler.jail.scratch import close_scratch, end_browser, open_scratch
from services.crawler.settings import CaptureLimits, CrawlerSettings

log = structlog.get_logger()

WRAPPER = Path(__file__).with_name("wrapper.sh")
LOCALE, TIMEZONE = "zh-CN", "Asia/Shanghai"
_LAUNCH_SECONDS = 30
_CLOSE_SECONDS = 10
ARGUMENTS = [
    "--disable-quic",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--disable-gpu",
    "--disable-print-preview",
    "--deny-permission-prompts",
    # What the browser would ask its maker about the page.
    "--disable-features=AutofillServerCommunication,OptimizationHints,Translate,InterestFeedV2",
]


@dataclass(frozen=True)
class BrowserFacts:
    """What the manifest says about the browser."""

    product: str
    revision: str
    user_agent: str
    arguments: list[str]


class JailedBrowser:
    """Hands out contexts; replaces the browser after a crash or every `browser_every` captures."""

    def __init__(
        self, home: Path, proxy: EgressProxy, settings: CrawlerSettings, limits: CaptureLimits
    ) -> None:
        self._home, self._proxy, self._settings, self._limits = home, proxy, settings, limits
        self.mode: JailMode = JailMode("proxy-only", sandbox=False, why="not started")
        self.facts: BrowserFacts | None = None
        self.environment: dict[str, str] = {}
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._scratch: Path | None = None
        self._tcp_port: int | None = None
        self._served = 0

    @property
    def proxy_address(self) -> Path | tuple[str, int]:
        """Where the egress proxy listens."""
        if self._tcp_port is not None:
            return ("127.0.0.1", self._tcp_port)
        return self._folder / "egress.sock"

    @property
    def _folder(self) -> Path:
        if self._scratch is None:
            raise RuntimeError("the browser was not started")
        return self._scratch

    async def start(self) -> None:
        """Probe the kernel, open the proxy, start the driver and the browser. Raises playwright's Error."""
        self.mode = await asyncio.to_thread(probe, self._settings.jail, self._settings.browser_uid)
        self._scratch = await asyncio.to_thread(open_scratch, self._home)
        if self.mode.name == "namespace":
            owner = self._settings.browser_uid if os.getuid() == 0 else None
            await self._proxy.listen_unix(self._folder / "egress.sock", owner=owner)
        else:
            self._tcp_port = await self._proxy.listen_tcp()
        await asyncio.to_thread(self._make_temporary)
        self._playwright = await _start_driver(self._folder)
        await self._launch()
        log.info("jail.ready", **self.mode.facts())

    def _make_temporary(self) -> None:
        """A short folder for the browser's own sockets: their paths may have 107 bytes only."""
        folder = self._folder / "t"
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(folder, self._settings.browser_uid, self._settings.browser_uid)

    async def _launch(self) -> None:
        try:
            self._browser = await self._launch_with(self.mode.sandbox)
        except BrowserError:
            if self.mode.name == "namespace":
                raise
            # Without namespaces Chromium's own sandbox may have nothing to stand on. Said in every manifest.
            self._browser = await self._launch_with(sandbox=False)
            self.mode = replace(self.mode, sandbox=False)
        self._served = 0
        session = await self._browser.new_browser_cdp_session()
        told = await session.send("Browser.getVersion")
        await session.detach()
        self.facts = BrowserFacts(told["product"], told["revision"], told["userAgent"], ARGUMENTS)

    async def _launch_with(self, sandbox: bool) -> Browser:
        if self._playwright is None:
            raise RuntimeError("the driver was not started")
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "TZ": TIMEZONE,
            "WJ_JAIL": self.mode.name,
            "WJ_PROXY_SOCK": str(self._folder / "egress.sock"),
            "WJ_PROXY_TCP": f"127.0.0.1:{self._tcp_port}",
            "WJ_CHROMIUM": str(self._settings.chromium),
            "WJ_PIDFILE": str(self._folder / "browser.pid"),
            "WJ_TMP": str(self._folder / "t"),
            "WJ_UID": str(self._settings.browser_uid),
        }
        return await self._playwright.chromium.launch(
            executable_path=WRAPPER,
            chromium_sandbox=sandbox,
            args=ARGUMENTS,
            env={**self.environment},
            timeout=_LAUNCH_SECONDS * 1000,
        )

    async def open_context(self) -> tuple[BrowserContext, int]:
        """A fresh context, and how many were open before it (0 unless something was left behind)."""
        worn = self._served >= self._limits.browser_every
        if self._browser is None or not self._browser.is_connected() or worn:
            await self._restart()
        elif self._browser.contexts:
            # Something of an earlier capture is still open: never start beside it.
            await self._restart()
        try:
            return await self._new_context()
        except Exception as error:
            if not lost_browser(error):
                raise
            # It died between two captures: a new one gets one try, then the failure is real.
            await self._restart()
            return await self._new_context()

    async def _new_context(self) -> tuple[BrowserContext, int]:
        if self._browser is None:
            raise RuntimeError("the browser was not started")
        before = len(self._browser.contexts)
        context = await self._browser.new_context(
            viewport={"width": self._limits.width, "height": self._limits.height},
            device_scale_factor=1,
            locale=LOCALE,
            timezone_id=TIMEZONE,
            service_workers="block",
            accept_downloads=False,
        )
        self._served += 1
        return context, before

    async def close_context(self, context: BrowserContext) -> None:
        """Close a context; a browser that cannot do even that is replaced."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await context.close()
        except Exception as error:
            if not lost_browser(error):
                raise
            log.warning("jail.context_stuck")
            await self.discard()

    async def discard(self) -> None:
        """Kill the browser at once; the next capture starts a new one."""
        browser, self._browser = self._browser, None
        await asyncio.to_thread(end_browser, self._folder)
        if browser:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await browser.close()
            except Exception as error:
                if not lost_browser(error):
                    raise

    async def _restart(self) -> None:
        await self.discard()
        try:
            await self._launch()
        except Exception as error:
            if not lost_browser(error):
                raise
            # Perhaps it is the driver that died: with a new one the launch fails only for a real reason.
            log.warning("jail.driver_restarted", error=str(error)[:200])
            await self._stop_driver()
            self._playwright = await _start_driver(self._folder)
            await self._launch()

    async def _stop_driver(self) -> None:
        driver, self._playwright = self._playwright, None
        if driver:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await driver.stop()
            except Exception as error:
                if not lost_browser(error):
                    raise

    async def close(self) -> None:
        """End browser, driver and proxy and remove the scratch folder."""
        if self._scratch is None:
            return
        await self.discard()
        await self._stop_driver()
        await self._proxy.close()
        await asyncio.to_thread(close_scratch, self._folder)

    def describe(self) -> dict[str, Any]:
        """Browser and jail for the manifest."""
        if self.facts is None:
            raise RuntimeError("the browser was not started")
        return {
            "product": self.facts.product,
            "revision": self.facts.revision,
            "args": [*self.facts.arguments, *([] if self.mode.sandbox else ["--no-sandbox"])],
            **self.mode.facts(),
        }


def lost_browser(error: BaseException) -> bool:
    """Whether an error only says that browser or driver is gone or does not answer.

    Playwright raises its own Error for a lost browser, but a bare Exception once its driver process is gone.
    """
    return isinstance(error, BrowserError | TimeoutError) or type(error) is Exception


async def _start_driver(scratch: Path) -> Playwright:
    """Start Playwright's driver with its temporary files in `scratch` (it makes the profiles there)."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(scratch)
    try:
        return await async_playwright().start()
    finally:
        if before is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = before
