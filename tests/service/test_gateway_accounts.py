"""Accounts over the real database: three administrators by constraint, first start, commands, audit list."""

import itertools
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from click.testing import Result
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from gateway import bootstrap
from gateway.accounts.roles import ADMINISTRATORS, GRANTABLE, ROLES
from gateway.accounts.service import DEMO_STAFF
from services.common.settings import Settings
from tests.gateway_house import PASSWORD, House, open_house, secret_in, serve


@pytest.fixture(scope="module")
async def house(make_settings: Callable[..., Settings], redis: object) -> AsyncIterator[House]:
    async with open_house(make_settings("gateway")) as opened:
        yield opened


def lawful(roles: frozenset[str]) -> bool:
    """What 三员分立 allows, said independently of the code under test."""
    return len(roles & ADMINISTRATORS) == 0 or len(roles) == 1


async def test_the_database_itself_refuses_every_unlawful_pair(house: House) -> None:
    """Past all our code: plain SQL, every pair of roles, and the track column set to whatever would help."""
    user = house.people["nobody"]
    insert = text("INSERT INTO role_grants (user_id, role, track, granted_by) VALUES (:u, :r, :t, 'test')")
    for pair in itertools.combinations(sorted(GRANTABLE), 2):
        for tracks in itertools.product(("admin", "business"), repeat=2):
            held = False
            try:
                async with house.state.db.transaction() as session:
                    await session.execute(
                        text("UPDATE users SET track = :t WHERE id = :u"), {"t": tracks[0], "u": user}
                    )
                    for role, track in zip(pair, tracks, strict=True):
                        await session.execute(insert, {"u": user, "r": role, "t": track})
                    held = True
                    raise Undo
            except IntegrityError:
                held = False
            except Undo:
                assert held
            right_tracks = all(ROLES[r].track == t for r, t in zip(pair, tracks, strict=True))
            assert held == (lawful(frozenset(pair)) and right_tracks), (pair, tracks)


class Undo(Exception):
    """Leaves a transaction without keeping what it did."""


async def test_the_api_allows_exactly_the_lawful_sets(house: House) -> None:
    secadmin = await house.browser("secadmin")
    path = f"/api/users/{house.people['nobody']}/roles"
    for size in (1, 2, 3):
        for roles in itertools.combinations(sorted(GRANTABLE), size):
            answer = await secadmin.ask("PUT", path, json={"roles": list(roles)})
            assert answer.status_code == (200 if lawful(frozenset(roles)) else 409), roles
    assert (await secadmin.ask("PUT", path, json={"roles": []})).status_code == 200


async def test_a_new_account_can_do_nothing(house: House) -> None:
    browser = await house.browser("nobody")
    assert browser.view["permissions"] == []
    for path in ("/api/captures", "/api/evidence", "/api/clues", "/api/users", "/api/audit", "/api/regions"):
        assert (await browser.ask("GET", path)).status_code == 403
    assert (await browser.ask("GET", "/api/session")).status_code == 200


async def test_a_disabled_account_is_out_at_once(house: House) -> None:
    sysadmin, victim = await house.browser("sysadmin"), await house.browser("zhanggong_officer")
    path = f"/api/users/{house.people['zhanggong_officer']}"
    assert (await sysadmin.ask("POST", path + "/disable", json={"reason": "离职"})).json()["disabled"] is True
    assert (await victim.ask("GET", "/api/captures")).status_code == 401
    assert (await house.sign_in("zhanggong_officer")).status_code == 401
    await sysadmin.ask("POST", path + "/enable", json={"reason": "返岗"})
    assert (await house.sign_in("zhanggong_officer")).status_code == 200


