"""Serving a small aiohttp application where the settings say: a UNIX socket or a TCP port."""

from urllib.parse import urlsplit

from aiohttp import web


def serve_app(app: web.Application, url: str) -> None:
    """Serve until SIGTERM or SIGINT. url: `unix:/path.sock` or `http://host:port`."""
    if url.startswith("unix:"):
        web.run_app(app, path=url.removeprefix("unix:"), print=None, access_log=None)
        return
    where = urlsplit(url)
    web.run_app(app, host=where.hostname, port=where.port, print=None, access_log=None)
