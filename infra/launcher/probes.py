"""Ways to learn whether a child is ready: it answers over HTTP, it listens, it has written its ready file."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

Probe = Callable[[], Awaitable[bool]]
PATIENCE = 5.0
"""Seconds one question may take; a slow answer counts as not ready and is asked again."""


def http(url: str, path: str = "/health/ready") -> Probe:
    """Ready when GET `path` answers 200. `url` is `unix:/path.sock` or `http://host:port`."""

    async def ask() -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await _open(url)
                try:
                    writer.write(
                        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                    )
                    await writer.drain()
                    status = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False  # not listening yet, or not answering in time
        return status.split(b" ")[1:2] == [b"200"]

    return ask


def listens(url: str) -> Probe:
    """Ready when something accepts a connection at `url`."""

    async def ask() -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await _open(url)
        except (OSError, TimeoutError):
            return False  # nobody there yet
        writer.close()
        return True

    return ask


def blocking(question: Callable[[], bool]) -> Probe:
    """A plain function as a probe, asked in a thread so that it holds nobody up."""

    async def ask() -> bool:
        return await asyncio.to_thread(question)

    return ask


def file_exists(path: Path) -> Probe:
    """Ready when the child has written `path` (which the launcher removes before each start)."""
    return blocking(path.exists)


async def _open(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if url.startswith("unix:"):
        return await asyncio.open_unix_connection(url.removeprefix("unix:"))
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or 80)
