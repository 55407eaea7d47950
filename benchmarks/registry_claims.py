"""Jurisdiction: 100,000 presences offered to their counties by one job, previewed before; a province matched.

    python -m benchmarks registry_claims      (two minutes)

PostgreSQL is a process of its own. Floor: the same changes and history rows written by two statements, with
no rule asked, no lock, no address opened and no progress kept; what waits for the search index is sorted in
at once afterwards, as by ours.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause, text

from benchmarks.registry_import import ROWS, registry_at, shop_list, take_in
from benchmarks.row import Row
from infra.embedded.postgres import EmbeddedPostgres
from services.common.bulk import Settling, in_batches
from services.common.database import Database
from services.common.identity import Claims
from services.common.migrate import upgrade
from services.common.personal_keys import personal_data
from services.common.settings import Settings
from services.registry.bootstrap import load_divisions
from services.registry.claims import bulk
from services.registry.claims.schemas import BulkIn, JobIn, MatchIn
from services.registry.claims.tasks import ClaimJobs

_ROWS = 100_000
_FILLED = "registry_filled"
_PROVINCE = Claims(
    "u-bench",
    "bench",
    "360000-SJ",
    "江西省市场监督管理局",
    "360000",
    permissions=frozenset({"registry:read", "registry:assign"}),
)
# Names, numbers and grams as long as an imported row's: the index over them is what an update costs.
_FILL = text(
    "WITH grams AS MATERIALIZED (SELECT g AS no,"
    " ARRAY(SELECT (random() * 200000)::int + g * 0 FROM generate_series(1, 40)) AS plain,"
    " ARRAY(SELECT (random() * 2000000)::int + g * 0 FROM generate_series(1, 20)) AS keyed"
    " FROM generate_series(0, 999) AS g)"
    " INSERT INTO presences (id, channel, name, source, source_id, warnings, search_text, grams,"
    " contact_grams, org_code, region_code, created_by, created_at, updated_at, claim_state, match_code,"
    " match_confidence)"
    " SELECT lpad(n::text, 26, '0'), 'shop', '网店' || n, 'bench', n::text, '[]', '网店' || n,"
    " g.plain, g.keyed,"
    " '360000-SJ', '360000', 'bench', now(), now(), 'matched', '3601' || (21 + n % 2 * 2) || '-SJ', 95"
    " FROM generate_series(1, :rows) AS n JOIN grams g ON g.no = n % 1000"
)
_FLOOR = (
    text(
        "UPDATE presences SET claim_state = 'offered', claim_version = claim_version + 1, claim_at = now(),"
        " offered_code = match_code, assigner_code = org_code, authority_code = org_code,"
        " region_code = left(match_code, 6)"
    ),
    text(
        "INSERT INTO claim_steps (presence_no, version, machine_version, action, from_state, to_state,"
        " authority_before, authority_code, offered_code, region_code, basis, actor, actor_name, org_code,"
        " org_name, at) SELECT no, claim_version, '1', 'offer', 'matched', 'offered', org_code, org_code,"
        " offered_code, region_code, 'operator_place', 'bench', 'bench', org_code, 'bench', now()"
        " FROM presences"
    ),
)


async def _at_once(database: Database, statements: Sequence[TextClause], **values: Any) -> float:
    """Seconds of a few statements over all rows; their tokens are sorted into the search index at the end."""
    began = time.perf_counter()
    async with database.transaction() as session:
        await in_batches(session, settling=True)
        for statement in statements:
            await session.execute(statement, values)
    await Settling(database, ["ix_presences_search"]).end()
    return time.perf_counter() - began


async def _filled(server: EmbeddedPostgres) -> None:
    server.ensure_database(_FILLED)
    await asyncio.to_thread(upgrade, "registry", server.url(_FILLED))
    database = Database(server.url(_FILLED), "registry")
    await load_divisions(database)
    await _at_once(database, [_FILL], rows=_ROWS)
    async with database.engine.connect() as opened:
        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE presences"))
    await database.close()


async def _floor(server: EmbeddedPostgres) -> float:
    server.ensure_database("registry_floor", _FILLED)
    database = Database(server.url("registry_floor"), "registry")
    took = await _at_once(database, _FLOOR)
    await database.close()
    return took


async def _ours(server: EmbeddedPostgres) -> tuple[float, float]:
    """Seconds of the preview and of the job."""
    server.ensure_database("registry_ours", _FILLED)
    database = Database(server.url("registry_ours"), "registry")
    jobs = ClaimJobs(database, await personal_data(database))
    order = {"order": {"action": "offer", "as_matched": True}, "selection": {"states": ["matched"]}}
    began = time.perf_counter()
    async with database.transaction() as session:
        seen = await bulk.preview(session, _PROVINCE, BulkIn.model_validate(order))
    previewed = time.perf_counter() - began
    job = JobIn.model_validate({**order, "key": "benchmark-1", "expected": seen.total})
    began = time.perf_counter()
    async with database.transaction() as session:
        ordered = await bulk.order_job(session, _PROVINCE, job)
    await jobs.run()
    took = time.perf_counter() - began
    async with database.transaction() as session:
        done = await bulk.get_job(session, _PROVINCE, ordered.id)
    if (seen.change, done.changed, done.state) != (_ROWS, _ROWS, "done"):
        raise RuntimeError(f"not all offered: {seen.change}, {done}")
    await database.close()
    return previewed, took


async def _matched(server: EmbeddedPostgres, folder: Path) -> tuple[float, int]:
    """Seconds of matching an imported province; how many found their authority."""
    async with registry_at(server, folder, "registry_matching") as (database, personal, files):
        await take_in(database, personal, files, shop_list(ROWS))
        began = time.perf_counter()
        async with database.transaction() as session:
            ordered = await bulk.order_matching(session, _PROVINCE, MatchIn(key="benchmark-2"))
        await ClaimJobs(database, personal).run()
        took = time.perf_counter() - began
        async with database.transaction() as session:
            done = await bulk.get_job(session, _PROVINCE, ordered.id)
        if (done.state, done.done) != ("done", ROWS):
            raise RuntimeError(f"not all looked at: {done}")
        return took, done.changed


async def _measure(folder: Path) -> tuple[float, float, float, tuple[float, int]]:
    settings = Settings(home=folder)
    server = EmbeddedPostgres(settings.home, settings.run_dir)
    await asyncio.to_thread(server.start)
    try:
        await _filled(server)
        floor = await _floor(server)
        previewed, took = await _ours(server)
        matched = await _matched(server, folder)
    finally:
        await asyncio.to_thread(server.stop)
    return floor, previewed, took, matched


def rows() -> list[Row]:
    """Bulk assignment of 100,000 offers, and matching of a province, beside the bare statements."""
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        floor, previewed, took, matched = asyncio.run(_measure(Path(folder)))
    return [
        Row(
            "offer 100,000 presences to their counties",
            took,
            floor,
            "s",
            "the same rows changed and noted by two statements",
            2.0,
            note=f"preview before it: {previewed:.1f} s; job in chunks of 2,000, each one transaction",
        ),
        Row(
            f"match {ROWS:,} imported shops to their authorities",
            matched[0],
            floor * matched[1] / _ROWS,
            "s",
            "as many rows changed and noted by two statements, at their speed in the row above",
            0.0,
            30.0,
            f"{matched[1]:,} placed; addresses opened and read, chunks of 2,000 with progress",
        ),
    ]
