"""Moving bytes between browser and site unchanged, counting them."""

import asyncio
import contextlib
from dataclasses import dataclass

import h11

from services.crawler.egress.ledger import Connection, Ledger

CHUNK = 65536
_HEAD_LIMIT = 262_144
# Headers that speak to a proxy, not to the site (RFC 9110 §7.6.1, RFC 9112 appendix C.2.2).
_HOP_BY_HOP = {b"proxy-connection", b"proxy-authorization", b"connection", b"keep-alive", b"te", b"upgrade"}


@dataclass
class Wire:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        """Drop the connection at once."""
        with contextlib.suppress(RuntimeError):
            self.writer.transport.abort()


@dataclass
class Upstream:
    """A connection to a site that passed the check."""

    entry: Connection
    wire: Wire


@dataclass
class Head:
    """A request's head as the browser sent it, and its parser for the body."""

    request: h11.Request
    parser: h11.Connection


async def read_head(browser: Wire) -> Head | None:
    """The next request head from the browser; None when it closed. Raises h11.RemoteProtocolError."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Request):
            return Head(event, parser)
        if isinstance(event, h11.ConnectionClosed):
            return None
        parser.receive_data(await browser.reader.read(CHUNK))


async def tunnel(browser: Wire, upstream: Upstream, ledger: Ledger, early: bytes) -> None:
    """Pass bytes both ways until either side ends."""
    if early:
        upstream.entry.bytes_up += len(early)
        upstream.wire.writer.write(early)
    both = [
        asyncio.ensure_future(_up(browser, upstream)),
        asyncio.ensure_future(_down(upstream, browser, ledger)),
    ]
    try:
        # The site's end decides: after it nothing more can arrive for the page.
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _up(browser: Wire, upstream: Upstream) -> None:
    while data := await browser.reader.read(CHUNK):
        upstream.entry.bytes_up += len(data)
        upstream.wire.writer.write(data)
        await upstream.wire.writer.drain()


async def _down(upstream: Upstream, browser: Wire, ledger: Ledger) -> None:
    while data := await upstream.wire.reader.read(CHUNK):
        ledger.received(upstream.entry, len(data))
        browser.writer.write(data)
        await browser.writer.drain()


async def exchange(browser: Wire, head: Head, path: bytes, upstream: Upstream, ledger: Ledger) -> bool:
    """One plain HTTP request and its answer. Gives whether both connections can serve another one.

    The answer's bytes pass unchanged; they are parsed only to know where the answer ends.
    """
    upstream.entry.requests += 1
    site = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
    headers = [(k, v) for k, v in head.request.headers.raw_items() if k.lower() not in _HOP_BY_HOP]
    request = h11.Request(
        method=head.request.method, target=path, headers=[*headers, (b"Connection", b"keep-alive")]
    )
    await _send(upstream, site.send(request))
    while True:
        event = head.parser.next_event()
        if event is h11.NEED_DATA:
            data = await browser.reader.read(CHUNK)
            head.parser.receive_data(data)
        elif isinstance(event, h11.Data | h11.EndOfMessage):
            await _send(upstream, site.send(event))
            if isinstance(event, h11.EndOfMessage):
                break
        else:
            return False
    return await _answer(browser, site, upstream, ledger) and head.parser.their_state is h11.DONE


async def _send(upstream: Upstream, data: bytes | None) -> None:
    if data:
        upstream.entry.bytes_up += len(data)
        upstream.wire.writer.write(data)
        await upstream.wire.writer.drain()


async def _answer(browser: Wire, site: h11.Connection, upstream: Upstream, ledger: Ledger) -> bool:
    understood = True
    while data := await upstream.wire.reader.read(CHUNK):
        ledger.received(upstream.entry, len(data))
        browser.writer.write(data)
        await browser.writer.drain()
        if not understood:
            continue
        try:
            site.receive_data(data)
            while (event := site.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
                if isinstance(event, h11.EndOfMessage):
                    return site.our_state is h11.DONE and site.their_state is h11.DONE
        except h11.RemoteProtocolError:
            # Browsers forgive more than our parser: pass the rest on and let the connection's end be the end.
            understood = False
    return False
