"""Captures against real PostgreSQL, a real Chromium in its jail, and an in-memory evidence peer."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from services.common.client import ServiceClient
from services.common.database import Database
from services.common.dsse import verify_signature
from services.common.identity import Claims
from services.common.keys import load_signers
from services.common.settings import Settings
from services.crawler.app import create_app
from services.crawler.captures import repository
from services.crawler.captures.runner import CaptureRunner
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.settings import CaptureLimits, CrawlerSettings
from tests.crawler_peer import EvidencePeer
from tests.crawler_site import Site, running_site
from tests.serving import serving

pytestmark = pytest.mark.browser

OFFICER = Claims(
    sub="u-nanchang", name="熊监管", org="360121-SJ", org_name="南昌县市场监督管理局", region="360121",
    permissions=frozenset({"capture:create", "capture:read"}),
)  # fmt: skip
NEIGHBOUR = Claims(
    sub="u-zhanggong", name="赖监管", org="360702-SJ", org_name="章贡区市场监督管理局", region="360702",
    permissions=frozenset({"capture:create", "capture:read"}),
)  # fmt: skip


@dataclass
class World:
    """A crawler with its worker, a site to capture, and the peer that takes the evidence."""

    settings: Settings
    database: Database
    runner: CaptureRunner
    peer: EvidencePeer
    site: Site
    app: FastAPI
    token_for: Callable[[Claims], dict[str, str]]

    def client(self, claims: Claims = OFFICER) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://crawler", headers=self.token_for(claims)
        )

    async def order(self, url: str, claims: Claims = OFFICER, key: str | None = None) -> dict[str, Any]:
        async with self.client(claims) as client:
            headers = {"idempotency-key": key} if key else {}
            answer = await client.post("/captures", json={"url": url, "reason": "测试"}, headers=headers)
            assert answer.status_code == 202, answer.text
            return dict(answer.json())

    async def show(self, capture_id: str) -> dict[str, Any]:
        async with self.client() as client:
            return dict((await client.get(f"/captures/{capture_id}")).json())

    async def until(self, capture_id: str, state: str) -> None:
        for _ in range(600):
            if (await self.show(capture_id))["state"] == state:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never {state}")

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings],
    token_for: Callable[[Claims], dict[str, str]],
    redis: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    home = tmp_path_factory.mktemp("crawler")
    peer = EvidencePeer()
    socket = Path(home) / "evidence.sock"
    settings = make_settings("crawler", evidence_url=f"unix:{socket}")
    limits = CaptureLimits(budget_seconds=10, load_seconds=5, collect_seconds=10)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(serving(peer.app(), socket))
        site = await stack.enter_async_context(running_site())
        proxy = EgressProxy([("127.0.0.1", site.port)])
        jail = JailedBrowser(home, proxy, CrawlerSettings(), limits)
        await jail.start()
        stack.push_async_callback(jail.close)
        database = Database(settings.database_url("crawler"), "crawler")
        stack.push_async_callback(database.close)
        client = ServiceClient(settings, caller="crawler", target="evidence")
        evidence = await stack.enter_async_context(client)
        runner = CaptureRunner(settings, database, evidence, jail, proxy, limits)
        app = create_app(settings)
        stack.push_async_callback(app.state.db.close)
        yield World(settings, database, runner, peer, site, app, token_for)


@pytest.fixture(autouse=True)
def healthy_peer(world: World) -> None:
    world.peer.down, world.peer.break_after = False, None


async def test_a_page_becomes_sealed_evidence(world: World) -> None:
    capture = await world.order(world.site.url("/moved"))
    assert capture["state"] == "queued"
    assert await world.runner.run(capture["id"])

    done = await world.show(capture["id"])
    assert (done["state"], done["outcome"], done["reason"]) == ("sealed", "COMPLETE", None)
    assert done["evidence_no"] and done["sha256"] and done["sm3"]
    assert [s["op"] for s in done["steps"]] == [
        "order_logged", "clean_check", "load", "scroll", "shots", "collect", "hashing", "upload",
        "signed", "stamped", "logged", "custodian", "sealed",
    ]  # fmt: skip
    assert {s["state"] for s in done["steps"]} == {"done"}
    order, seal = ("order", capture["id"]), ("seal", capture["id"])
    assert world.peer.events.index(order) < world.peer.events.index(seal)

    said = world.peer.predicate(capture["id"])
    assert said["completeness"]["state"] == "COMPLETE"
    assert said["target"]["title"] == "赣南脐橙旗舰店"
    assert [r["status"] for r in said["target"]["redirects"]] == [302, 301]
    assert said["environment"]["browser"]["jail"] == "namespace"
    assert said["environment"]["browser"]["sandbox"] is True
    assert said["network"]["connections"][0]["ip"] == "127.0.0.1"
    kept = world.peer.artefacts[capture["id"]]
    assert [a["path"] for a in said["artifacts"]] == sorted(kept)
    for path in ("archive/data.warc.gz", "indexes/index.cdxj", "pages/pages.jsonl", "evidence/page.png",
                 "evidence/page.mhtml", "evidence/dom.html", "evidence/text.txt", "evidence/steps.jsonl",
                 "evidence/egress.jsonl", "evidence/env.json"):  # fmt: skip
        assert path in kept
    assert "月销 1024 件" in kept["evidence/text.txt"].decode()
    for signer in load_signers(world.settings, "worker"):
        verify_signature(world.peer.envelopes[capture["id"]], signer)
    assert not (world.settings.spool_dir / capture["id"]).exists()


async def test_doubled_messages_capture_once(world: World) -> None:
    capture = await world.order(world.site.url("/gone"))
    before = world.site.hits["/gone"]
    results = await asyncio.gather(*(world.runner.run(capture["id"]) for _ in range(4)))
    assert sorted(results) == [False, False, False, True]
    assert not await world.runner.run(capture["id"])
    assert world.site.hits["/gone"] == before + 1
    done = await world.show(capture["id"])
    assert (done["state"], done["outcome"], done["reason"]["code"]) == ("sealed", "COMPLETE", "http.404")


async def test_idempotency_key(world: World) -> None:
    url = world.site.url("/")
    first, second = await world.order(url, key="key-0001"), await world.order(url, key="key-0001")
    assert first["id"] == second["id"]
    async with world.client() as client:
        other = await client.post(
            "/captures", json={"url": url + "?x"}, headers={"idempotency-key": "key-0001"}
        )
    assert (other.status_code, other.json()["code"]) == (409, "capture.idempotency_conflict")
    # Another person's key of the same name is another key.
    assert (await world.order(url, NEIGHBOUR, key="key-0001"))["id"] != first["id"]


NO_PAGES = [
    "file:///etc/passwd", "chrome://version", "javascript:alert(1)", "data:text/html,x", "http://",
    "http://a b/", "ftp://x/", "http://u:p@host/",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_PAGES)
async def test_the_door_refuses_what_is_no_page(world: World, url: str) -> None:
    async with world.client() as client:
        answer = await client.post("/captures", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "capture.url_refused")
    assert answer.json()["todo"] and answer.json()["todo_en"]


async def test_regions_do_not_see_each_other(world: World) -> None:
    capture = await world.order(world.site.url("/"))
    async with world.client(NEIGHBOUR) as client:
        assert (await client.get(f"/captures/{capture['id']}")).status_code == 404
        assert (await client.get(f"/captures/{capture['id']}/events")).status_code == 404
        assert (await client.post(f"/captures/{capture['id']}/cancel")).status_code == 404
        assert capture["id"] not in {c["id"] for c in (await client.get("/captures")).json()["items"]}
    async with world.client() as client:
        found = (await client.get("/captures", params={"state": "queued", "limit": 1})).json()
        assert found["items"][0]["id"] == capture["id"]
        older = (await client.get("/captures", params={"cursor": found["next_cursor"]})).json()
        assert capture["id"] not in {c["id"] for c in older["items"]}


async def test_a_dead_workers_capture_starts_cleanly_again(world: World) -> None:
    capture = await world.order(world.site.url("/"))
    async with world.database.transaction() as session:
        lost = await repository.claim(session, capture["id"], "dead-worker")
    assert lost is not None
    spool = world.settings.spool_dir / capture["id"]
    spool.mkdir(parents=True)
    (spool / "half-written.tmp").write_bytes(b"x")
    assert not await world.runner.run(capture["id"]), "its lease still holds"
    await world.sql("UPDATE captures SET lease_until = now() WHERE id = :id", id=capture["id"])
    assert await world.runner.run(capture["id"])
    async with world.database.transaction() as session:
        assert not await repository.change(session, capture["id"], lost.attempt, {"state": "failed"})
    assert (await world.show(capture["id"]))["state"] == "sealed"
    assert world.peer.predicate(capture["id"])["order"]["attempt"] == 2


async def test_sealing_goes_on_without_a_second_visit(world: World) -> None:
    capture = await world.order(world.site.url("/gbk"))
    world.peer.break_after = "stamped"
    await world.runner.run(capture["id"])
    waiting = await world.show(capture["id"])
    assert (waiting["state"], waiting["reason"]["code"]) == ("queued", "evidence.seal_broken")
    assert waiting["steps"][-1]["state"] == "failed"
    visits = world.site.hits["/gbk"]

    world.peer.break_after = None
    await world.sql("UPDATE captures SET not_before = now() WHERE id = :id", id=capture["id"])
    assert await world.runner.run(capture["id"])
    done = await world.show(capture["id"])
    assert (done["state"], done["outcome"], done["reason"]) == ("sealed", "COMPLETE", None)
    assert world.site.hits["/gbk"] == visits
    seqs = [s["seq"] for s in done["steps"]]
    assert seqs == sorted(set(seqs))


async def test_no_order_no_visit(world: World) -> None:
    capture = await world.order(world.site.url("/only-with-order"))
    world.peer.down = True
    await world.runner.run(capture["id"])
    assert world.site.hits["/only-with-order"] == 0
    waiting = await world.show(capture["id"])
    assert waiting["state"] == "queued" and waiting["steps"][0]["state"] == "failed"
    async with world.database.transaction() as session:
        assert capture["id"] not in await repository.to_remind(session, 50, 0), "it is not due yet"
    await world.sql("UPDATE captures SET not_before = now() WHERE id = :id", id=capture["id"])
    async with world.database.transaction() as session:
        assert capture["id"] in await repository.to_remind(session, 50, 0)


async def test_a_failing_disk_is_said_so_and_the_capture_goes_on_later(world: World) -> None:
    capture = await world.order(world.site.url("/gone"))
    spool, aside = world.settings.spool_dir, world.settings.spool_dir.with_name("aside")
    spool.mkdir(exist_ok=True)
    spool.rename(aside)
    spool.write_text("a file where the folder should be")
    await world.runner.run(capture["id"])
    waiting = await world.show(capture["id"])
    assert (waiting["state"], waiting["reason"]["code"]) == ("queued", "capture.worker_disk")
    spool.unlink()
    aside.rename(spool)
    await world.sql("UPDATE captures SET not_before = now() WHERE id = :id", id=capture["id"])
    assert await world.runner.run(capture["id"])
    done = await world.show(capture["id"])
    assert (done["state"], done["reason"]["code"]) == ("sealed", "http.404")


async def test_cancel_in_the_middle(world: World) -> None:
    capture = await world.order(world.site.url("/hang"))
    running = asyncio.ensure_future(world.runner.run(capture["id"]))
    async with world.client() as client:
        await world.until(capture["id"], "running")
        await asyncio.sleep(0.5)
        assert (await client.post(f"/captures/{capture['id']}/cancel")).status_code == 200
        await asyncio.wait_for(running, 20)
        assert (await world.show(capture["id"]))["state"] == "cancelled"
        again = await client.post(f"/captures/{capture['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "capture.not_cancellable")
    assert capture["id"] not in world.peer.envelopes
    # The worker lives on.
    following = await world.order(world.site.url("/gone"))
    assert await world.runner.run(following["id"])
    assert (await world.show(following["id"]))["state"] == "sealed"


async def test_cancel_before_it_starts(world: World) -> None:
    capture = await world.order(world.site.url("/"))
    async with world.client() as client:
        answer = (await client.post(f"/captures/{capture['id']}/cancel")).json()
    assert answer["state"] == "cancelled" and answer["reason"]["code"] == "cancelled"
    assert not await world.runner.run(capture["id"])


def read_events(stream: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [b for b in stream.split("\n\n") if b and not b.startswith(":")]
    found = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_events_tell_each_step_and_resume(world: World) -> None:
    capture = await world.order(world.site.url("/gone"))
    async with world.client() as client:
        running = asyncio.ensure_future(world.runner.run(capture["id"]))
        live = read_events((await client.get(f"/captures/{capture['id']}/events")).text)
        await running
        resumed = read_events(
            (await client.get(f"/captures/{capture['id']}/events", headers={"last-event-id": "7"})).text
        )
    assert live[-1][0] == "done" and live[-1][1]["state"] == "sealed"
    states = [(data["seq"], data["state"]) for name, data in live if name == "step"]
    assert states == sorted(states, key=lambda item: (item[0], item[1] != "running"))
    assert {seq for seq, state in states if state == "done"} == set(range(1, 14))
    assert min(data["seq"] for name, data in resumed if name == "step") == 7


async def test_health_tells_of_workers_and_their_jail(world: World) -> None:
    async with world.database.transaction() as session:
        await repository.report_worker(session, "w1", {"jail": "proxy-only", "sandbox": True, "why": "test"})
    async with world.client() as client:
        answer = (await client.get("/health/ready")).json()
    assert answer["checks"]["capture"]["workers"][0]["jail"] == "proxy-only"


async def test_step_log_is_one_chain_from_the_order(world: World) -> None:
    import hashlib

    capture = await world.order(world.site.url("/rude"))
    await world.runner.run(capture["id"])
    lines = world.peer.artefacts[capture["id"]]["evidence/steps.jsonl"].splitlines()
    previous = hashlib.sha256(capture["id"].encode()).hexdigest()
    for number, line in enumerate(lines):
        step = json.loads(line)
        assert (step["seq"], step["prev"]) == (number, previous)
        previous = hashlib.sha256(line).hexdigest()
    said = world.peer.predicate(capture["id"])
    assert said["steps"]["head_sha256"] == previous
    assert [d["message"] for d in said["method"]["dialogs"]] == ["一", "二"]
    assert base64.b64decode(world.peer.envelopes[capture["id"]]["payload"])
