"""The egress proxy against a hostile page's tricks with names, addresses, ports and sizes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from services.crawler.egress.ledger import Ledger
from services.crawler.egress.proxy import EgressProxy
from services.crawler.egress.resolver import system_resolver
from services.crawler.egress.rules import Address
from tests.crawler_site import Site, running_site

NAMES: dict[str, list[list[str]]] = {
    "inside.test": [["10.0.0.5"]],
    "metadata.test": [["169.254.169.254"]],
    "mixed.test": [["93.184.216.34", "127.0.0.1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "nat64.test": [["64:ff9b::7f00:1"]],
    "sixtofour.test": [["2002:7f00:1::"]],
    "multicast.test": [["224.0.0.1"]],
    # First public, later inside: what DNS rebinding does.
    "rebinding.test": [["127.0.0.1"], ["10.0.0.5"]],
}


class Names:
    """A resolver of our own: gives the next answer each time a name is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[Address]:
        if host not in NAMES:
            return await system_resolver(host)
        answers = NAMES[host][min(self.asked.count(host), len(NAMES[host]) - 1)]
        self.asked.append(host)
        return [ip_address(a) for a in answers]


class Way:
    """A proxy with one capture open, and a client like the browser's forwarder."""

    def __init__(self, proxy: EgressProxy, socket: Path, ledger: Ledger, site: Site, names: Names) -> None:
        self.proxy, self.socket, self.ledger, self.site, self.names = proxy, socket, ledger, site, names

    async def send(self, request: str) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(request.encode())
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(-1 if "GET" in request else 200), 5)
        return b""

    async def get(self, url: str) -> bytes:
        host = url.split("/")[2]
        return await self.send(f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")

    async def connect(self, authority: str) -> bytes:
        return await self.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")

    @property
    def last(self) -> str:
        entry = self.ledger.connections[-1]
        return f"{entry.verdict} {entry.reason or ''}".strip()


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    names = Names()
    async with running_site() as site:
        proxy = EgressProxy([("shop.localhost", site.port), ("rebinding.test", site.port)], resolver=names)
        await proxy.listen_unix(tmp_path / "e.sock")
        ledger = proxy.begin("c1", max_bytes=5_000_000, seconds=30)
        yield Way(proxy, tmp_path / "e.sock", ledger, site, names)
        await proxy.close()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("inside.test", "private"), ("metadata.test", "link_local"), ("mixed.test", "loopback"),
        ("mapped.test", "mapped"), ("nat64.test", "translated"), ("sixtofour.test", "relay"),
        ("multicast.test", "multicast"), ("127.0.0.1", "loopback"), ("localhost", "loopback"),
        ("a.b.localhost", "loopback"), ("[::1]", "loopback"), ("0.1.2.3", "unspecified"),
        ("100.100.100.200", "carrier_nat"), ("192.168.1.1", "private"),
    ],
)  # fmt: skip
async def test_inner_addresses_are_refused_by_name_and_by_number(way: Way, host: str, reason: str) -> None:
    assert await way.get(f"http://{host}:{way.site.port}/") == b""
    assert way.last.startswith(f"refused {reason}")
    assert (await way.connect(f"{host}:{way.site.port}")).startswith(b"HTTP/1.1 502")
    assert way.last.startswith(f"refused {reason}")
    assert not way.site.hits


async def test_numbers_in_odd_forms_are_checked_after_resolution(way: Way) -> None:
    for odd in ("127.1", "0x7f000001", "2130706433", "0177.0.0.1"):
        await way.get(f"http://{odd}:{way.site.port}/")
        assert not way.last.startswith("allowed"), odd
    assert not way.site.hits


async def test_a_target_named_by_the_deployment_is_reached_and_only_there(way: Way) -> None:
    answer = await way.get(f"http://shop.localhost:{way.site.port}/gone")
    assert answer.startswith(b"HTTP/1.1 404") and way.site.hits["/gone"] == 1
    entry = way.ledger.connections[-1]
    assert (entry.peer, entry.answers, entry.verdict) == ("127.0.0.1", ["127.0.0.1"], "allowed")
    assert entry.bytes_down == len(answer) and entry.bytes_up > 0 and entry.requests == 1
    await way.get(f"http://shop.localhost:{way.site.port + 1}/")
    assert way.last.startswith("refused")


async def test_a_name_is_resolved_once_a_capture(way: Way) -> None:
    url = f"http://rebinding.test:{way.site.port}/gone"
    assert (await way.get(url)).startswith(b"HTTP/1.1 404")
    assert (await way.get(url)).startswith(b"HTTP/1.1 404")
    assert way.names.asked == ["rebinding.test"]
    assert way.ledger.lookups["rebinding.test"].answers == ["127.0.0.1"]
    way.proxy.end(way.ledger)
    later = way.proxy.begin("c2", max_bytes=10, seconds=30)
    await way.connect("rebinding.test:8443")
    assert later.connections[-1].reason == "private 10.0.0.5", "the next capture asks anew and checks anew"


@pytest.mark.parametrize("port", [22, 25, 445, 993])
async def test_ports_that_are_no_web_ports(way: Way, port: int) -> None:
    assert (await way.connect(f"93.184.216.34:{port}")).startswith(b"HTTP/1.1 502")
    assert way.last == "refused port"


async def test_what_does_not_resolve_or_answer_is_said_so(way: Way) -> None:
    await way.get("http://no-such-name.invalid/")
    assert way.last.startswith("dns_failed")
    way.proxy._allow = (*way.proxy._allow, ("127.0.0.1", 9))
    await way.connect("127.0.0.1:9")
    assert way.last == "connect_failed Connection refused"


async def test_the_byte_limit_cuts_every_connection(way: Way) -> None:
    answer = await way.get(f"http://shop.localhost:{way.site.port}/gib")
    assert 4_000_000 < len(answer) < 8_000_000
    assert (way.ledger.limit, way.last) == ("bytes", "limit bytes")
    assert await way.get(f"http://shop.localhost:{way.site.port}/gone") == b""
    assert way.last == "limit bytes"


async def test_time_is_limited_too(way: Way) -> None:
    short = way.proxy.begin("c3", max_bytes=10_000, seconds=0.3)
    assert await way.get(f"http://shop.localhost:{way.site.port}/hang") == b""
    assert short.limit == "time"


async def test_between_captures_nothing_gets_out(way: Way) -> None:
    way.proxy.end(way.ledger)
    assert await way.get(f"http://shop.localhost:{way.site.port}/gone") == b""
    assert not way.site.hits


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT /etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", "\x00\x01\x02\r\n\r\n",
        "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)  # fmt: skip
async def test_nonsense_is_dropped_and_the_proxy_lives_on(way: Way, request_text: str) -> None:
    assert await way.send(request_text) == b""
    assert (await way.get(f"http://shop.localhost:{way.site.port}/gone")).startswith(b"HTTP/1.1 404")


async def test_one_connection_serves_many_requests_and_targets(way: Way) -> None:
    reader, writer = await asyncio.open_unix_connection(str(way.socket))
    for path in ("/gone", "/x.json", "/no-content", "/style.css"):
        url = f"http://shop.localhost:{way.site.port}{path}"
        writer.write(
            f"GET {url} HTTP/1.1\r\nHost: shop.localhost\r\nProxy-Connection: keep-alive\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        length = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length"))
        await reader.readexactly(length)
    assert [c.requests for c in way.ledger.connections] == [4]
    writer.close()
