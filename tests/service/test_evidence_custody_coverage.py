"""No way to evidence without a trace: every route of the service is in this table, and does what it says."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from services.common.app import all_routes
from services.common.clock import utc_now
from services.common.identity import public
from services.evidence.app import create_app
from services.evidence.renewals.models import Record
from tests.evidence_stack import OFFICER, own_home, remove, running


@dataclass(frozen=True)
class Leaves:
    """What a route leaves behind: a custody event of this kind, or an audit row.

    after: a route that has to be asked first.
    """

    custody: str = ""
    audit: str = ""
    json: dict[str, Any] | None = None
    query: dict[str, str] | None = None
    after: str = ""


@dataclass(frozen=True)
class Nothing:
    """A route that leaves no custody event, and why that is right."""

    because: str


KEYS = Nothing("public keys and their times; what happens to keys is in the log and the audit record")
WRITES = Nothing(
    "takes evidence in; its own events (captured, hashed, signed, …) are checked by the sealing tests"
)
STATE = Nothing("tells of processes, not of evidence")
AUDITS = Nothing("compares digests everywhere; findings name items and records, no content")
SWEEP = Nothing("hashes every object anew; nobody sees any of it")
LOG_KEEPING = Nothing("works on the log's digests; what it does is in the audit record")
OPEN_LOG = Nothing("the public log: salted digests, open to every monitor")

ITEM = "/evidence/{evidence_id}"
ROUTES: dict[str, Leaves | Nothing] = {
    "GET /evidence": Leaves(audit="evidence.listed"),
    f"GET {ITEM}": Leaves("viewed"),
    f"GET {ITEM}/artefacts/{{path:path}}": Leaves("artefact_read"),
    f"GET {ITEM}/package": Leaves("exported", query={"reason": "移送法院"}),
    f"POST {ITEM}/verification": Leaves("verified"),
    f"GET {ITEM}/custody": Leaves("viewed"),
    f"GET {ITEM}/custody/{{seq}}/proof": Leaves("proved"),
    f"POST {ITEM}/custody/{{seq}}/verification": Leaves("proved"),
    f"POST {ITEM}/custody/printed": Leaves("printed", json={"reason": "入卷"}),
    f"POST {ITEM}/redaction": Leaves("redacted", json={"paths": ["evidence/page.png"], "reason": "应诉"}),
    f"GET {ITEM}/disclosure": Leaves("disclosed", query={"path": "evidence/text.txt", "reason": "应诉"}),
    f"GET {ITEM}/record": Leaves("artefact_read"),
    f"POST {ITEM}/hold": Leaves("held", json={"reason": "诉讼"}),
    f"POST {ITEM}/hold/release": Leaves("released", json={"reason": "结案"}, after=f"POST {ITEM}/hold"),
    "PUT /internal/orders/{order_id}": WRITES,
    "PUT /internal/intakes/{evidence_id}/artefacts/{path:path}": WRITES,
    "POST /internal/intakes/{evidence_id}/seal": WRITES,
    "POST /internal/inbox": Nothing("facts of casework; the grants tests check the events they leave"),
    "GET /keys": KEYS,
    "POST /keys": KEYS,
    "POST /keys/rotation": KEYS,
    "POST /keys/{keyid}/revocation": KEYS,
    "GET /audit": Nothing("the audit record itself"),
    "GET /trust": Nothing("public keys and certificates"),
    "GET /log": OPEN_LOG,
    "GET /log/checkpoint": OPEN_LOG,
    "GET /log/tile/{path:path}": OPEN_LOG,
    "GET /log/shard/{number}/checkpoint": OPEN_LOG,
    "GET /log/shard/{number}/tile/{path:path}": OPEN_LOG,
    "GET /log-keeping/check": LOG_KEEPING,
    "GET /log-keeping/reconciliation": LOG_KEEPING,
    "POST /log-keeping/reconciliation": LOG_KEEPING,
    "POST /log-keeping/freeze": LOG_KEEPING,
    "GET /evidence-audits": AUDITS,
    "GET /evidence-store": STATE,
    "POST /evidence-store/sweeps": SWEEP,
    "POST /evidence-store/sweeps/cancellation": SWEEP,
    "GET /evidence-status": STATE,
    "GET /health/live": STATE,
    "GET /health/ready": STATE,
    "GET /metrics": STATE,
}


def routes_of(app: FastAPI) -> set[str]:
    return {f"{method} {route.path}" for route in all_routes(app) for method in route.methods or ()}


def unaccounted(app: FastAPI) -> list[str]:
    """Routes the table does not know."""
    return sorted(routes_of(app) - ROUTES.keys())


def test_every_route_is_accounted_for() -> None:
    assert unaccounted(create_app()) == []
    assert sorted(ROUTES.keys() - routes_of(create_app())) == []


def test_a_new_route_without_a_place_in_the_table_is_found() -> None:
    """Negative control."""
    app, router = create_app(), APIRouter()

    @router.get("/evidence/{evidence_id}/thumbnail", dependencies=[Depends(public("test"))])
    async def thumbnail(evidence_id: str) -> None: ...

    app.include_router(router)
    assert unaccounted(app) == ["GET /evidence/{evidence_id}/thumbnail"]


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


@pytest.fixture(scope="module")
async def item(stack) -> str:
    """A sealed item with a renewed proof of time beside it."""
    found = str((await stack.submit())["id"])
    times = dict.fromkeys(("first_at", "renewed_at", "valid_until"), utc_now())
    record = Record(evidence_id=found, record=b"er", algorithm="sha256", stamps=1, chains=1, **times)
    async with stack.runtime.database.transaction() as session:
        session.add(record)
    return found


def reader(name: str):
    """A person of whom nothing is on record yet, at an address."""
    permissions = OFFICER.permissions | {"evidence:hold"}
    return dataclasses.replace(OFFICER, sub=f"u-{name}", name=name, permissions=permissions)


async def asked(stack, route: str, item: str, leaves: Leaves, claims) -> Any:
    method, path = route.split(" ")
    path = path.replace(":path", "").format(evidence_id=item, seq=1, path="evidence/page.png")
    headers = {**stack.headers(claims), "x-wangjian-client-ip": "192.0.2.77"}
    return await stack.client.request(method, path, headers=headers, params=leaves.query, json=leaves.json)


KEEPING = {route: leaves for route, leaves in ROUTES.items() if isinstance(leaves, Leaves)}


@pytest.mark.parametrize("route", KEEPING)
async def test_reading_leaves_an_event_with_who_and_where_from(stack, item: str, route: str) -> None:
    leaves, claims = KEEPING[route], reader(route)
    if leaves.after:
        await asked(stack, leaves.after, item, KEEPING[leaves.after], reader("before"))
    answer = await asked(stack, route, item, leaves, claims)
    assert answer.status_code == 200, answer.text
    if leaves.audit:
        rows = await audit_rows(stack, claims.sub)
        assert [row["event"] for row in rows] == [leaves.audit]
        assert rows[0]["client_ip"] == "192.0.2.77"
        return
    found = [event for event in await events_of(stack, item) if event["actor"]["sub"] == claims.sub]
    assert [event["event"] for event in found] == [leaves.custody]
    actor = {"sub": claims.sub, "name": claims.name, "org": claims.org, "org_name": claims.org_name}
    assert found[0]["actor"] == actor
    assert found[0]["client_ip"] == "192.0.2.77"


@pytest.mark.parametrize("route", [route for route, leaves in KEEPING.items() if leaves.custody])
async def test_what_was_refused_is_not_recorded_as_read(stack, item: str, route: str) -> None:
    stranger = dataclasses.replace(reader(f"stranger {route}"), org="360702-SJ", region="360702")
    answer = await asked(stack, route, item, KEEPING[route], stranger)
    assert answer.status_code == 404
    assert stranger.sub not in {event["actor"]["sub"] for event in await events_of(stack, item)}


async def test_repeating_a_look_is_one_event_but_a_reason_always_counts(stack) -> None:
    item = (await stack.submit())["id"]
    claims = reader("慢")
    for path in ("", "/artefacts/evidence/page.png", "/artefacts/evidence/text.txt"):
        for _ in range(3):
            assert (await stack.get(f"/evidence/{item}{path}", claims)).status_code == 200
    await stack.get(f"/evidence/{item}", claims, params={"reason": "复核案卷"})
    mine = [event for event in await events_of(stack, item) if event["actor"]["sub"] == claims.sub]
    assert [(event["event"], event["about"].get("path"), event["reason"]) for event in mine] == [
        ("viewed", None, ""),
        ("artefact_read", "evidence/page.png", ""),
        ("artefact_read", "evidence/text.txt", ""),
        ("viewed", None, "复核案卷"),
    ]


@pytest.mark.parametrize("reason", ["", "  \t "])
async def test_exporting_and_printing_need_a_reason(stack, item: str, reason: str) -> None:
    claims = reader(f"无事由 {len(reason)}")
    path = f"/evidence/{item}/custody/printed"
    answers: Iterable[Any] = (
        await stack.get(f"/evidence/{item}/package", claims, params={"reason": reason}),
        await stack.client.post(path, json={"reason": reason}, headers=stack.headers(claims)),
    )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "evidence.reason_missing")
    assert claims.sub not in {event["actor"]["sub"] for event in await events_of(stack, item)}


async def events_of(stack, item: str) -> list[dict[str, Any]]:
    """The item's events as kept, read past the service so that nothing is added."""
    from services.evidence.custody import repository
    from services.evidence.custody.chain import read

    async with stack.runtime.database.transaction() as session:
        return [read(row.document) or {} for row in await repository.of_item(session, item)]


async def audit_rows(stack, sub: str) -> list[dict[str, Any]]:
    auditor = dataclasses.replace(OFFICER, sub="u-auditor", permissions=frozenset({"audit:read"}))
    return list((await stack.get("/audit", auditor, params={"actor": sub})).json()["items"])
