"""Attacks on the door: forged requests, spoofed headers, ambiguous requests, foreign hosts. With negative
controls.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from limits import parse

from gateway.routing import checks
from gateway.sessions.rules import COOKIE
from services.common.identity import Claims, TokenIssuer
from services.common.settings import Settings
from tests.gateway_house import Browser, House, free_port, open_house, serve


@pytest.fixture(scope="module")
async def house(make_settings: Callable[..., Settings], redis: object) -> AsyncIterator[House]:
    async with open_house(make_settings("gateway"), public_origins=["https://wj.example.gov.cn"]) as opened:
        yield opened


@pytest.fixture(scope="module")
async def officer(house: House) -> Browser:
    return await house.browser("nanchang_officer")


def cookie_of(browser: Browser) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={browser.secret}"}


async def raw(house: House, *lines: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send bytes as they are; gives the status and everything that came back until the connection closed."""
    closing = [] if any(line.startswith("Connection:") for line in lines) else ["Connection: close"]
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write("\r\n".join([*lines, *closing, "", ""]).encode("latin-1") + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


# --- forged requests
# -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "request.csrf"),
        ({"x-csrf-token": "0" * 64}, "request.csrf"),
        ({"x-csrf-token": "", "origin": "http://evil.example"}, "request.cross_site"),
        ({"origin": "null"}, "request.cross_site"),
        ({"sec-fetch-site": "cross-site"}, "request.cross_site"),
        ({"sec-fetch-site": "same-site"}, "request.cross_site"),
    ],
)
async def test_a_forged_change_is_refused(
    house: House, officer: Browser, headers: dict[str, str], code: str
) -> None:
    before = len(house.recorder.seen)
    answer = await house.http.post("/api/captures", json={}, headers={**cookie_of(officer), **headers})
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert len(house.recorder.seen) == before  # nothing reached the service


async def test_another_sessions_token_does_not_help(house: House, officer: Browser) -> None:
    attacker = await house.browser("zhanggong_officer")
    headers = {**cookie_of(officer), "x-csrf-token": attacker.csrf}
    assert (await house.http.post("/api/captures", json={}, headers=headers)).status_code == 403


async def test_the_right_token_from_the_right_page_works(house: House, officer: Browser) -> None:
    origin = {"origin": house.base}
    assert (await officer.ask("POST", "/api/captures", json={}, headers=origin)).status_code == 200


async def test_control_without_the_check_the_forgery_works(
    house: House, officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "refuse_forged", lambda ask, secret: None)
    assert (await house.http.post("/api/captures", json={}, headers=cookie_of(officer))).status_code == 200


