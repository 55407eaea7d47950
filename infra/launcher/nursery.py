"""A process that has imported what all children need, and forks them: 0.3 s a child instead of 3 s.

    launcher ── nursery (imports once, then waits)
        └────── child (forked twice by the nursery, so that the kernel hands it to the launcher)

The launcher is a child subreaper, prctl(2), so an orphaned grandchild becomes its own child: it waits for it,
signals it and restarts it as any other. The nursery runs no thread, no loop and holds no connection: a
fork copies modules, nothing else.
Requests and answers are JSON lines on its standard input and output:
{"argv": ["module", …], "env": {…}, "log": "path"} → {"pid": 123}
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback
from typing import Any, NoReturn

from setproctitle import setproctitle

PR_SET_PDEATHSIG = 1

PRELOADED = (
    "uvicorn.main",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "httptools",
    "fastapi",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
    "alembic.command",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "kombu.transport.redis",
    "redis.asyncio",
    "aiohttp.web",
    "httpx",
    "structlog",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "joserfc.jwt",
    "services.common.app",
    "services.common.client",
    "services.common.migrate",
    "services.common.outbox",
    "services.common.paging",
    "services.common.queue",
    "services.common.scope",
    "services.common.dsse",
)
"""Only what is common to all: a service's own modules register handlers and must not meet another's."""


def main() -> int:
    """Serve requests until standard input ends."""
    launcher = os.getppid()
    setproctitle("wangjian nursery")  # before any change of the environment, by which it finds its place
    missing = preload()
    gc.collect()
    gc.freeze()  # the collector of a child would otherwise touch, and so copy, every shared page
    _answer({"ready": os.getpid(), "missing": missing})
    for line in sys.stdin:
        _answer({"pid": _fork(json.loads(line), launcher)})
    return 0


def preload() -> list[str]:
    """Import the common modules; gives the names of those this installation lacks."""
    missing = []
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            missing.append(name)
    return missing


def _answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _fork(request: dict[str, Any], launcher: int) -> int:
    """Fork twice; the middle one ends at once, so the kernel gives the last one to the launcher."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.close(writing)
            _become(request, launcher)
        os.write(writing, str(child).encode())
        os._exit(0)
    os.close(writing)
    pid = int(os.read(reading, 32))
    os.close(reading)
    os.waitpid(middle, 0)
    return pid


def _become(request: dict[str, Any], launcher: int) -> NoReturn:
    """In the last fork: be a process of its own and run the module as `python -m` would."""
    code = 1
    try:
        os.setsid()
        _end_with(launcher)
        _redirect(request["log"])
        os.environ.clear()
        os.environ.update(request["env"])
        module, *arguments = request["argv"]
        setproctitle(f"wangjian {request['name']}")  # what ps shows
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # the process ends here, whatever it was, with its reason in the log
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    _finish(code)


def _finish(code: int) -> NoReturn:
    """End as the interpreter would: exit hooks and threads first."""
    import atexit
    import threading

    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(code)


def _end_with(launcher: int) -> None:
    """Once the launcher is our parent, ask the kernel for SIGTERM at its death."""
    deadline = time.monotonic() + 5
    while os.getppid() != launcher:
        if time.monotonic() > deadline:
            os._exit(1)  # the launcher died meanwhile, nobody wants us
        time.sleep(0.001)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != launcher:
        os._exit(1)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    # Not closed with their objects: a program may put others in their place, and must not free the numbers.
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


if __name__ == "__main__":
    sys.exit(main())
