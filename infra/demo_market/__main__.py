"""Serves the demo market: `python -m infra.demo_market --port N [--tls-port M --tls-dir DIR]`."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn


class _Listener(uvicorn.Server):
    """A uvicorn server that leaves the signals to us, since two of them may run in one loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled once, for all listeners, in `_serve`."""
        yield


def _arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.demo_market", description="演示集市 / demo market")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=8081, help="port, 0 lets the system choose")
    parser.add_argument("--tls-port", type=int, help="also listen with TLS on this port (needs --tls-dir)")
    parser.add_argument("--tls-dir", type=Path, help="folder for the certificate chain, made at first start")
    parser.add_argument(
        "--write-ground-truth", action="store_true", help="rewrite ground_truth.json and stop"
    )
    given = parser.parse_args(argv)
    if not _loopback(given.host):
        parser.error(
            f"--host {given.host}: 演示集市只在本机回环地址上提供 / the demo market listens on loopback only"
        )
    if (given.tls_port is None) != (given.tls_dir is None):
        parser.error("--tls-port 与 --tls-dir 需同时给出 / --tls-port and --tls-dir go together")
    return given


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(128)  # from here on a visitor waits rather than being refused: `ready` below is true
    return sock


async def _serve(listeners: list[tuple[_Listener, socket.socket]]) -> None:
    def stop() -> None:
        for server, _ in listeners:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve(sockets=[sock]) for server, sock in listeners))


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; 0 on a clean end, 2 on a bad argument or a taken port."""
    given = _arguments(argv)
    if given.write_ground_truth:
        from infra.demo_market import ground_truth

        print(ground_truth.write())
        return 0
    from infra.demo_market import catalogue
    from infra.demo_market.app import create_app

    app = create_app()
    options: dict[str, Any] = {
        "log_level": "warning",
        "access_log": False,
        "timeout_graceful_shutdown": 2,
        "lifespan": "off",
    }
    try:
        plain = _bind(given.host, given.port)
        listeners = [(_Listener(uvicorn.Config(app, **options)), plain)]
        if given.tls_port is not None:
            from infra.demo_market.certificates import ensure

            names = ["localhost", "*.localhost", "market.localhost"]
            names += [shop.host for shop in catalogue.shops().values() if shop.is_site]
            chain, key = ensure(given.tls_dir, names)
            secured = uvicorn.Config(app, ssl_certfile=str(chain), ssl_keyfile=str(key), **options)
            listeners.append((_Listener(secured), _bind(given.host, given.tls_port)))
    except OSError as error:
        print(f"演示集市无法启动 / demo market cannot start: {error}", file=sys.stderr)
        return 2
    for (_, sock), scheme in zip(listeners, ("http", "https"), strict=False):
        print(f"ready {scheme}://{given.host}:{sock.getsockname()[1]}", flush=True)
    asyncio.run(_serve(listeners))
    return 0


if __name__ == "__main__":
    sys.exit(main())