async def test_cross_site_reads_and_sign_ins_are_refused(house: House, officer: Browser) -> None:
    evil = {**cookie_of(officer), "sec-fetch-site": "cross-site"}
    assert (await house.http.get("/api/evidence/x", headers=evil)).status_code == 403
    answer = await house.sign_in("nanchang_officer", origin="http://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "request.cross_site")


async def test_two_session_cookies_are_none(house: House, officer: Browser) -> None:
    planted = {"cookie": f"{COOKIE}={'a' * 43}; {COOKIE}={officer.secret}"}
    assert (await house.http.get("/api/session", headers=planted)).status_code == 401


# --- spoofed identity
# ------------------------------------------------------------------------------------------


async def test_forwarding_headers_of_a_client_are_not_believed(house: House, officer: Browser) -> None:
    spoofed = {
        "x-forwarded-for": "6.6.6.6", "forwarded": "for=6.6.6.6", "x-real-ip": "6.6.6.6",
        "x-forwarded-proto": "https", "x-request-id": "ATTACKER-CHOSEN-1", "x-wangjian-client-ip": "6.6.6.6",
        "x-csrf-token": officer.csrf,
        "proxy-authorization": "Basic eDp5", "x-original-url": "/internal/inbox", "te": "trailers",
    }  # fmt: skip
    answer = await officer.ask("GET", "/api/captures", headers=spoofed)
    seen = house.recorder.seen[-1]["headers"]
    assert seen["x-wangjian-client-ip"] == "127.0.0.1"
    assert seen["x-request-id"] == answer.headers["x-request-id"] != "ATTACKER-CHOSEN-1"
    ours = {"host", "authorization", "x-request-id", "x-wangjian-client-ip"}
    assert set(seen) - ours <= {"accept", "accept-encoding", "user-agent"}
    assert "6.6.6.6" not in str(seen) and "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("claimed", ["6.6.6.6", "6.6.6.6:1234", "7.7.7.7, 6.6.6.6", "[2001:db8::6]:1234"])
async def test_not_even_when_the_server_below_us_believes_them(
    house: House, officer: Browser, claimed: str
) -> None:
    """uvicorn's default takes X-Forwarded-For from any process on this machine; the door notices."""
    port = free_port()
    spoofed = {"x-forwarded-for": claimed, "x-forwarded-proto": "https"}
    async with serve(house.door, port=port, proxy_headers=True, lifespan="off"):
        path = f"http://127.0.0.1:{port}/api/captures"
        answer = await house.http.get(path, headers={**officer.headers, **spoofed})
        operator = await house.http.get(path, headers={**house.operator(), "x-forwarded-for": "127.0.0.1"})
    assert answer.status_code == 200 and "strict-transport-security" not in answer.headers
    assert house.recorder.seen[-1]["headers"]["x-wangjian-client-ip"] == checks.UNVERIFIED
    assert operator.status_code == 401


async def test_a_trusted_proxy_is_believed_up_to_the_first_stranger(
    make_settings: Callable[..., Settings], redis: object
) -> None:
    async with open_house(make_settings("gateway"), trusted_proxies="127.0.0.1/32,10.0.0.0/8") as house:
        browser = await house.browser("nanchang_officer")
        headers = {"x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.1.1.1", "x-forwarded-proto": "https"}
        answer = await browser.ask("GET", "/api/captures", headers=headers)
        assert house.recorder.seen[-1]["headers"]["x-wangjian-client-ip"] == "203.0.113.9"
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        operator = {**house.operator(), "x-forwarded-for": "127.0.0.1"}
        assert (await house.http.get("/api/captures", headers=operator)).status_code == 401


async def test_an_internal_token_is_worth_nothing_at_the_door(house: House) -> None:
    claims = Claims("u1", "x", "360000-SJ", "x", "360000", permissions=frozenset({"capture:read"}))
    token = TokenIssuer(house.settings.keys_dir, "gateway").issue(claims)
    answer = await house.http.get("/api/captures", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401


async def test_authorization_of_the_client_never_reaches_a_service(house: House, officer: Browser) -> None:
    before = len(house.recorder.seen)
    answer = await officer.ask("GET", "/api/captures", headers={"authorization": "Bearer stolen"})
    assert answer.status_code == 401 and len(house.recorder.seen) == before


# --- paths and methods
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/internal/inbox", "/internal/orders/1", "/api/internal/inbox", "/api/inbox", "/api", "/api/",
        "/health", "/health/ready/x", "/api/unknown", "/api/openapi", "/api/captures/../../internal/inbox",
        "/api/captures/%2e%2e/%2e%2e/internal/inbox", "/api/captures%2f..%2finternal", "/api//captures",
        "/api/captures/..%5c..%5cinternal", "/api/captures/%00", "/api/captures/%0d%0aX: y",
        "//evil.example/api",
    ],
)  # fmt: skip
async def test_what_is_not_in_the_table_does_not_exist(house: House, officer: Browser, path: str) -> None:
    before = len(house.recorder.seen)
    lines = [f"{k}: {v}" for k, v in officer.headers.items()]
    status, answer = await raw(house, f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines)
    assert status in {400, 404}, answer
    assert b"application/problem+json" in answer or status == 400
    assert len(house.recorder.seen) == before


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
async def test_other_methods_are_refused(house: House, method: str) -> None:
    status, _ = await raw(house, f"{method} /api/captures HTTP/1.1", "Host: 127.0.0.1")
    assert status in {400, 405}


