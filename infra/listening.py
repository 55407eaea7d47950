"""Serving small aiohttp applications where the settings say: a UNIX socket or a TCP port."""

import asyncio
import signal
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web


def serve_app(
    app: web.Application, url: str, *, certificate: Path | None = None, key: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. url: `unix:/path.sock`, `http://host:port`, or `https://host:port` with
    a PEM certificate chain and key. Raises OSError and ValueError when these cannot be used."""
    if url.startswith("unix:"):
        web.run_app(app, path=url.removeprefix("unix:"), print=None, access_log=None)
        return
    where = urlsplit(url)
    context = None
    if where.scheme == "https":
        if certificate is None:
            raise ValueError("https needs a certificate")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    web.run_app(app, host=where.hostname, port=where.port, print=None, access_log=None, ssl_context=context)


def serve_apps(pairs: list[tuple[web.Application, str]]) -> None:
    """Serve several applications, each at its own URL, in one process until SIGTERM or SIGINT."""
    asyncio.run(_serve_until_told(pairs))


async def _serve_until_told(pairs: list[tuple[web.Application, str]]) -> None:
    told, runners = asyncio.Event(), []
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    try:
        for app, url in pairs:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
            await runner.setup()
            runners.append(runner)
            await _site(runner, url).start()
        await told.wait()
    finally:
        for runner in runners:
            await runner.cleanup()


def _site(runner: web.AppRunner, url: str) -> web.BaseSite:
    if url.startswith("unix:"):
        return web.UnixSite(runner, url.removeprefix("unix:"))
    where = urlsplit(url)
    return web.TCPSite(runner, where.hostname, where.port)
