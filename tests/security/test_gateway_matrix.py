"""Every role against every route of every service, generated from the live routes and the live role table.

The services are the real applications on real sockets, without databases: who lacks the permission must be
refused before any database is asked; who holds it must get past the refusal (and then may fail for lack of
one).
"""

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from fastapi import FastAPI

from gateway.accounts.roles import ADMINISTRATORS, ROLES, permissions_of
from gateway.routing.table import GATEWAY, SEGMENTS, segment_of
from services.common.app import all_routes, declared_permissions
from services.common.ids import new_id
from services.common.settings import SERVICES, Settings
from tests.gateway_house import Browser, House, open_house, serve

PEOPLE = {
    "dispatcher": "province_dispatcher",
    "officer": "nanchang_officer",
    "field": "field_one",
    "sysadmin": "sysadmin",
    "secadmin": "secadmin",
    "auditor": "auditor",
    "": "nobody",
}


@dataclass(frozen=True)
class Point:
    """A method and path at the door, and the permissions its service declares."""

    method: str
    path: str
    wants: tuple[str, ...]

    def allows(self, permissions: frozenset[str]) -> bool:
        """Whether these permissions are enough, by the declaration."""
        for want in self.wants:
            if want == "signed-in" or want.startswith("public:"):
                continue
            if permissions.isdisjoint(want.split(" | ")):
                return False
        return True


def points_of(service: str, app: FastAPI) -> list[Point]:
    """The routes of an application that the door lets through."""
    found = []
    for route in all_routes(app):
        path = route.path if service == GATEWAY else "/api" + route.path
        segment = SEGMENTS.get(segment_of(path))
        if segment is None or segment.service != service:
            continue
        found += [
            Point(m, path, declared_permissions(route)) for m in sorted(route.methods or ()) if m != "HEAD"
        ]
    return found


