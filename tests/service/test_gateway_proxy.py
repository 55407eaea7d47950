"""The proxy between a real client and a real service: streams, big bodies, disconnects, outages."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gateway.sessions.rules import digest_of
from services.common.database import Database
from services.common.settings import Settings
from tests.gateway_house import Browser, House, open_house
from tests.serving import serving

MIB = 1024 * 1024


@pytest.fixture(scope="module")
async def house(make_settings: Callable[..., Settings], redis: object) -> AsyncIterator[House]:
    async with open_house(make_settings("gateway")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def officer(house: House) -> Browser:
    return await house.browser("nanchang_officer")


async def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_a_request_reaches_the_service_with_our_token_and_path(house: House, officer: Browser) -> None:
    answer = await officer.ask("GET", "/api/evidence/AB%20C/artefacts/a/b.png?q=%E7%BD%91&limit=2")
    assert answer.status_code == 200
    seen = house.recorder.seen[-1]
    assert seen["raw"] == "/evidence/AB%20C/artefacts/a/b.png" and seen["query"] == "q=%E7%BD%91&limit=2"
    claims = seen["claims"]
    assert (claims["iss"], claims["org"], claims["region"]) == ("gateway", "360121-SJ", "360121")
    assert claims["exp"] - claims["iat"] == 60
    assert seen["headers"]["x-request-id"] == answer.headers["x-request-id"]
    assert seen["headers"]["x-wangjian-client-ip"] == "127.0.0.1"


async def test_what_a_service_answers_is_cleaned(officer: Browser) -> None:
    answer = await officer.ask("GET", "/api/captures")
    assert "set-cookie" not in answer.headers and "server" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get_list("x-request-id") != ["from-the-service"]
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_the_evidence_sandbox_stays_and_a_loose_policy_does_not(officer: Browser) -> None:
    strict = await officer.ask("GET", "/api/evidence/sandbox")
    assert strict.headers.get_list("content-security-policy") == ["sandbox; default-src 'none'"]
    loose = await officer.ask("GET", "/api/evidence/loose")
    assert loose.headers.get_list("content-security-policy") == [
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ]


async def test_events_arrive_one_by_one(house: House, officer: Browser) -> None:
    recorder = house.recorder
    recorder.step.clear()
    async with house.http.stream("GET", "/api/captures/x/events", headers=officer.headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        chunks = answer.aiter_bytes()
        for number in range(3):
            # The service sends the next event only after we have read this one: a buffer would never fill.
            chunk = await asyncio.wait_for(anext(chunks), 2)
            assert chunk.startswith(f"id: {number}\n".encode())
            recorder.step.set()
        recorder.cancelled.clear()
    await asyncio.wait_for(recorder.cancelled.wait(), 3)  # our leaving reached the service


async def test_a_stream_ends_with_its_session(
    house: House, officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.routing.door._WATCH_SECONDS", 0.1)
    house.recorder.step.clear()
    browser = await house.browser("zhanggong_officer")
    async with house.http.stream("GET", "/api/captures/x/events", headers=browser.headers) as answer:
        chunks = answer.aiter_bytes()
        await anext(chunks)
        await browser.ask("DELETE", "/api/session")
        with pytest.raises((StopAsyncIteration, httpx.RemoteProtocolError)):
            await asyncio.wait_for(anext(chunks), 3)


async def test_a_big_upload_streams_through(house: House, officer: Browser) -> None:
    block, count, digest = b"x" * MIB, 40, hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            digest.update(block)
            yield block

    answer = await officer.ask("POST", "/api/imports", content=body())
    assert answer.json() == {"size": count * MIB, "sha256": digest.hexdigest()}


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_the_bound_is_refused(officer: Browser, announced: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * (MIB // 2)

    content = b"x" * (2 * MIB) if announced else body()
    answer = await officer.ask("POST", "/api/captures", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    assert answer.json()["limit_bytes"] == MIB


async def test_a_slow_reader_slows_the_service_down(house: House, officer: Browser) -> None:
    async with house.http.stream("GET", "/api/evidence/x/big", headers=officer.headers) as answer:
        chunks = answer.aiter_raw(65536)
        await anext(chunks)
        await asyncio.sleep(0.6)
        held = house.recorder.sent
        assert held < 64 * MIB  # of 256 MiB: the rest waits in the service, not in our memory
        size = 65536
        async for chunk in chunks:
            size += len(chunk)
    assert size == 256 * MIB


async def test_a_client_that_leaves_cancels_the_request(house: House, officer: Browser) -> None:
    house.recorder.cancelled.clear()
    with pytest.raises(httpx.ReadTimeout):
        await officer.ask("GET", "/api/captures/slow", timeout=0.4)
    await asyncio.wait_for(house.recorder.cancelled.wait(), 3)


async def test_an_upload_that_breaks_off_does_not_reach_the_service_as_whole(
    house: House, officer: Browser
) -> None:
    before = len(house.recorder.seen)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    lines = [f"{name}: {value}" for name, value in officer.headers.items()]
    head = ["POST /api/imports HTTP/1.1", f"Host: 127.0.0.1:{house.port}", "Content-Length: 1000000", *lines]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + b"x" * 500_000)
    await writer.drain()
    await wait_for(lambda: len(house.recorder.seen) > before)
    writer.close()
    await wait_for(lambda: "aborted" in house.recorder.seen[-1] or "size" in house.recorder.seen[-1])
    assert "aborted" in house.recorder.seen[-1] and "size" not in house.recorder.seen[-1]
    reader.feed_eof()


async def test_an_answer_that_breaks_off_does_not_look_whole(officer: Browser) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await officer.ask("GET", "/api/captures/cut")


async def test_a_service_that_is_down_is_said_to_be_down(
    make_settings: Callable[..., Settings], redis: object
) -> None:
    nobody = "unix:/nonexistent/service.sock"
    async with open_house(make_settings("gateway"), service_url=lambda name: nobody) as house:
        answer = await house.http.get("/api/captures", headers=house.operator())
        body = answer.json()
        assert answer.status_code == 503 and answer.headers["content-type"] == "application/problem+json"
        assert (body["code"], body["service"]) == ("upstream.unavailable", "crawler")
        assert body["title"] and body["title_en"] and body["request_id"] == answer.headers["x-request-id"]
        system = (await house.http.get("/api/system", headers=house.operator())).json()
        states = {part["name"]: part["state"] for part in system["parts"]}
        assert system["status"] == "degraded"
        assert states == {
            "registry": "down", "crawler": "down", "evidence": "down", "casework": "down",
            "tsa": "down", "custodian": "down",
            "postgres": "ok", "redis": "ok", "workers": "down",
        }  # fmt: skip


async def test_each_of_several_authorities_is_asked(
    make_settings: Callable[..., Settings], redis: object, tmp_path: Path
) -> None:
    answering, nobody = f"unix:{tmp_path}/a.sock", "unix:/nonexistent/service.sock"
    places = {"tsa": f"{answering}, {nobody}", "custodian": f"{answering},{answering}"}
    with serving(FastAPI(), tmp_path / "a.sock"):  # 404 to everything: it is there
        async with open_house(
            make_settings("gateway"), service_url=lambda name: places.get(name, nobody)
        ) as house:
            system = (await house.http.get("/api/system", headers=house.operator())).json()
    parts = {part["name"]: part for part in system["parts"]}
    assert (parts["tsa"]["state"], parts["custodian"]["state"]) == ("degraded", "ok")
    assert "2 家中 1 家正常" in parts["tsa"]["line_zh"]


async def test_one_token_is_signed_for_many_requests(house: House, officer: Browser) -> None:
    for _ in range(3):
        await officer.ask("GET", "/api/captures")
    tokens = {entry["headers"]["authorization"] for entry in house.recorder.seen[-3:]}
    assert len(tokens) == 1


async def test_a_role_change_is_felt_by_the_next_request(house: House) -> None:
    secadmin, browser = await house.browser("secadmin"), await house.browser("field_one")
    path = f"/api/users/{house.people['field_one']}/roles"
    assert (await browser.ask("GET", "/api/captures")).status_code == 200
    assert (await secadmin.ask("PUT", path, json={"roles": []})).json()["roles"] == []
    assert (await browser.ask("GET", "/api/captures")).status_code == 403
    assert (await secadmin.ask("PUT", path, json={"roles": ["field"]})).json()["roles"] == ["field"]
    assert (await browser.ask("GET", "/api/captures")).status_code == 200


async def test_without_its_database_the_gateway_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await house.browser("zhanggong_officer")
    nowhere = Database("postgresql+psycopg://nobody@/none?host=/nonexistent", "gateway")
    monkeypatch.setattr(house.state.visits, "_database", nowhere)
    house.state.visits.forget(digest_of(browser.secret))
    answer = await browser.ask("GET", "/api/captures")
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway.database_unavailable")
    assert "set-cookie" not in answer.headers  # the session may well be good: it is not taken away
    monkeypatch.undo()
    assert (await browser.ask("GET", "/api/captures")).status_code == 200
