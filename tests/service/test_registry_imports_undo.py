"""Taking back and going on: undo as a whole, stop, resume after a kill; nothing is lost or doubled."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.database import Database
from services.common.identity import Claims
from services.common.personal_keys import personal_data
from services.common.settings import Settings
from services.registry.bootstrap import load_divisions
from services.registry.imports import repository as imports
from services.registry.imports import service
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.runner import ImportRunner
from services.registry.imports.taking import repository as taking
from services.registry.imports.taking import run as run_module
from tests.records_world import World, running_world, sql
from tests.registry_lists import HEADER, do, importer, load, upload

KEPT = (
    "SELECT p.source_id, p.name, p.platform, p.region_code, p.search_text, p.grams, p.contact_grams,"
    " p.subject_id, (SELECT array_agg((i.kind, i.key, i.ended_at IS NULL)::text ORDER BY i.kind, i.key)"
    " FROM identifiers i WHERE i.presence_no = p.no) AS identifiers FROM presences p WHERE org_code = :org"
    " ORDER BY source, source_id"
)


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "BATCH", 10)


async def state_of(world: World, claims: Claims) -> list[Any]:
    return await sql(world.registry.state.db, KEPT, org=claims.org)


async def opened(world: World, claims: Claims) -> list[dict[str, str]]:
    rows = await sql(
        world.registry.state.db,
        "SELECT id, personal FROM presences WHERE org_code = :org ORDER BY source, source_id",
        org=claims.org,
    )
    personal = world.registry.state.personal
    return [personal.open(row.personal, row.id) if row.personal else {} for row in rows]


def shops(numbers: range, phone: str = "1380791", licence: str = "91330106673959654P") -> str:
    return "\n".join([HEADER, *(f"{i},店{i},{phone}{i:04d},,,江西省南昌市,{licence},,淘宝" for i in numbers)])


async def test_undo_takes_new_rows_away_and_brings_values_back(world: World) -> None:
    claims = importer("360102")
    await load(world, claims, shops(range(5)))
    before, values = await state_of(world, claims), await opened(world, claims)
    second = await load(
        world, claims, shops(range(3, 8), phone="1390791", licence="").replace("淘宝", "京东")
    )
    assert [second[k] for k in ("created", "updated")] == [3, 2]
    assert await state_of(world, claims) != before
    http, path = world.at_registry(claims), f"/imports/{second['id']}"
    seen = await http.get(f"{path}/undo")
    assert (seen["removed"], seen["restored"], seen["kept"], seen["newer"]) == (3, 2, [], None)
    undone = await do(world, claims, second["id"], "undo")
    assert (undone["state"], undone["undone"]["removed"], undone["undone"]["restored"]) == ("undone", 3, 2)
    assert await state_of(world, claims) == before
    assert await opened(world, claims) == values
    gone = await sql(
        world.registry.state.db, "SELECT old FROM changes WHERE field = 'import_undone' ORDER BY id"
    )
    assert [row.old for row in gone] == [second["id"]] * 3
    audit = await sql(
        world.registry.state.db,
        "SELECT event, actor FROM audit WHERE object_id = :id ORDER BY seq",
        id=second["id"],
    )
    assert [row.event for row in audit] == [
        "import.uploaded", "import.started", "import.done", "import.undo", "import.undone"
    ]  # fmt: skip
    again = await load(world, claims, shops(range(3, 8), phone="1390791", licence=""))
    assert [again[k] for k in ("created", "updated")] == [3, 2]


async def test_undoing_the_first_list_leaves_nothing(world: World) -> None:
    claims = importer("360103")
    first = await load(world, claims, shops(range(4)))
    await do(world, claims, first["id"], "undo")
    database = world.registry.state.db
    for table in ("presences", "subjects"):
        query = f"SELECT count(*) FROM {table} WHERE org_code = :o"  # noqa: S608
        (left,) = await sql(database, query, o=claims.org)
        assert left[0] == 0
    (orphans,) = await sql(
        database, "SELECT count(*) FROM identifiers WHERE presence_no NOT IN (SELECT no FROM presences)"
    )
    assert orphans[0] == 0


async def test_undo_is_refused_where_something_was_built_on_it(world: World) -> None:
    claims = importer("360104")
    made = await load(world, claims, shops(range(3)))
    database = world.registry.state.db
    await sql(
        database,
        "INSERT INTO changes (object_type, object_id, field, old, new, source, at, by, by_name, org_code)"
        " SELECT 'presence', id, 'name', '\"a\"', '\"b\"', 'manual', now(), 'u', 'u', org_code FROM presences"
        " WHERE org_code = :org AND source_id = '1'",
        org=claims.org,
    )
    await sql(
        database,
        "UPDATE presences SET claim_state = 'claimed' WHERE org_code = :o AND source_id = '2'",
        o=claims.org,
    )
    http = world.at_registry(claims)
    refused = await http.call("POST", f"/imports/{made['id']}/undo", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "import.built_on")
    assert {(k["reason"], k["rows"]) for k in refused.json()["kept"]} == {("edited", 1), ("claimed", 1)}
    undone = await do(world, claims, made["id"], "undo", leave_built=True)
    assert (undone["undone"]["removed"], undone["undone"]["kept"]) == (1, 2)
    assert [row.source_id for row in await state_of(world, claims)] == ["1", "2"]


async def test_a_later_list_of_the_source_is_undone_first(world: World) -> None:
    claims = importer("360111")
    first = await load(world, claims, shops(range(2)))
    second = await load(world, claims, shops(range(2)))
    assert second["unchanged"] == 2
    refused = await world.at_registry(claims).call("POST", f"/imports/{first['id']}/undo", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "import.newer")
    assert refused.json()["import_id"] == second["id"]
    await do(world, claims, second["id"], "undo")
    await do(world, claims, first["id"], "undo")
    assert await state_of(world, claims) == []


async def test_a_batch_is_whole_or_not_at_all_and_the_next_try_goes_on(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault after a batch's rows were written takes the rows back with it; the runner tries again."""
    claims = importer("360112")
    real, calls = taking.add_remarks, list[int]()

    async def failing(*given: Any) -> None:
        await real(*given)
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the machine stops here")

    monkeypatch.setattr(taking, "add_remarks", failing)
    result = await load(world, claims, shops(range(95)))
    assert (result["state"], result["created"], result["rows"]) == ("done", 95, 95)
    assert len(await state_of(world, claims)) == 95 and len(calls) == 11


