"""A package on its way to a custodian never leaves a thread waiting for bytes that nobody will give."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from services.evidence.custodian import CustodianClient, Receipt
from services.evidence.items.handover import Handover
from services.evidence.objects.store import ObjectStore
from services.evidence.package.layout import Part
from services.evidence.package.transfer import AbandonedError


class _Custodian:
    """Takes the bytes as the real client does; `ended` says what came of it."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.error: BaseException | None = None

    async def store(self, evidence_id: str, blocks: Iterator[bytes]) -> Receipt:
        loop = asyncio.get_running_loop()

        def take() -> None:
            next(blocks)
            loop.call_soon_threadsafe(self.begun.set)
            for _ in blocks:
                raise AssertionError("nothing more was given")

        try:
            await asyncio.to_thread(take)
        except AbandonedError as error:
            self.error = error
            raise
        finally:
            self.ended.set()
        raise AssertionError("it ended")

    async def store_small(self, evidence_id: str, pieces: AsyncIterator[bytes]) -> Receipt:
        try:
            await anext(pieces)
            self.begun.set()
            await anext(pieces)
        except AbandonedError as error:
            self.error = error
            raise
        finally:
            self.ended.set()
        raise AssertionError("nothing more was given")


@pytest.mark.parametrize("size", [5, 1 << 20])
@pytest.mark.parametrize("how", ["given up", "forgotten"])
async def test_a_handover_nobody_will_complete_ends(how: str, size: int) -> None:
    custodian = _Custodian()
    begun = [Part(size, bytes(size))]
    store = cast(ObjectStore, SimpleNamespace(open=None))
    handover = Handover(store, [cast(CustodianClient, custodian)], "0" * 26, begun)
    await asyncio.wait_for(custodian.begun.wait(), 5)
    if how == "given up":
        handover.abandon()
    del handover
    gc.collect()
    await asyncio.wait_for(custodian.ended.wait(), 5)
    assert isinstance(custodian.error, AbandonedError)