async def test_websockets_are_refused(house: House) -> None:
    status, _ = await raw(
        house, "GET /api/captures HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    assert status in {401, 403}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "wj.example.gov.cn.evil.example"])
async def test_a_name_that_was_rebound_to_us_is_refused(house: House, officer: Browser, host: str) -> None:
    answer = await officer.ask("GET", "/api/captures", headers={"host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "request.misdirected")
    assert (
        await officer.ask("GET", "/api/captures", headers={"host": "wj.example.gov.cn"})
    ).status_code == 200


# --- requests that two readers could understand differently
# ----------------------------------------------------

SMUGGLED = b"0\r\n\r\nGET /api/evidence/stolen HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 6", "Transfer-Encoding: chunked"],
        ["Content-Length: 6", "Content-Length: 7"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Content-Length: +6"],
        ["Content-Length: 6, 6"],
        ["Transfer-Encoding : chunked"],
    ],
)
async def test_ambiguous_lengths_are_refused(house: House, officer: Browser, framing: list[str]) -> None:
    before = len(house.recorder.seen)
    lines = [f"{k}: {v}" for k, v in officer.headers.items()]
    status, answer = await raw(
        house, "POST /api/captures HTTP/1.1", "Host: 127.0.0.1", *lines, *framing, body=SMUGGLED
    )
    assert status == 400, answer
    assert all("stolen" not in entry["path"] for entry in house.recorder.seen[before:])
    assert len(house.recorder.seen) == before


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /api/captures HTTP/1.1", "Host: 127.0.0.1", "Host: evil.example"],
        ["GET /api/captures HTTP/1.1"],
        ["GET /api/captures HTTP/1.1", "Host: 127.0.0.1", "Cookie: a=1", "Cookie: b=2"],
        ["POST /api/session HTTP/1.1", "Host: 127.0.0.1", "Content-Encoding: gzip", "Content-Length: 0"],
    ],
)
async def test_malformed_requests_are_refused(house: House, lines: list[str]) -> None:
    status, _ = await raw(house, *lines)
    assert status in {400, 415}


async def test_too_long_addresses_and_headers_are_refused(house: House, officer: Browser) -> None:
    assert (await officer.ask("GET", "/api/captures?q=" + "x" * 9000)).status_code == 414
    long = await officer.ask("GET", "/api/captures", headers={"accept-language": "x" * 40_000})
    assert long.status_code in {400, 431}


async def test_a_password_in_a_bad_body_is_not_repeated(house: House) -> None:
    answer = await house.http.post("/api/session", json={"username": "x", "password": "Top-Secret-1", "a": 1})
    assert answer.status_code == 422 and "Top-Secret-1" not in answer.text


# --- headers on everything
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api/session", "/api/nothing", "/health/live", "/captures/1", "/x.js"]
)
async def test_every_answer_carries_the_security_headers(house: House, path: str) -> None:
    answer = await house.http.get(path)
    policy = answer.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    )
    assert "unsafe" not in policy and "*" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "server" not in answer.headers


async def test_open_paths_need_no_session_and_get_no_token(house: House) -> None:
    for path in ("/api/trust", "/api/log/checkpoint", "/api/log/tile/0/000"):
        answer = await house.http.get(path, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 200
        assert house.recorder.seen[-1]["claims"] is None
    assert answer.headers["cache-control"] == "public, max-age=99"


async def test_metrics_are_not_for_everybody(house: House, officer: Browser) -> None:
    assert (await house.http.get("/metrics")).status_code == 401
    assert (await officer.ask("GET", "/metrics")).status_code == 403
    shown = await house.http.get("/metrics", headers=house.operator())
    assert shown.status_code == 200 and "gateway_answers_total" in shown.text


# --- reports of the browsers
# -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"csp-report": {"violated-directive": "script-src", "blocked-uri": "inline"}}, 204),
        (
            [{"type": "csp-violation", "body": {"effectiveDirective": "img-src", "blockedURL": "http://x"}}],
            204,
        ),
        ({"nonsense": 1}, 400),
        ([1, 2], 400),
        ("text", 400),
    ],
)
async def test_csp_reports(house: House, body: Any, status: int) -> None:
    headers = {"content-type": "application/csp-report"}
    assert (await house.http.post("/api/csp-reports", json=body, headers=headers)).status_code == status


# --- limits
# ------------------------------------------------------------------------------------------------------


async def test_capture_orders_are_limited_per_person(house: House) -> None:
    browser = await house.browser("zhanggong_officer")
    rate = house.door._limits._rates
    rate["capture"] = parse("12/minute")  # the real one is ten times that, and counted the same way
    codes = [(await browser.ask("POST", "/api/captures", json={})).status_code for _ in range(13)]
    assert codes == [200] * 12 + [429]
    other = await house.browser("nanchang_officer")
    assert (await other.ask("POST", "/api/captures", json={})).status_code == 200


async def test_limits_hold_without_redis(make_settings: Callable[..., Settings], redis: object) -> None:
    settings = make_settings("gateway").model_copy(update={"redis_url": "unix:///nonexistent/redis.sock"})
    async with open_house(settings, staff=False) as house:
        began = time.monotonic()
        codes = [(await house.sign_in(f"guess_{n}", "Wrong-Password-1")).status_code for n in range(21)]
        assert codes == [401] * 20 + [429]
        assert time.monotonic() - began < 15
