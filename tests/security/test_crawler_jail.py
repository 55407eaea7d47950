"""A page that tries every way out of the browser, in the jail and, as the control, without it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.jail.probe import probe
from services.crawler.settings import CaptureLimits, CrawlerSettings

pytestmark = pytest.mark.browser

ESCAPE = """<!doctype html><title>escape</title><body><script>
const T = '127.0.0.1:%(tcp)d', L = 'localhost:%(tcp)d', U = '127.0.0.1:%(udp)d';
const quiet = f => { try { const r = f(); if (r && r.catch) r.catch(() => {}); } catch (e) {} };
quiet(() => fetch('http://' + T + '/fetch', {mode: 'no-cors'}));
quiet(() => fetch('http://' + L + '/fetch-name', {mode: 'no-cors'}));
quiet(() => fetch('http://[::1]:%(tcp)d/fetch-v6', {mode: 'no-cors'}));
quiet(() => fetch('/to-inside', {mode: 'no-cors'}));
quiet(() => navigator.sendBeacon('http://' + T + '/beacon', 'x'));
quiet(() => { new Image().src = 'http://' + T + '/image'; });
quiet(() => { new WebSocket('ws://' + T + '/socket'); });
quiet(() => { new EventSource('http://' + T + '/events'); });
quiet(() => { const f = document.createElement('iframe'); f.src = 'http://' + T + '/frame';
  document.body.append(f); });
quiet(() => { const w = `fetch('http://${T}/worker', {mode: 'no-cors'})`;
  new Worker(URL.createObjectURL(new Blob([w]))); });
quiet(() => { const l = document.createElement('link'); l.rel = 'preconnect'; l.href = 'http://' + T;
  document.head.append(l); });
quiet(() => new WebTransport('https://' + U + '/').ready);
quiet(() => { const p = new RTCPeerConnection({iceServers: [{urls: 'stun:' + U}]}); p.createDataChannel('x');
  p.createOffer().then(o => p.setLocalDescription(o)); });
</script>"""


@dataclass
class Listener:
    """Ports on the machine's own loopback that no captured page may reach."""

    tcp: int = 0
    udp: int = 0
    hits: Counter[str] = field(default_factory=Counter)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, hit: Callable[[str], None]) -> None:
        self._hit = hit

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._hit("udp")


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()

    def hit(kind: str) -> None:
        listener.hits[kind] += 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hit("tcp")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.tcp = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(hit), local_addr=("127.0.0.1", 0)
    )
    listener.udp = transport.get_extra_info("sockname")[1]
    yield listener
    server.close()
    transport.close()


@contextlib.asynccontextmanager
async def hostile_site(listener: Listener) -> AsyncIterator[int]:
    """A site that serves the page and redirects inside."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/to-inside" in head:
                place = f"Location: http://127.0.0.1:{listener.tcp}/redirect\r\n"
                writer.write(
                    f"HTTP/1.1 302 x\r\n{place}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
            else:
                body = (ESCAPE % {"tcp": listener.tcp, "udp": listener.udp}).encode()
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def visit(page: Page, port: int) -> None:
    await page.goto(f"http://127.0.0.1:{port}/", wait_until="load")
    await asyncio.sleep(1.5)


async def test_no_way_out_of_the_jail(tmp_path: Path) -> None:
    async with listening() as listener, hostile_site(listener) as port:
        proxy = EgressProxy([("127.0.0.1", port)])
        jail = JailedBrowser(tmp_path, proxy, CrawlerSettings(), CaptureLimits())
        await jail.start()
        try:
            assert (jail.mode.name, jail.mode.sandbox) == ("namespace", True)
            ledger = proxy.begin("c", max_bytes=10**7, seconds=60)
            context, _ = await jail.open_context()
            page = await context.new_page()
            await visit(page, port)
            assert await page.title() == "escape"
            assert not listener.hits
            refused = [c for c in ledger.connections if c.verdict == "refused"]
            assert len(refused) >= 5, "the page did try"
            _check_processes(jail)
        finally:
            await jail.close()


def _check_processes(jail: JailedBrowser) -> None:
    """Renderers run under an unprivileged id, in another network, behind seccomp."""
    mark = str(jail._folder).encode()
    renderers = 0
    own_network = Path("/proc/self/ns/net").readlink()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes()
            if not folder.name.isdigit() or b"--type=renderer" not in line:
                continue
            status = dict(
                x.split(":\t", 1) for x in (folder / "status").read_text().splitlines() if ":\t" in x
            )
            parents = [folder]
            while parents[-1].name != "1" and mark not in (parents[-1] / "cmdline").read_bytes():
                ppid = next(
                    x.split()[1]
                    for x in (parents[-1] / "status").read_text().splitlines()
                    if x.startswith("PPid")
                )
                parents.append(Path("/proc") / ppid)
            if mark not in (parents[-1] / "cmdline").read_bytes():
                continue
            renderers += 1
            assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
            assert status["Uid"].split()[0] != "0"
            assert (folder / "ns/net").readlink() != own_network
    assert renderers, "no renderer was looked at"


async def test_control_without_the_jail_the_same_page_gets_out() -> None:
    async with listening() as listener, hostile_site(listener) as port, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CrawlerSettings().chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        await visit(page, port)
        await browser.close()
    assert listener.hits["tcp"] >= 5, "if nothing gets out without the jail, the other test shows nothing"
    assert listener.hits["udp"] >= 1


async def test_without_namespaces_the_proxy_alone_still_holds_and_it_is_said(tmp_path: Path) -> None:
    async with listening() as listener, hostile_site(listener) as port:
        proxy = EgressProxy([("127.0.0.1", port)])
        jail = JailedBrowser(tmp_path, proxy, CrawlerSettings(jail="proxy-only"), CaptureLimits())
        await jail.start()
        try:
            proxy.begin("c", max_bytes=10**7, seconds=60)
            context, _ = await jail.open_context()
            page = await context.new_page()
            await visit(page, port)
            assert not listener.hits
            said = jail.describe()
            assert (said["jail"], said["sandbox"], said["why"]) == (
                "proxy-only",
                True,
                "set by WANGJIAN_JAIL",
            )
        finally:
            await jail.close()


def test_the_probe_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    mode = probe("auto", 58702)
    assert mode.name == "proxy-only" and "socat" in mode.why


def test_the_proxys_socket_is_not_for_everyone(tmp_path: Path) -> None:
    async def look() -> int:
        proxy = EgressProxy([])
        await proxy.listen_unix(tmp_path / "e.sock")
        mode = (tmp_path / "e.sock").stat().st_mode & 0o777
        await proxy.close()
        return mode

    assert asyncio.run(look()) == 0o600
