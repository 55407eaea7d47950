"""Where batches are prepared: a few processes for a long list, a thread for a short one."""

import asyncio
import gc
import os
import pickle
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.connection import wait
from typing import Final

from services.registry.imports.taking.batches import Batch, Prepared, Setting
from services.registry.imports.taking.rows import RowMaker

MOST: Final = 8
_POLITE: Final = 10
_OBJECTS: Final = 200_000  # about a batch: rows hold no cycles, so looking for them oftener costs a fifth
_maker: RowMaker | None = None


class Pool:
    """Prepares batches of one import. processes: 0 for a thread of this one."""

    def __init__(self, setting: Setting, processes: int) -> None:
        self._executor: ProcessPoolExecutor | None = None
        self._maker: RowMaker | None = None
        if processes:
            warm_up()
            context = get_context("forkserver")
            self._executor = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(setting,))
        else:
            self._maker = RowMaker(setting)

    async def submit(self, batch: Batch) -> "asyncio.Future[Prepared]":
        """Prepare a batch; what a dead process leaves is an error of the result (BrokenProcessPool)."""
        if self._executor is not None:
            # In a thread: the first one starts the processes.
            return asyncio.wrap_future(await asyncio.to_thread(self._send, self._executor, batch))
        assert self._maker is not None  # noqa: S101 - one of the two is there
        return asyncio.ensure_future(asyncio.to_thread(self._maker.make, batch))

    @staticmethod
    def _send(executor: ProcessPoolExecutor, batch: Batch) -> Future[Prepared]:
        # Packed here: batches wait as bytes, not as a hundred thousand objects the collector goes through.
        return executor.submit(_make, pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))

    def close(self) -> None:
        """End the processes; what waits is dropped."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)


def warm_up() -> None:
    """Start, without waiting for it, the process others are forked from; once for the life of this one.

    A fork of this process would copy locks and connections: that one has only the rules.
    """
    forkserver.set_forkserver_preload([RowMaker.__module__])
    forkserver.ensure_running()


def processes_for(rows: int, batch: int) -> int:
    """How many processes a list of so many rows is worth (0: starting one costs more than it saves)."""
    if rows <= 2 * batch:
        return 0
    return max(1, min(MOST, os.cpu_count() or 1, rows // batch))


def _begin(setting: Setting) -> None:
    global _maker  # noqa: PLW0603 - one for the life of the process
    os.nice(_POLITE)  # people at their screens go before
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _maker = RowMaker(setting)
    gc.freeze()
    gc.set_threshold(_OBJECTS)


def _end_with_parent() -> None:
    """A killed parent leaves nobody to tell its children: they look themselves."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(packed: bytes) -> Prepared:
    assert _maker is not None  # noqa: S101 - _begin ran first
    batch: Batch = pickle.loads(packed)  # noqa: S301 - of the process that started this one
    return _maker.make(batch)