def filled(path: str) -> str:
    """The path with an id nobody has in every place of one."""
    parts = ["01HZZZZZZZZZZZZZZZZZZZZZZZ" if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


@pytest.fixture(scope="module")
async def all_of_it(
    make_settings: Callable[..., Settings], redis: object
) -> AsyncIterator[tuple[House, list[Point]]]:
    settings = make_settings("gateway")
    async with AsyncExitStack() as stack:
        sockets = {name: settings.run_dir / f"m-{new_id()[-6:]}.sock" for name in SERVICES}
        house = await stack.enter_async_context(
            open_house(settings, service_url=lambda name: f"unix:{sockets[name]}")
        )
        nowhere = "postgresql+psycopg://nobody@/none?host=/nonexistent"
        without = {f"database_url_{name}": nowhere for name in SERVICES}
        points = points_of(GATEWAY, house.door.inner)
        for name in SERVICES:
            own = house.settings.model_copy(update=without)
            app: FastAPI = importlib.import_module(f"services.{name}.app").create_app(own)
            await stack.enter_async_context(serve(app, uds=str(sockets[name]), lifespan="off"))
            points += points_of(name, app)
        yield house, points


async def ask(browser: Browser, point: Point) -> int:
    body = {"json": {}} if point.method in {"POST", "PUT", "PATCH"} else {}
    request = browser.http.stream(point.method, filled(point.path), headers=browser.headers, **body)
    async with request as answer:  # only the status: what was let in may stream for ever, or break off
        return answer.status_code


@pytest.mark.parametrize("role", list(PEOPLE))
async def test_every_route_for_this_role(all_of_it: tuple[House, list[Point]], role: str) -> None:
    house, points = all_of_it
    permissions = permissions_of(frozenset({role}))
    wrong = []
    for point in points:
        allowed = point.allows(permissions)
        if point.path.startswith(("/api/session", "/api/system")):
            continue
        house.fresh_limits()
        status = await ask(await session_of(house, role), point)
        if (status in {401, 403}) == allowed:
            wrong.append((point.method, point.path, point.wants, status))
    assert not wrong


_sessions: dict[tuple[int, str], Browser] = {}


async def session_of(house: House, role: str) -> Browser:
    """One session a role for the whole module."""
    key = (id(house), role)
    if key not in _sessions:
        _sessions[key] = await house.browser(PEOPLE[role])
    return _sessions[key]


async def test_without_a_session_nothing_but_the_open_routes(all_of_it: tuple[House, list[Point]]) -> None:
    house, points = all_of_it
    for point in points:
        if SEGMENTS[segment_of(point.path)].public or (point.method, point.path) == ("POST", "/api/session"):
            continue
        answer = await house.http.request(point.method, filled(point.path))
        assert answer.status_code == 401, point


async def test_the_matrix_covers_every_segment_of_the_table(all_of_it: tuple[House, list[Point]]) -> None:
    _, points = all_of_it
    assert {segment_of(point.path) for point in points} == set(SEGMENTS)


async def test_control_a_wider_role_is_noticed(
    all_of_it: tuple[House, list[Point]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the live table gave the auditor captures, the generated matrix would have let it through."""
    from dataclasses import replace

    house, points = all_of_it
    wider = replace(ROLES["auditor"], permissions=ROLES["auditor"].permissions | {"registry:read"})
    point = next(point for point in points if (point.method, point.path) == ("GET", "/api/subjects"))
    browser = await house.browser("auditor")
    assert await ask(browser, point) == 403
    monkeypatch.setitem(ROLES, "auditor", wider)
    house.state.visits.forget(*house.state.visits._known)
    assert await ask(browser, point) != 403


def test_no_two_of_create_grant_and_audit_in_one_hand() -> None:
    holders = {
        permission: {code for code, role in ROLES.items() if permission in role.permissions}
        for permission in ("user:manage", "role:grant", "audit:read")
    }
    creating, granting, auditing = holders.values()
    assert creating and granting and auditing
    assert not (creating & granting or creating & auditing or granting & auditing)
    assert creating | granting | auditing == ADMINISTRATORS


def test_administrators_see_no_business() -> None:
    business = {"capture", "evidence", "clue", "case", "registry"}
    for code in ADMINISTRATORS:
        assert not {permission.split(":")[0] for permission in ROLES[code].permissions} & business


async def test_people_of_another_region_do_not_exist(house_two_regions: House) -> None:
    """A county's system administrator sees, resets and disables nobody of another county (BOLA)."""
    house = house_two_regions
    admin = await house.browser("county_admin")
    names = {user["username"] for user in (await admin.ask("GET", "/api/users")).json()["items"]}
    assert names == {"nanchang_officer", "field_one", "nobody", "county_admin"}
    foreign = house.people["zhanggong_officer"]
    for method, path, body in (
        ("POST", f"/api/users/{foreign}/password-reset", None),
        ("POST", f"/api/users/{foreign}/disable", {"reason": "because"}),
        ("POST", f"/api/users/{foreign}/enable", {"reason": "because"}),
    ):
        assert (await admin.ask(method, path, json=body)).status_code == 404
    assert (await house.sign_in("zhanggong_officer")).status_code == 200


async def test_administrators_of_one_kind_cannot_become_another(house_two_regions: House) -> None:
    house = house_two_regions
    sysadmin, secadmin = await house.browser("sysadmin"), await house.browser("secadmin")
    reset = await sysadmin.ask("POST", f"/api/users/{house.people['secadmin']}/password-reset")
    assert (reset.status_code, reset.json()["code"]) == (403, "user.reset_admin")
    own = await secadmin.ask(
        "PUT", f"/api/users/{house.people['secadmin']}/roles", json={"roles": ["auditor"]}
    )
    assert (own.status_code, own.json()["code"]) == (403, "role.self")
    for roles in (["sysadmin", "auditor"], ["auditor", "officer"]):
        path = f"/api/users/{house.people['nobody']}/roles"
        both = await secadmin.ask("PUT", path, json={"roles": roles})
        assert (both.status_code, both.json()["code"]) == (409, "role.separation")
    path = f"/api/users/{house.people['nobody']}/roles"
    local = await secadmin.ask("PUT", path, json={"roles": ["operator"]})
    assert local.status_code == 422


@pytest.fixture(scope="module")
async def house_two_regions(make_settings: Callable[..., Settings], redis: object) -> AsyncIterator[House]:
    from gateway.accounts.service import Staff

    county = Staff(
        "county_admin", "县系统管理员", "360121-SJ", "南昌县市场监督管理局", frozenset({"sysadmin"})
    )
    async with open_house(make_settings("gateway"), more_staff=(county,)) as house:
        yield house