async def test_what_breaks_at_one_place_again_and_again_ends_the_import(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = importer("360113")

    async def failing(*given: Any) -> None:
        raise RuntimeError("13807910001")

    monkeypatch.setattr(taking, "add_remarks", failing)
    monkeypatch.setattr("services.registry.imports.runner._PAUSE", timedelta(0))
    monkeypatch.setattr("services.registry.imports.jobs.EVERY_SECONDS", 0.02)
    result = await load(world, claims, shops(range(25)))
    assert (result["state"], result["problem"]["code"]) == ("failed", "import.failed")
    assert await state_of(world, claims) == [] and "start" in result["actions"]
    monkeypatch.undo()
    done = await do(world, claims, result["id"], "start")
    assert (done["state"], done["created"]) == ("done", 25)


async def test_stop_and_go_on(world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = importer("360121")
    received = await upload(world, claims, shops(range(100)))
    real = taking.add_remarks

    async def stopping(session: Any, *given: Any) -> None:
        await real(session, *given)
        row = await imports.find(session, received["id"])
        assert row is not None
        row.cancel = row.cursor >= 30

    monkeypatch.setattr(taking, "add_remarks", stopping)
    stopped = await do(world, claims, received["id"], "start")
    assert stopped["state"] == "cancelled" and 0 < stopped["rows"] < 100
    assert len(await state_of(world, claims)) == stopped["created"]
    monkeypatch.setattr(taking, "add_remarks", real)
    done = await do(world, claims, received["id"], "start")
    assert [done[k] for k in ("state", "rows", "created", "updated")] == ["done", 100, 100, 0]


async def test_one_list_is_never_taken_by_two(world: World) -> None:
    """A worker whose lease ran out while it slept finds that the other is further, and writes nothing."""
    claims = importer("360123")
    received = await upload(world, claims, shops(range(20)))
    state = world.registry.state
    async with state.db.transaction() as session:
        await service.start(session, claims, received["id"])
        row = await imports.find(session, received["id"])
    assert row is not None
    runners = [ImportRunner(state.db, state.import_files, state.personal, 0) for _ in range(3)]
    await asyncio.gather(*(runner.work(row) for runner in runners))
    assert len(await state_of(world, claims)) == 20
    (told,) = await sql(state.db, "SELECT state, created, rows FROM imports WHERE id = :i", i=received["id"])
    assert tuple(told) == ("done", 20, 20)


KILLED = """
import asyncio, os, signal, sys
import psycopg
from services.common.database import Database
from services.common.personal_keys import personal_data
from services.common.settings import get_settings
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.runner import ImportRunner
from services.registry.imports.taking import repository as taking, run

run.BATCH = 50
settings = get_settings()
url = settings.database_url("registry")

def dying(real, point, countdown):
    def tick(now):
        countdown[0] -= now == point
        if countdown[0] == 0: os.kill(os.getpid(), signal.SIGKILL)
    async def at(*given, **named):
        tick("before")
        await real(*given, **named)
        tick("after")
    return at

async def main(point, countdown):
    database = Database(url, "registry")
    personal = await personal_data(database)
    taking.write = dying(taking.write, point, [countdown])
    runner = ImportRunner(database, KeptFiles(settings.imports_dir, personal), personal, int(sys.argv[1]))
    while await runner.run_next(): pass

def states():
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE imports SET lease_until = NULL")
        return {row[0] for row in connection.execute("SELECT state FROM imports").fetchall()}

if __name__ == "__main__":
    deaths = 0
    while "running" in states():
        child = os.fork()
        if child == 0:
            asyncio.run(main("before" if deaths % 2 else "after", 1 + deaths % 3))
            os._exit(0)
        deaths += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print(deaths)
"""


@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_killed_import_goes_on_with_nothing_lost_or_doubled(
    make_settings: Callable[..., Settings], tmp_path: Path, processes: int
) -> None:
    """kill -9 inside a batch, before and after its rows are written, again and again until the list is in."""
    settings = make_settings("registry")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    database = Database(settings.database_url("registry"), "registry")
    claims = importer("360124")
    try:
        await load_divisions(database)
        personal = await personal_data(database)
        rows = [f"{i},店{i},1380791{i:04d},,,江西省南昌市,,," for i in range(200)] + ["7,店七改,,,,,,,"]
        received = await service.receive(
            database,
            KeptFiles(settings.imports_dir, personal),
            claims,
            stream=io.BytesIO("\n".join([HEADER, *rows]).encode()),
            filename="a.csv",
            source="断电",
        )
        async with database.transaction() as session:
            await service.start(session, claims, received.id)
        environment = {
            **os.environ,
            "WANGJIAN_DATABASE_URL_REGISTRY": settings.database_url("registry"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        command = [sys.executable, str(script), str(processes)]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=250
        )
        assert done.returncode == 0 and int(done.stdout.split()[-1]) >= 4, done.stderr
        (told,) = await sql(database, "SELECT state, rows, created, updated, unchanged, doubled FROM imports")
        assert tuple(told) == ("done", 201, 200, 0, 0, 1)
        (count,) = await sql(
            database,
            "SELECT count(*), count(DISTINCT source_id), max(name) FILTER (WHERE source_id = '7')"
            " FROM presences",
        )
        assert tuple(count) == (200, 200, "店七改")
        (phones,) = await sql(
            database, "SELECT count(*) FROM identifiers WHERE kind = 1 AND ended_at IS NULL"
        )
        assert phones[0] == 199
    finally:
        await database.close()
