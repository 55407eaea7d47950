"""Rebuilding: nothing is lost meanwhile, agents are noticed, officers' words outlast it, files written."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from services.common.database import Database
from services.registry.linking import service
from services.registry.linking.bulk import repository as bulk
from services.registry.linking.bulk.exporting import export_clusters, export_links
from services.registry.linking.nearby import repository as nearby
from tests import linking_world as world


@pytest.fixture(scope="module")
async def database(make_database: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(make_database("registry"), "registry")
    yield found
    await found.close()


@pytest.fixture(autouse=True)
async def empty(database: Database) -> None:
    await world.clear(database)


async def _show(database: Database, facts: list[world.Fact]) -> None:
    async with database.transaction() as session:
        await world.show(session, facts)
        await service.changed(session, [no for _, _, no in facts])


async def _clusters(database: Database) -> dict[int, int]:
    return {no: cluster for no, cluster, _ in (await world.result(database))[1]}


async def _ask(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.transaction() as session:
        return [tuple(row) for row in await session.execute(text(query))]


def _operators(many: int, kinds: tuple[int, ...] = (1, 3)) -> list[world.Fact]:
    """Operators of four shops, each with a phone and a WeChat name of its own."""
    return [(kind, 10_000 + shop // 4, shop) for shop in range(4, 4 + 4 * many) for kind in kinds]


async def test_an_agent_changes_no_cluster_and_raises_a_finding(database: Database) -> None:
    await _show(database, _operators(60))
    before = await _clusters(database)
    clients = [(4, 7, shop) for shop in range(4, 244, 4)]
    await _show(database, clients)
    assert await _clusters(database) == before
    assert await _ask(database, "SELECT code, kind, key FROM findings") == [("value.shared_agent", 4, 7)]
    await service.rebuild(database)
    assert await _clusters(database) == before


async def test_a_value_that_becomes_a_hub_withdraws_its_links_and_says_why(database: Database) -> None:
    facts = _operators(20, kinds=(1,))
    await _show(database, [*facts, (2, 5, 4), (2, 5, 8)])
    assert (await _clusters(database))[8] == 4
    await _show(database, [(2, 5, shop) for shop in range(12, 80, 4)])
    assert (await _clusters(database))[8] == 8
    turned = await _ask(
        database, "SELECT hub, holders, pairs, before->>'code', reason->>'code' FROM link_changes"
    )
    assert turned == [(True, 19, 1, "few", "scattered")]
    assert await _ask(database, "SELECT code FROM findings") == [("value.became_hub",)]


async def test_officers_words_outlast_a_rebuild(database: Database) -> None:
    await _show(database, _operators(3))
    async with database.transaction() as session:
        await world.judge(session, 4, 8, "same")
        await world.judge(session, 5, 6, "different")
        await service.changed(session, [4, 5, 6, 8])
    followed = await _clusters(database)
    assert followed[4] == followed[8]
    assert followed[5] != followed[6]
    await service.rebuild(database)
    assert await _clusters(database) == followed


async def test_what_changes_during_a_rebuild_is_followed_afterwards(database: Database) -> None:
    await _show(database, _operators(3))
    other = await bulk.connect(database.engine.url)
    await bulk.lock(other)  # as a rebuild does
    await _show(database, [(6, 1, 4), (6, 1, 8)])
    assert (await _clusters(database))[8] == 8
    assert await service.catch_up(database) == 0  # nobody follows meanwhile
    await bulk.unlock(other)
    await other.close()
    assert await service.catch_up(database) == 2
    assert (await _clusters(database))[8] == 4


async def test_a_rebuild_that_is_cancelled_changes_nothing(database: Database) -> None:
    await _show(database, _operators(5))
    before = await world.result(database)

    def stop(progress: service.Progress) -> None:
        if progress.stage == "write":
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await service.rebuild(database, stop)
    assert await world.result(database) == before
    async with database.transaction() as session:
        assert await nearby.around(session, [], []) is not None
    await service.rebuild(database)
    assert await world.result(database) == before


async def test_the_keeper_rebuilds_once_a_list_is_in(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MANY", 8)
    async with database.transaction() as session:
        await world.show(session, _operators(3))
    keeper = service.Keeper(database)
    await keeper.look()
    assert await _clusters(database) == {}  # more may come
    await keeper.look()
    assert set((await _clusters(database)).values()) == {4, 8, 12}
    async with database.transaction() as session:
        await world.show(session, [(6, 1, 4), (6, 1, 8)])
    await keeper.look()
    assert set((await _clusters(database)).values()) == {4, 12}


async def test_verdicts_of_an_earlier_rule_are_judged_anew(database: Database) -> None:
    await _show(database, _operators(3))
    before = await world.result(database)
    old = 'UPDATE identifier_values SET reason = reason || \'{"rule": "2026-1"}\''
    async with database.transaction() as session:
        await session.execute(text(old))
    keeper = service.Keeper(database)
    await keeper.look()
    assert await world.result(database) == before
    async with database.transaction() as session:
        await session.execute(text(old))
    await keeper.look()  # looks once: only an update brings a new rule
    assert await world.result(database) != before


_SCANS = text(
    "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes"
    " WHERE relname IN ('identifiers', 'identifier_values', 'clusters')"
)


async def test_the_first_look_reads_the_indexes_once(database: Database) -> None:
    """Shown by the server's own count of scans, which it writes down when told to."""
    await _show(database, _operators(3))
    keeper = service.Keeper(database)
    counts: list[dict[str, int]] = []
    for _ in range(3):
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_stat_force_next_flush()"))
        async with database.transaction() as session:
            counts.append({row.indexrelname: row.idx_scan for row in await session.execute(_SCANS)})
        await keeper.look()
    read = {index for index, scans in counts[1].items() if scans > counts[0][index]}
    assert read == {
        "pk_identifiers",
        "ix_identifiers_kind_key_presence_no",
        "pk_identifier_values",
        "pk_clusters",
        "ix_clusters_block",
    }
    assert counts[2] == counts[1]


_SHOP = text(
    "INSERT INTO presences (id, channel, platform, name, source, source_id, warnings, search_text, grams,"
    " org_code, region_code, created_by, created_at, updated_at, personal)"
    " VALUES (:id, 'platform', 't', :name, :source, :name, '[]', '', '{}', 't', '360000', 't', now(), now(),"
    " '\\x00') RETURNING no"
)


async def test_files_name_shops_as_the_imported_list_does(database: Database, tmp_path: Path) -> None:
    nos = {}
    async with database.transaction() as session:
        for number, (name, source) in enumerate([("A", "s"), ("B", "s"), ("=C", "s"), ("D", "other")]):
            values = {"id": f"{number:026}", "name": name, "source": source}
            nos[name] = (await session.execute(_SHOP, values)).scalar_one()
        await world.show(session, [(1, 5, nos["A"]), (1, 5, nos["=C"]), (6, 5, nos["A"]), (6, 5, nos["=C"])])
        await world.judge(session, nos["A"], nos["D"], "same")
        await service.changed(session, list(nos.values()))
    assert await export_links(database, tmp_path / "links.csv") == 2
    assert list(csv.reader((tmp_path / "links.csv").open())) == [
        ["shop_a", "shop_b", "reasons"],
        ["A", "'=C", "phone;licence"],
        ["A", "D", "judged"],
    ]
    assert await export_clusters(database, tmp_path / "clusters.csv", "s") == (3, 2)
    rows = list(csv.reader((tmp_path / "clusters.csv").open()))
    assert rows[0] == ["shop", "cluster"]
    clusters = dict(rows[1:])
    assert clusters["A"] == clusters["'=C"] != clusters["B"]
