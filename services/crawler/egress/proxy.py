"""The egress proxy: HTTP and CONNECT on a UNIX socket, for one capture at a time.

Resolves a name once per capture, checks every answer, dials a checked address, records everything. A
refused plain request is closed without an answer, so that no bytes of ours look like the site's.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import h11
import structlog

from services.common.clock import rfc3339, utc_now
from services.crawler.egress.ledger import Connection, Ledger, Lookup, Verdict
from services.crawler.egress.relay import CHUNK, Head, Upstream, Wire, exchange, read_head, tunnel
from services.crawler.egress.resolver import Resolver, system_resolver
from services.crawler.egress.rules import (
    Address,
    Target,
    allowed_by_name,
    first_refusal,
    parse_authority,
    port_refused,
)

log = structlog.get_logger()

_DIAL_SECONDS = 10.0
_RESOLVE_SECONDS = 10.0
_MAX_ADDRESSES = 4
_MAX_CONNECTIONS = 512


class _NotMadeError(Exception):
    """A connection that is not made, with the ledger's words for it."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict, self.reason = verdict, reason


class EgressProxy:
    """One proxy a worker. `allow` names host:port pairs that may lie in private networks."""

    def __init__(
        self,
        allow: Sequence[tuple[str, int]],
        *,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._allow = tuple(allow)
        self._resolver = resolver
        self._servers: list[asyncio.Server] = []
        self._ledger: Ledger | None = None
        self._names: dict[str, asyncio.Future[list[Address]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen_unix(self, path: Path, *, owner: int | None = None) -> None:
        """Listen on a UNIX socket that only `owner` (default: this user) may use."""
        server = await asyncio.start_unix_server(self._accept, str(path), limit=CHUNK)
        os.chmod(path, 0o600)  # noqa: PTH101 - one system call, nothing to wait for
        if owner is not None:
            os.chown(path, owner, owner)
        self._servers.append(server)

    async def listen_tcp(self) -> int:
        """Listen on a loopback port the system picks (for the mode without namespaces); gives the port."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def begin(self, capture_id: str, *, max_bytes: int, seconds: float) -> Ledger:
        """Start a capture: from now every connection is written to its ledger and counts to its limits."""
        if self._ledger is not None:
            self.end(self._ledger)
        ledger = self._ledger = Ledger(capture_id, max_bytes=max_bytes, seconds=seconds)
        self._names = {}
        self._timer = asyncio.get_running_loop().call_later(seconds, lambda: ledger.stop("time"))
        return ledger

    def end(self, ledger: Ledger) -> None:
        """End a capture: its connections are cut; until the next one begins nothing gets out."""
        ledger.stop("ended")
        if self._ledger is ledger:
            self._ledger = None
            if self._timer:
                self._timer.cancel()

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._ledger:
            self.end(self._ledger)
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(Wire(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, browser: Wire) -> None:
        ledger, upstream = self._ledger, None
        try:
            if ledger is None or len(self._tasks) > _MAX_CONNECTIONS:
                return
            while head := await read_head(browser):
                if head.request.method == b"CONNECT":
                    await self._serve_tunnel(browser, head, ledger)
                    return
                upstream, again = await self._serve_http(browser, head, ledger, upstream)
                if not again:
                    return
        except (h11.RemoteProtocolError, h11.LocalProtocolError, ValueError, OSError) as error:
            log.info("egress.dropped", error=str(error)[:200])
        finally:
            if upstream and ledger:
                self._release(ledger, upstream)
            with contextlib.suppress(OSError):
                browser.writer.close()

    async def _serve_tunnel(self, browser: Wire, head: Head, ledger: Ledger) -> None:
        target = parse_authority(head.request.target.decode("ascii"), 443)
        upstream = await self._connect(ledger, target, "tunnel", browser.close)
        if upstream is None:
            browser.writer.write(b"HTTP/1.1 502 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await browser.writer.drain()
            return
        browser.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await browser.writer.drain()
        try:
            await tunnel(browser, upstream, ledger, head.parser.trailing_data[0])
        finally:
            self._release(ledger, upstream)

    async def _serve_http(
        self, browser: Wire, head: Head, ledger: Ledger, upstream: Upstream | None
    ) -> tuple[Upstream | None, bool]:
        """One plain request, over `upstream` if it goes to the same place; gives it and whether to go on."""
        url = urlsplit(head.request.target.decode("ascii"))
        if url.scheme != "http" or not url.netloc:
            raise ValueError(f"not an absolute http request: {url.scheme!r}")
        target = parse_authority(url.netloc.rpartition("@")[2], 80)
        if upstream and upstream.entry.target != target:
            self._release(ledger, upstream)
            upstream = None
        if upstream is None:
            upstream = await self._connect(ledger, target, "http", browser.close)
        if upstream is None:
            return None, False
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        return upstream, await exchange(browser, head, path.encode("ascii"), upstream, ledger)

    def _release(self, ledger: Ledger, upstream: Upstream) -> None:
        ledger.finish(upstream.entry)
        upstream.wire.close()

    async def _connect(
        self, ledger: Ledger, target: Target, kind: Literal["tunnel", "http"], cut: Callable[[], None]
    ) -> Upstream | None:
        """Check a target and dial it; None when that was refused or failed, with the reason in the ledger."""
        entry = ledger.open(target, kind)
        try:
            answers = await self._check(ledger, entry, target)
            wire = await _dial(entry, answers)
        except _NotMadeError as error:
            ledger.refuse(entry, error.verdict, error.reason)
            return None
        ledger.on_cut(entry, partial(_cut_both, wire, cut))
        return Upstream(entry, wire)

    async def _check(self, ledger: Ledger, entry: Connection, target: Target) -> list[Address]:
        """Every address of a target, all of them fit to be dialled. Raises _NotMadeError."""
        if ledger.spent:
            raise _NotMadeError("limit", ledger.spent)
        named = allowed_by_name(target, self._allow)
        if not named and port_refused(target.port):
            raise _NotMadeError("refused", "port")
        try:
            answers = await self._resolve(ledger, target.host)
        except OSError as error:
            raise _NotMadeError("dns_failed", error.strerror or "no answer") from error
        entry.answers = [str(a) for a in answers]
        bad = None if named else first_refusal(answers)
        if bad:
            raise _NotMadeError("refused", f"{bad[1]} {bad[0]}")
        return answers

    async def _resolve(self, ledger: Ledger, host: str) -> list[Address]:
        """All answers for a name: asked once a capture, however often the page names it (no rebinding)."""
        known = self._names.get(host)
        if known is None:
            known = self._names[host] = asyncio.ensure_future(self._look_up(ledger, host))
        return await asyncio.shield(known)

    async def _look_up(self, ledger: Ledger, host: str) -> list[Address]:
        lookup = ledger.lookups[host] = Lookup(host, [], rfc3339(utc_now()))
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                answers = await self._resolver(host)
            if not answers:
                raise OSError(0, "no answer")
        except OSError as error:
            lookup.error = error.strerror or "timeout"
            raise OSError(0, lookup.error) from error
        lookup.answers = [str(a) for a in answers]
        return answers


async def _dial(entry: Connection, answers: Sequence[Address]) -> Wire:
    problem = "no address"
    for address in answers[:_MAX_ADDRESSES]:
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                wire = Wire(*await asyncio.open_connection(str(address), entry.port, limit=CHUNK))
            entry.peer = str(address)
            return wire
        except TimeoutError:
            problem = "timeout"
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else "failed"
    raise _NotMadeError("connect_failed", problem)


def _cut_both(wire: Wire, cut: Callable[[], None]) -> None:
    wire.close()
    cut()
