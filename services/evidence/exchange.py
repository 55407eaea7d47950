"""HTTP/1.1 exchanges that a seal waits for, over kept-open connections of our own.

A general client costs more processor time for each than the custodian's answer takes; here httptools parses
the answer, and what is sent goes straight to the socket. For calls and answers of at most a few MB.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urlsplit

import httptools

_CONNECT_SECONDS = 3.0
_MOST_BYTES = 16 << 20

Answer = tuple[int, bytes]
"""Status and body."""


class BrokenOffError(ConnectionError):
    """There is no connection, the other side closed it, or it does not speak HTTP."""


class _Connection(asyncio.Protocol):
    """One connection: what is written is sent at once; `answer` comes true when an answer is complete."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.lost = False
        self._begin()

    def _begin(self) -> None:
        self._body, self._size, self._keeps = list[bytes](), 0, False
        self._parser = httptools.HttpResponseParser(self)
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the answer's body."""
        self._size += len(body)
        if self._size > _MOST_BYTES:
            self.transport.abort()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools: the answer's end; only here it knows whether the connection stays."""
        self._keeps = self._parser.should_keep_alive()
        if not self.answer.done():
            self.answer.set_result((self._parser.get_status_code(), b"".join(self._body)))

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self.answer.done():
            self.answer.set_exception(BrokenOffError("closed without an answer"))
            # It may be one nobody waits for.
            self.answer.exception()

    def again(self) -> bool:
        """Make ready for another exchange; False when this connection takes none."""
        if self.lost or not self._keeps:
            return False
        self._begin()
        return True


class Exchanges:
    """Exchanges with one peer at `unix:/path` or `http(s)://host:port/base`."""

    def __init__(self, url: str) -> None:
        self._unix = url.removeprefix("unix:") if url.startswith("unix:") else ""
        where = urlsplit("http://custodian" if self._unix else url)
        self._tls = ssl.create_default_context() if where.scheme == "https" else None
        self._host, self._port = where.hostname or "", where.port or (443 if self._tls else 80)
        self._base = where.path.rstrip("/")
        self._name = where.netloc.rpartition("@")[2]
        self._idle: list[_Connection] = []

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().transport.abort()

    async def call(self, method: str, path: str, body: bytes, seconds: float) -> Answer:
        """One exchange; sent twice when a kept connection turns out to be closed, so only for what may be.

        Raises BrokenOffError, TimeoutError.
        """
        head = self._head(method, path, f"content-length: {len(body)}")
        async with asyncio.timeout(seconds):
            while True:
                kept = bool(self._idle)
                connection = await self._connection()
                connection.transport.write(head + body)
                try:
                    found = await connection.answer
                except BrokenOffError:
                    if not kept:
                        raise
                    continue
                except BaseException:
                    connection.transport.abort()
                    raise
                self._give_back(connection)
                return found

    async def put(self, path: str, pieces: AsyncIterator[bytes], seconds: float) -> Answer:
        """Put a body piece by piece on a new connection, in chunks: it begins before it is known how it ends.

        seconds: how long the answer is waited for after the end. Raises BrokenOffError, TimeoutError, and
        what `pieces` raises: then the body never ends.
        """
        connection = await self._connect()
        try:
            connection.transport.write(self._head("PUT", path, "transfer-encoding: chunked"))
            async for piece in pieces:
                if connection.answer.done():
                    break
                if piece:
                    connection.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.transport.write(b"0\r\n\r\n")
            async with asyncio.timeout(seconds):
                return await connection.answer
        finally:
            connection.transport.abort()

    def _head(self, method: str, path: str, framing: str) -> bytes:
        return f"{method} {self._base}{path} HTTP/1.1\r\nhost: {self._name}\r\n{framing}\r\n\r\n".encode()

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        return await self._connect()

    def _give_back(self, connection: _Connection) -> None:
        if connection.again():
            self._idle.append(connection)
        else:
            connection.transport.abort()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if self._unix:
                    return (await loop.create_unix_connection(_Connection, self._unix))[1]
                return (await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls))[1]
        except OSError as error:
            raise BrokenOffError(f"no connection: {error}") from error
