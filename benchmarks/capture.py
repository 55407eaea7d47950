"""A full capture against bare navigation + full-page screenshot in a warm browser, same page, taken in turn.

The page: 40 pictures, about 1.9 MB, about 5,000 px high, plain HTTP on loopback. Ours runs in the jail
through the egress proxy and ends with all artefacts hashed, durable, listed in a signed manifest; no video.
"""

import asyncio
import contextlib
import random
import statistics
import struct
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from benchmarks.row import Row
from services.common.suites import generate
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.manifest.statement import Order, sign_statement
from services.crawler.recording.findings import Job
from services.crawler.recording.session import CaptureSession
from services.crawler.recording.spool import Spool
from services.crawler.settings import CaptureLimits, get_crawler_settings

ROUNDS = 9
PICTURES = 40


def _picture(seed: int) -> bytes:
    """A PNG of about 48 kB that does not compress."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(126 * 3) for _ in range(126))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 126, 126, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def _page() -> bytes:
    pictures = "".join(
        f"<figure><img src=/{n}.png width=300 height=420><figcaption>商品 {n} ¥{n}.90</figcaption></figure>"
        for n in range(PICTURES)
    )
    style = "body{margin:8px}figure{display:inline-block;margin:4px;width:300px}"
    return f"<!doctype html><meta charset=utf-8><title>商城</title><style>{style}</style>{pictures}".encode()


@contextlib.asynccontextmanager
async def _site() -> AsyncIterator[int]:
    files = {"/": (b"text/html", _page())}
    files |= {f"/{n}.png": (b"image/png", _picture(n)) for n in range(PICTURES)}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                kind, body = files.get(head.split(b" ")[1].decode(), (b"text/plain", b""))
                line = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                writer.write(line % (kind, len(body)) + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


async def _floor(browser: Browser, url: str, *, fast: bool) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(url, wait_until="load")
    if fast:
        cdp = await context.new_cdp_session(page)
        size = (await cdp.send("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": 1280, "height": size["height"], "scale": 1}
        options = {"format": "png", "optimizeForSpeed": True, "captureBeyondViewport": True, "clip": clip}
        await cdp.send("Page.captureScreenshot", options)
    else:
        await page.screenshot(full_page=True)
    await context.close()


async def _ours(
    jail: JailedBrowser, proxy: EgressProxy, limits: CaptureLimits, folder: Path, url: str
) -> None:
    spool = Spool(folder / "spool")
    spool.wipe()
    session = CaptureSession(Job("bench", url, "0" * 64), jail, proxy, spool, limits, lambda *_: None)
    recorded = await session.run()
    order = Order("bench", url, "", {"sub": "bench", "name": "bench", "org": ""}, "", "", 1)
    sign_statement(order, recorded, spool.artefacts, [generate("ed25519")])
    await asyncio.to_thread(spool.sync)
    if recorded.outcome.state != "COMPLETE":
        raise RuntimeError(f"the capture is {recorded.outcome}")


async def _timed(work: Callable[[], Awaitable[None]], into: list[float]) -> None:
    began = time.perf_counter()
    await work()
    into.append(time.perf_counter() - began)


async def _measure() -> list[Row]:
    limits, settings = CaptureLimits(), get_crawler_settings()
    plain: list[float] = []
    fast: list[float] = []
    ours: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wj-bench-")))
        port = await stack.enter_async_context(_site())
        url = f"http://127.0.0.1:{port}/"
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=settings.chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        stack.push_async_callback(browser.close)
        proxy = EgressProxy([("127.0.0.1", port)])
        jail = JailedBrowser(folder, proxy, settings, limits)
        stack.push_async_callback(jail.close)
        await jail.start()
        for number in range(ROUNDS + 1):
            sinks: tuple[list[float], ...] = (plain, fast, ours) if number else ([], [], [])
            await _timed(lambda: _floor(browser, url, fast=False), sinks[0])
            await _timed(lambda: _floor(browser, url, fast=True), sinks[1])
            await _timed(lambda: _ours(jail, proxy, limits, folder, url), sinks[2])
    own, spread = statistics.median(ours), f"{min(ours):.2f}-{max(ours):.2f} s in {ROUNDS} rounds"
    note = f"jailed ({jail.mode.name}), proxied, all artefacts durable, manifest signed; {spread}"
    return [
        Row("full capture", own, statistics.median(plain), "s",
            "new context, navigation, full-page screenshot (Playwright)", 2.0, note=note),
        Row("full capture, harder floor", own, statistics.median(fast), "s",
            "the same with the browser's fastest lossless PNG", 2.0),
    ]  # fmt: skip


def rows() -> list[Row]:
    """The benchmark's rows."""
    return asyncio.run(_measure())
