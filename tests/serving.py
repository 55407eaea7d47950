"""Run an application of ours on a real UNIX socket in this process, as uvicorn runs it in production."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI


@contextmanager
def serving(app: FastAPI, socket: Path) -> Iterator[Path]:
    """Serve `app` on `socket` while the block runs."""
    socket.unlink(missing_ok=True)
    server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 15
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise RuntimeError(f"{app.title} did not start")
        time.sleep(0.02)
    try:
        yield socket
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        socket.unlink(missing_ok=True)
