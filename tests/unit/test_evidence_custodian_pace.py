"""A package comes to a custodian no faster than he reads it, and nothing waits for a reader who is gone."""

import asyncio
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from infra.custodian import service
from infra.custodian.arrival import Arrival
from infra.custodian.identity import load_or_create
from infra.custodian.settings import CustodianSettings
from infra.custodian.vault import RefusedError, Vault
from services.common.settings import Settings

ITEM, BLOCK, BLOCKS = "0" * 26, bytes(1 << 20), 64


async def _blocks() -> AsyncIterator[bytes]:
    for _ in range(BLOCKS):
        yield BLOCK


@pytest.fixture
async def custodian(tmp_path, monkeypatch):
    own = CustodianSettings(home=tmp_path / "own")
    vault = Vault(tmp_path / "store", load_or_create(tmp_path / "own", own), {})
    monkeypatch.setattr(service, "_vault", lambda _: vault)
    async with TestServer(service.create_app(Settings(home=tmp_path), own)) as server:
        yield server


async def _put(server: TestServer) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.put(server.make_url(f"/v1/packages/{ITEM}"), data=_blocks()) as answer,
    ):
        return answer.status, await answer.read()


async def test_a_sender_is_held_until_his_bytes_are_read(custodian, monkeypatch):
    go_on, arrivals = threading.Event(), list[Arrival]()

    def take(self: Vault, evidence_id: str, arrival: Arrival) -> bytes:
        arrivals.append(arrival)
        go_on.wait(20)
        return b"%d" % len(arrival.read())

    monkeypatch.setattr(Vault, "take", take)
    sending = asyncio.create_task(_put(custodian))
    seen = -1
    while not arrivals or seen != arrivals[0].ahead:
        seen = arrivals[0].ahead if arrivals else -1
        await asyncio.sleep(0.2)
    assert service._MOST_AHEAD < seen < len(BLOCK) * BLOCKS * 3 // 4, "held, with what was on its way"
    go_on.set()
    assert await sending == (200, b"%d" % (len(BLOCK) * BLOCKS))


async def test_a_refusal_before_the_end_is_answered(custodian, monkeypatch):
    def take(*_: object) -> bytes:
        raise RefusedError(507, "the custodian's store is full")

    monkeypatch.setattr(Vault, "take", take)
    async with asyncio.timeout(20):
        assert (await _put(custodian))[0] == 507


def test_who_asked_for_the_end_holds_up_nobody(tmp_path):
    """A reader who looks for the end (bytes may follow what seemed one) waits for whatever comes."""
    with Arrival(tmp_path / "p", 100) as arrival:
        arrival.receive(b"x" * 60)
        assert arrival.ahead == 60
        arrival.read(10)
        arrival.seek(0)
        assert arrival.ahead == 50, "what was asked for once counts, wherever the reader stands"
        arrival.end()
        arrival.seek(0, 2)
        assert arrival.ahead == 0
