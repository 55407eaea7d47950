"""An insider with every right on database and disks: each thing he changes is found by the audit and named.

He is a database superuser who turns the triggers off and who may write to every folder of the platform. What
he cannot reach is the custodian. The negative control: an untouched store gives no finding at all.
"""

import asyncio
import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from services.common.identity import Claims
from services.evidence.custody import service as custody
from services.evidence.items import run
from services.evidence.log.tiles import tile_path
from tests.evidence_stack import as_insider, own_home, remove, running

AUDITOR = Claims(
    sub="u-auditor",
    name="审计",
    org="360000-SJ",
    org_name="省局",
    region="360000",
    roles=frozenset({"auditor"}),
    permissions=frozenset({"integrity:audit", "log:manage"}),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(make_settings):
    """One platform with three items for the whole module; each test puts back what it changed."""
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        items = [await stack.submit() for _ in range(3)]
        await logged(stack)
        yield stack, items
    remove(settings)


async def logged(stack) -> None:
    """Every queued entry is a leaf and published."""
    for _ in range(200):
        async with stack.runtime.database.transaction() as session:
            waiting = await session.execute(text("SELECT count(*) FROM log_entries WHERE index IS NULL"))
        if not waiting.scalar_one():
            break
        stack.runtime.log.wake()
        await asyncio.sleep(0.02)
    await stack.runtime.log.flush()
    await stack.runtime.log.cosigner.settled()


async def audit(stack, after: str = "") -> tuple[list[dict], dict]:
    answer = await stack.get("/evidence-audits", AUDITOR, params={"after": after})
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    return [line for line in lines if "finding" in line], lines[-1]["end"]


async def named(stack) -> set[tuple[str, str | None]]:
    return {(line["finding"], line["item"]) for line in (await audit(stack))[0]}


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_untouched_store_gives_no_finding(whole):
    stack, items = whole
    findings, end = await audit(stack)
    assert findings == []
    assert end == {"findings": 0, "items": 3, "not_checked": []}
    ids = sorted(item["id"] for item in items)
    assert (await audit(stack, after=ids[1]))[1]["items"] == 1, "an audit goes on where it was broken off"


async def test_reading_needs_the_permission(whole):
    stack, _ = whole
    assert (await stack.get("/evidence-audits")).status_code == 403


CHANGES = [
    ("evidence_items", "requested_url = 'https://other.example/'", "requested_url", "item.changed"),
    ("evidence_items", "title = 'x'", "title", "item.changed"),
    ("evidence_items", "region_code = '110000'", "region_code", "item.changed"),
    ("evidence_items", "captured_at = captured_at - interval '1 day'", "captured_at", "item.changed"),
    ("evidence_items", "evidence_no = 'WJ-360121-2026-00000009'", "evidence_no", "item.changed"),
    ("evidence_items", "envelope = envelope || ' '::bytea", "envelope", "item.changed"),
    ("evidence_items", "proof = replace(proof, 'index ', 'index 1')", "proof", "item.proof"),
    ("evidence_items", "package_sha256 = repeat('0', 64)", "package_sha256", "package.changed"),
    ("evidence_items", "sealed_at = sealed_at - interval '1 day'", "sealed_at", "clock.moved"),
    ("evidence_items", "sealed_at = sealed_at + interval '1 day'", "sealed_at", "clock.moved"),
    ("evidence_items", "created_at = created_at + interval '1 day'", "created_at", "clock.moved"),
    ("stamps", "response = response || '\\x00'::bytea", "response", "stamp.changed"),
    ("stamps", "stamped_at = stamped_at - interval '1 day'", "stamped_at", "clock.moved"),
    ("receipts", "receipt = replace(receipt, 'signatures', 'signaturez')", "receipt", "receipt.changed"),
    ("artefacts", "sm3 = repeat('0', 64)", "sm3", "artefact.changed"),
    ("custody_events", "reason = 'other'", "reason", "custody.altered"),
    ("custody_events", "document = document || ' '::bytea", "document", "custody.altered"),
    ("custody_events", "at = at + interval '1 day'", "at", "clock.moved"),
    ("custody_events", "at = at - interval '1 day'", "at", "clock.moved"),
    ("orders", "document = document || ' '::bytea", "document", "order.changed"),
]


# The first of each table in every run, all of them in `make test-all`.
_SEEN: set[str] = set()
_CASES = [
    pytest.param(*case, marks=[] if case[0] not in _SEEN and not _SEEN.add(case[0]) else [pytest.mark.slow])
    for case in CHANGES
]


@pytest.mark.parametrize(("table", "change", "column", "code"), _CASES)
async def test_a_changed_row_is_found_and_its_item_named(whole, table, change, column, code):
    stack, items = whole
    item, key = items[1]["id"], "id" if table in ("evidence_items", "orders") else "evidence_id"
    await as_insider(
        stack,
        f"CREATE TABLE kept AS SELECT ctid AS place, {column} AS was FROM {table} WHERE {key} = '{item}'",  # noqa: S608
        f"CREATE TABLE copy AS SELECT * FROM {table} WHERE {key} = '{item}'",  # noqa: S608 - our own values
        f"UPDATE {table} SET {change} WHERE {key} = '{item}'",  # noqa: S608
    )
    try:
        assert (code, item) in await named(stack)
    finally:
        await as_insider(
            stack,
            f"DELETE FROM {table} WHERE {key} = '{item}'",  # noqa: S608
            f"INSERT INTO {table} SELECT * FROM copy",  # noqa: S608
            "DROP TABLE copy",
            "DROP TABLE kept",
        )
    assert await named(stack) == set(), "put back, nothing is wrong any more"


async def test_a_changed_and_a_removed_object_are_named(whole):
    stack, items = whole
    item = items[0]["id"]
    async with stack.runtime.database.transaction() as session:
        query = text("SELECT sha256 FROM artefacts WHERE evidence_id = :i AND path = 'evidence/page.png'")
        sha256 = (await session.execute(query, {"i": item})).scalar_one()
    file = stack.runtime.store.file(sha256)
    good = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert ("object.changed", item) in await named(stack)
    file.unlink()
    assert ("object.missing", item) in await named(stack)
    file.write_bytes(good)
    assert await named(stack) == set()


async def test_a_changed_tile_is_named(whole):
    stack, _ = whole
    log = stack.runtime.log
    size = log.size
    tile = log.folder / "tile" / tile_path("entries", (size - 1) // 256, size % 256 or 256)
    good = tile.read_bytes()
    tile.write_bytes(good[:-2] + b"x" + good[-1:])
    found = (await audit(stack))[0]
    assert {line["finding"] for line in found} == {"log.entry.differs"}
    assert found[0]["detail"] == f"#0 leaf {size - 1}"
    tile.write_bytes(good)
    assert await named(stack) == set()


async def test_a_removed_custody_event_is_named(whole):
    stack, items = whole
    item = items[2]["id"]
    await as_insider(
        stack,
        f"CREATE TABLE copy AS SELECT * FROM custody_events WHERE evidence_id = '{item}' AND seq = 2",  # noqa: S608
        f"DELETE FROM custody_events WHERE evidence_id = '{item}' AND seq = 2",  # noqa: S608
    )
    found = {code for code, _ in await named(stack)}
    assert {"custody.gap", "custody.removed"} <= found
    assert ("custody.gap", item) in await named(stack)
    await as_insider(stack, "INSERT INTO custody_events SELECT * FROM copy", "DROP TABLE copy")
    assert await named(stack) == set()


async def test_the_custodians_copy_is_challenged(whole):
    """The custodian's own disk loses or changes a package: it cannot answer for bytes it does not have."""
    stack, items = whole
    folder = Path(stack.settings.home / "custodian" / "store" / "sha256")
    async with stack.runtime.database.transaction() as session:
        query = text("SELECT package_sha256 FROM evidence_items WHERE id = :i")
        sha256 = (await session.execute(query, {"i": items[0]["id"]})).scalar_one()
    file = folder / sha256[:2] / f"{sha256}.wacz"
    good = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(bytes(byte ^ 1 for byte in good))
    assert ("copy.changed", items[0]["id"]) in await named(stack)
    file.unlink()
    assert ("copy.missing", items[0]["id"]) in await named(stack)
    file.write_bytes(good)
    assert await named(stack) == set()


async def test_an_absent_custodian_is_said_and_is_no_finding(whole):
    stack, _ = whole
    await stack.custodian.stop()
    findings, end = await audit(stack)
    assert findings == []
    assert len(end["not_checked"]) == 1
    await stack.custodian.start()
    assert await named(stack) == set()


async def test_an_item_removed_with_all_its_rows_is_named_with_its_number(make_settings):
    """Every row that speaks of it goes, also the log's; then the number counter is put back as well."""
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        kept, gone = await stack.submit(), await stack.submit()
        await logged(stack)
        assert await named(stack) == set()
        item = gone["id"]
        await as_insider(
            stack,
            "DELETE FROM log_entries WHERE ref IN (SELECT 'custody:' || id FROM custody_events"  # noqa: S608
            f" WHERE evidence_id = '{item}')",
            f"DELETE FROM log_entries WHERE ref IN ('seal:{item}', 'order:{item}')",  # noqa: S608
            *(
                f"DELETE FROM {table} WHERE evidence_id = '{item}'"  # noqa: S608
                for table in ("custody_events", "stamps", "receipts", "artefacts")
            ),
            f"DELETE FROM evidence_items WHERE id = '{item}'",  # noqa: S608
            f"DELETE FROM orders WHERE id = '{item}'",  # noqa: S608
            "UPDATE number_counters SET last = 1",
        )
        found = (await audit(stack))[0]
        missing = [line for line in found if line["finding"] == "item.missing"]
        assert [(line["item"], line["number"]) for line in missing] == [(item, gone["evidence_no"])]
        assert "log.entry.gap" in {line["finding"] for line in found}
        shutil.rmtree(stack.runtime.log.root / "tile")
        missing = [line for line in (await audit(stack))[0] if line["finding"] == "item.missing"]
        assert [line["item"] for line in missing] == [item], (
            "with the tiles gone the custodian still names it"
        )
        assert kept["id"] not in {line["item"] for line in found}
    remove(settings)


@pytest.mark.parametrize("days", [1, pytest.param(-1, marks=pytest.mark.slow)])
async def test_a_clock_moved_by_a_day_while_sealing_is_named(make_settings, monkeypatch, days):
    """The service's clock is wrong; time-stamping authority and custodian have their own."""
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        before = await stack.submit()
        await logged(stack)
        assert await named(stack) == set()
        real = custody.utc_now
        with monkeypatch.context() as patch:
            for module in (custody, run):
                patch.setattr(module, "utc_now", lambda: real() + dt.timedelta(days=days))
            moved = await stack.submit()
            await logged(stack)
        found = await named(stack)
        assert ("clock.moved", moved["id"]) in found
        assert before["id"] not in {item for _, item in found}
    remove(settings)
