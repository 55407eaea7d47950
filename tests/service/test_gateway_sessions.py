"""Sessions over a real gateway: sign-in, cookie, limits in time, lockout, password change, sign-out."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from gateway.accounts import repository
from gateway.sessions.rules import COOKIE, digest_of
from services.common.settings import Settings
from tests.gateway_house import PASSWORD, House, open_house, secret_in


@pytest.fixture(scope="module")
async def house(make_settings: Callable[..., Settings], redis: object) -> AsyncIterator[House]:
    async with open_house(make_settings("gateway")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def fresh_limits(house: House) -> None:
    house.fresh_limits()


async def test_sign_in_gives_a_session_and_a_strict_cookie(house: House) -> None:
    answer = await house.sign_in("nanchang_officer")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags == {"path=/", "secure", "httponly", "samesite=strict"}
    assert len(secret_in(answer)) >= 43  # 256 bits in base64url
    body = answer.json()
    assert body["user"]["org_name"] == "南昌县市场监督管理局"
    assert "capture:create" in body["permissions"] and "user:manage" not in body["permissions"]
    assert answer.headers["cache-control"] == "no-store"


async def test_only_a_digest_of_the_secret_is_stored(house: House) -> None:
    from sqlalchemy import text

    browser = await house.browser("nanchang_officer")
    async with house.state.db.transaction() as session:
        rows = (await session.execute(text("SELECT secret_digest FROM sessions"))).scalars().all()
    assert digest_of(browser.secret) in rows and browser.secret not in rows


async def test_each_sign_in_makes_a_new_session_and_ends_the_one_before(house: House) -> None:
    first = await house.browser("nanchang_officer")
    answer = await house.sign_in("nanchang_officer", cookie=f"{COOKIE}={first.secret}")
    assert answer.status_code == 200 and secret_in(answer) != first.secret
    assert (await first.ask("GET", "/api/session")).status_code == 401


async def test_wrong_password_and_unknown_name_get_the_same_answer(house: House) -> None:
    wrong = await house.sign_in("zhanggong_officer", "Wrong-Password-1")
    unknown = await house.sign_in("no_such_person", "Wrong-Password-1")
    assert wrong.status_code == unknown.status_code == 401
    strip = ("request_id",)
    a, b = ({k: v for k, v in r.json().items() if k not in strip} for r in (wrong, unknown))
    assert a == b
    assert set(wrong.headers) == set(unknown.headers)
    await house.sign_in("zhanggong_officer")


@pytest.fixture
async def dear(house: House) -> AsyncIterator[str]:
    """A person whose password costs what it costs in production (the others' are cheap)."""
    passwords, name = house.state.sign_in._passwords, "sysadmin"
    before = passwords._hasher, passwords._nobodys
    passwords._hasher = PasswordHasher()
    passwords._nobodys = passwords._hasher.hash("nobody has this password")
    hashed = await passwords.hash(PASSWORD)
    async with house.state.db.transaction() as session:
        user = await repository.by_username(session, name)
        assert user is not None
        user.password_hash = hashed
    yield name
    passwords._hasher, passwords._nobodys = before


async def test_wrong_password_and_unknown_name_take_the_same_time(house: House, dear: str) -> None:
    async def timed(name: str) -> float:
        began = time.perf_counter()
        await house.sign_in(name, "Wrong-Password-1")
        return time.perf_counter() - began

    known, unknown = [], []
    for number in range(4):
        known.append(await timed(dear))
        unknown.append(await timed(f"nobody_{number}x"))
    await house.sign_in(dear)
    # The fastest of each: noise only adds.
    assert 0.5 < min(known) / min(unknown) < 2


async def test_control_without_the_stand_in_hash_time_tells(
    house: House, dear: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = house.state.sign_in._passwords
    matches = passwords.matches

    async def careless(stored: str | None, password: str) -> bool:
        return False if stored is None else await matches(stored, password)

    monkeypatch.setattr(passwords, "matches", careless)
    times: dict[str, list[float]] = {dear: [], "nobody_y": []}
    for _ in range(3):
        for name, taken in times.items():
            began = time.perf_counter()
            await house.sign_in(name, "Wrong-Password-1")
            taken.append(time.perf_counter() - began)
    monkeypatch.undo()
    await house.sign_in(dear)
    assert min(times[dear]) / min(times["nobody_y"]) > 2


async def test_five_failures_lock_for_thirty_minutes_known_or_not(house: House) -> None:
    for name in ("auditor", "not_here"):
        codes = [(await house.sign_in(name, "Wrong-Password-1")).status_code for _ in range(6)]
        assert codes == [401] * 5 + [423], name
        assert (await house.sign_in(name)).status_code == 423  # even with the right password
    house.clock.ahead += timedelta(minutes=29)
    assert (await house.sign_in("auditor")).status_code == 423
    house.clock.ahead += timedelta(minutes=1, seconds=1)
    assert (await house.sign_in("auditor")).status_code == 200


async def test_parallel_tries_get_no_more_than_five_looks(house: House) -> None:
    looks = 0
    passwords = house.state.sign_in._passwords
    matches = passwords.matches

    async def counting(stored: str | None, password: str) -> bool:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)
        return await matches(stored, password)

    passwords.matches = counting
    try:
        answers = await asyncio.gather(*(house.sign_in("parallel_name", "Wrong-Pass-12") for _ in range(15)))
    finally:
        passwords.matches = matches
    assert looks == 5
    assert sorted(a.status_code for a in answers) == [401] * 5 + [423] * 10


async def test_a_lockout_survives_a_restart(make_settings: Callable[..., Settings], redis: object) -> None:
    settings = make_settings("gateway")
    async with open_house(settings) as first:
        for _ in range(5):
            await first.sign_in("auditor", "Wrong-Password-1")
    async with open_house(settings) as second:  # new process state, new Redis counters, same database
        assert (await second.sign_in("auditor")).status_code == 423


async def test_failed_sign_ins_of_one_source_are_slowed_down(
    make_settings: Callable[..., Settings], redis: object
) -> None:
    async with open_house(make_settings("gateway"), staff=False) as house:
        answers = [await house.sign_in(f"guess_{n}", "Wrong-Password-1") for n in range(21)]
        assert [a.status_code for a in answers] == [401] * 20 + [429]
        refused = answers[-1]
        assert 0 < int(refused.headers["retry-after"]) <= 300
        assert refused.json()["code"] == "request.too_many"
        assert refused.headers["content-type"] == "application/problem+json"


async def test_idle_sessions_end_after_fifteen_minutes(house: House) -> None:
    browser = await house.browser("nanchang_officer")
    house.clock.ahead += timedelta(minutes=14)
    assert (await browser.ask("GET", "/api/captures")).status_code == 200  # activity: starts again
    house.clock.ahead += timedelta(minutes=14, seconds=50)
    assert (await browser.ask("GET", "/api/session")).json()["idle_seconds_left"] <= 15
    house.clock.ahead += timedelta(seconds=20)
    ended = await browser.ask("GET", "/api/captures")
    assert ended.status_code == 401
    assert f"{COOKIE}=;" in ended.headers["set-cookie"]


async def test_a_page_left_open_does_not_keep_a_session_alive(house: House) -> None:
    browser = await house.browser("nanchang_officer")
    for _ in range(4):
        house.clock.ahead += timedelta(minutes=4)
        answer = await browser.ask("GET", "/api/captures", headers={"x-background": "1"})
    assert answer.status_code == 401


async def test_sessions_end_after_eight_hours_however_busy(house: House) -> None:
    browser = await house.browser("nanchang_officer")
    for _ in range(8 * 6 - 1):
        house.clock.ahead += timedelta(minutes=10)
        assert (await browser.ask("GET", "/api/captures")).status_code == 200
    house.clock.ahead += timedelta(minutes=10)
    assert (await browser.ask("GET", "/api/captures")).status_code == 401


async def test_sign_out_ends_the_session_on_the_server(house: House) -> None:
    browser = await house.browser("nanchang_officer")
    answer = await browser.ask("DELETE", "/api/session")
    assert answer.status_code == 204
    assert '"cookies"' in answer.headers["clear-site-data"]
    assert f"{COOKIE}=;" in answer.headers["set-cookie"]
    assert (await browser.ask("GET", "/api/session")).status_code == 401


async def test_first_sign_in_allows_nothing_but_a_new_password(house: House) -> None:
    from gateway.desk import local_claims

    made = await house.state.accounts.reset_by_name(local_claims(), "province_dispatcher")
    browser = await house.browser("province_dispatcher", made.one_time_password)
    assert browser.view["must_change_password"] is True and browser.view["permissions"] == []
    refused = await browser.ask("GET", "/api/captures")
    assert (refused.status_code, refused.json()["code"]) == (403, "session.password_change_required")
    weak = await browser.ask(
        "POST", "/api/session/password", json={"current": made.one_time_password, "new": "short"}
    )
    assert weak.status_code == 422
    other = await house.browser("province_dispatcher", made.one_time_password)
    changed = await browser.ask(
        "POST",
        "/api/session/password",
        json={"current": made.one_time_password, "new": "River-Stone-88-moon"},
    )
    assert changed.status_code == 200 and changed.json()["must_change_password"] is False
    assert (await browser.ask("GET", "/api/session")).status_code == 401  # its old id is gone
    assert (await other.ask("GET", "/api/session")).status_code == 401  # and so are other sessions
    browser.secret, browser.csrf = secret_in(changed), changed.json()["csrf_token"]
    assert (await browser.ask("GET", "/api/captures")).status_code == 200
    again = await browser.ask(
        "POST",
        "/api/session/password",
        json={"current": "River-Stone-88-moon", "new": made.one_time_password},
    )
    assert (again.status_code, again.json()["code"]) == (422, "password.weak")  # one of the last five


async def test_a_one_time_password_runs_out(house: House) -> None:
    from gateway.desk import local_claims

    made = await house.state.accounts.reset_by_name(local_claims(), "field_one")
    house.clock.ahead += timedelta(days=8)
    assert (await house.sign_in("field_one", made.one_time_password)).status_code == 401


async def test_passwords_older_than_ninety_days_must_be_changed(house: House) -> None:
    house.clock.ahead += timedelta(days=91)
    browser = await house.browser("zhanggong_officer")
    assert browser.view["must_change_password"] is True


async def test_the_operator_token_is_private_and_local(house: House) -> None:
    path = house.settings.home / "operator.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answer = await house.http.get("/api/captures", headers=house.operator())
    assert answer.status_code == 200
    claims = house.recorder.seen[-1]["claims"]
    assert (claims["sub"], claims["org"], claims["roles"]) == ("operator", "360000-SJ", ["operator"])
    forwarded = {**house.operator(), "x-forwarded-for": "127.0.0.1"}
    assert (await house.http.get("/api/captures", headers=forwarded)).status_code == 401
    wrong = {"authorization": "Bearer " + "x" * 43}
    assert (await house.http.get("/api/captures", headers=wrong)).status_code == 401


async def test_the_audit_record_tells_the_story(house: House) -> None:
    from sqlalchemy import text

    async with house.state.db.transaction() as session:
        rows = (await session.execute(text("SELECT DISTINCT event FROM audit"))).scalars().all()
        leaks = await session.execute(
            text("SELECT count(*) FROM audit WHERE CAST(audit AS text) LIKE '%' || :word || '%'"),
            {"word": PASSWORD},
        )
    assert {
        "session.started", "session.refused", "session.locked", "session.ended", "password.changed",
        "password.reset", "user.created", "role.granted", "operator.token_made",
    } <= set(rows)  # fmt: skip
    assert leaks.scalar_one() == 0