async def test_accounts_are_listed_in_pages_and_found(house: House) -> None:
    sysadmin = await house.browser("sysadmin")
    names, cursor = [], ""
    while True:
        page = (await sysadmin.ask("GET", f"/api/users?limit=3{cursor}")).json()
        names += [user["username"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert names == sorted(names) and len(names) == len(set(names)) == 8
    found = (await sysadmin.ask("GET", "/api/users?q=章贡")).json()["items"]
    assert [user["username"] for user in found] == ["zhanggong_officer"]
    assert not any("password_hash" in user for user in found)


async def test_the_auditor_reads_it_all_and_silence_is_named(house: House) -> None:
    auditor = await house.browser("auditor")
    page = (await auditor.ask("GET", "/api/audit?event=session.&limit=5")).json()
    assert len(page["items"]) == 5 and all(row["event"].startswith("session.") for row in page["items"])
    assert page["missing"] == [
        "registry",
        "crawler",
        "evidence",
        "casework",
    ]  # the recorder has no audit list
    again = (
        await auditor.ask("GET", f"/api/audit?event=session.&limit=5&cursor={page['next_cursor']}")
    ).json()
    first, second = ({row["seq"] for row in p["items"]} for p in (page, again))
    assert not first & second and max(second) < min(first)
    own = (await auditor.ask("GET", "/api/audit?source=gateway&actor=secadmin")).json()
    assert own["missing"] == []


async def test_the_record_is_kept_in_the_transaction_of_the_change(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the audit row cannot be written, the change does not happen."""
    from services.common import audit

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the audit table is full")

    sysadmin = await house.browser("sysadmin")
    monkeypatch.setattr(audit, "record", broken)
    path = f"/api/users/{house.people['field_one']}"
    assert (await sysadmin.ask("POST", path + "/disable", json={"reason": "离职"})).status_code == 500
    monkeypatch.undo()
    users = (await sysadmin.ask("GET", "/api/users?q=field_one")).json()["items"]
    assert users[0]["disabled"] is False


def test_the_first_start_shows_passwords_once(
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_settings("gateway")
    monkeypatch.setattr(bootstrap, "get_settings", lambda: settings)
    monkeypatch.setattr(sys, "argv", ["bootstrap", "--demo"])
    bootstrap.main()
    first = capsys.readouterr().out
    lines = [
        line for line in first.splitlines() if any(staff.username in line.split() for staff in DEMO_STAFF)
    ]
    words = [line.split()[-1] for line in lines]
    assert len(set(words)) == len(DEMO_STAFF) and all(len(word) == 19 for word in words)
    bootstrap.main()
    second = capsys.readouterr().out
    assert "已存在" in second and not any(word in second for word in words)


def users(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str) -> Result:
    """`wangjian users …` in this process: code, output and errors as a shell would see them."""
    from wangjian.commands import _settings
    from wangjian.commands.users import app

    monkeypatch.setattr(_settings, "load", lambda: settings)
    return CliRunner().invoke(app, list(arguments))


def test_the_users_command(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings("gateway")
    options = ["--name", "张三", "--org", "360000-SJ", "--org-name", "江西省市场监督管理局"]
    made = users(monkeypatch, settings, "create", "zhang.san", *options, "--role", "sysadmin")
    assert made.exit_code == 0 and "zhang.san" in made.stdout, made.output
    for bad in (["zhang.san", *options], ["li.si", *options, "--role", "officer"], ["x", *options]):
        refused = users(monkeypatch, settings, "create", *bad)
        assert refused.exit_code == 2 and len(refused.stderr.strip().splitlines()) == 1, refused.output
    listed = users(monkeypatch, settings, "list")
    assert "zhang.san" in listed.stdout and "系统管理员" in listed.stdout
    assert users(monkeypatch, settings, "reset-password", "nobody.here").exit_code == 2
    again = users(monkeypatch, settings, "reset-password", "zhang.san")
    assert again.exit_code == 0 and "zhang.san" in again.stdout


def test_the_command_says_so_when_the_database_is_not_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "postgresql+psycopg://nobody@/none?host=/nonexistent"
    away = settings.model_copy(update={"database_url_gateway": nowhere})
    refused = users(monkeypatch, away, "list")
    assert refused.exit_code == 2 and len(refused.stderr.strip().splitlines()) == 1, refused.output


async def test_an_account_is_made_granted_and_used(
    make_settings: Callable[..., Settings], redis: object
) -> None:
    """With the real registry: made by one administrator, granted by another, used by the person."""
    from services.registry.app import create_app

    settings = make_settings("gateway", "registry")
    uds = settings.run_dir / "acc-registry.sock"
    async with open_house(
        settings.model_copy(update={"registry_url": f"unix:{uds}"}), service_url=lambda name: f"unix:{uds}"
    ) as house:
        async with serve(create_app(house.settings), uds=str(uds)):
            sysadmin, secadmin = await house.browser("sysadmin"), await house.browser("secadmin")
            person = {"username": "Wang.Wu", "display_name": "王五", "org_code": "360702-SJ"}
            made = await sysadmin.ask("POST", "/api/users", json=person)
            assert made.status_code == 201, made.text
            user, password = made.json()["user"], made.json()["one_time_password"]
            assert (user["username"], user["org_name"]) == ("wang.wu", "章贡区市场监督管理局")
            assert user["roles"] == [] and user["must_change_password"] is True
            again = await sysadmin.ask("POST", "/api/users", json=person)
            assert (again.status_code, again.json()["code"]) == (409, "user.exists")
            for wrong in (
                {"org_code": "360999-SJ"},
                {"org_code": "x"},
                {"roles": ["sysadmin"]},
                {"username": "王"},
            ):
                refused = await sysadmin.ask(
                    "POST", "/api/users", json={**person, "username": "li.si", **wrong}
                )
                assert refused.status_code == 422, wrong
            assert (await secadmin.ask("POST", "/api/users", json=person)).status_code == 403
            grant = f"/api/users/{user['id']}/roles"
            assert (await sysadmin.ask("PUT", grant, json={"roles": ["officer"]})).status_code == 403
            assert (await secadmin.ask("PUT", grant, json={"roles": ["officer"]})).status_code == 200
            browser = await house.browser("wang.wu", password)
            changed = await browser.ask(
                "POST", "/api/session/password", json={"current": password, "new": PASSWORD + "-2"}
            )
            assert "capture:create" in changed.json()["permissions"]
            browser.secret, browser.csrf = secret_in(changed), changed.json()["csrf_token"]
            regions = await browser.ask("GET", "/api/regions")
            assert regions.status_code == 200 and len(regions.json()["items"]) == 112
            # The auditor sees it, from the gateway and the registry in one list.
            auditor = await house.browser("auditor")
            page = (await auditor.ask("GET", "/api/audit?limit=200")).json()
            story = [row["event"] for row in page["items"] if row["object_id"] == user["id"]]
            assert story == ["password.changed", "role.granted", "user.created"]
        down = await sysadmin.ask("POST", "/api/users", json={**person, "username": "zhao.liu"})
        assert (down.status_code, down.json()["code"]) == (503, "upstream.unavailable")
