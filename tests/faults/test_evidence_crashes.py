"""Faults in the middle of sealing: every item ends sealed once, with one number, and nothing is lost."""

import asyncio
import io
from datetime import timedelta

import pytest
from sqlalchemy import text

from services.common.database import Database
from services.evidence.app import create_app
from services.evidence.items.sealing import Sealer
from services.evidence.log import repository as log_repository
from services.evidence.log.fsck import fsck
from services.evidence.log.notes import open_checkpoint
from services.evidence.log.service import LogCorruptError, TransparencyLog
from services.evidence.objects.disk import object_path
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import OFFICER, own_home, remove, running

NOW = timedelta(seconds=-1)


class Killed(Exception):
    """Stands for the process dying at this point."""


@pytest.fixture
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def check_sealed(stack, evidence_id: str) -> str:
    """The item is sealed, its package valid; gives its number."""
    item = (await stack.get(f"/evidence/{evidence_id}")).json()
    assert item["stage"] == "sealed", item
    package = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "t"})
    report = verify(io.BytesIO(package.content), read_trust((await stack.client.get("/trust")).content))
    assert report["verdict"] == "VALID"
    return str(report["evidence_no"])


async def one(stack, sql: str) -> int:
    async with stack.runtime.database.transaction() as session:
        return int((await session.execute(text(sql))).scalar_one())


async def resume(stack) -> None:
    """What the reconciler does, without its pauses."""
    stack.app.state.jobs._pause.clear()
    await stack.app.state.jobs.resume(grace=NOW)


@pytest.mark.parametrize("where", ["sign", "stamp", "log", "replicate"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_between_any_two_stages(stack, monkeypatch, where, when):
    real = getattr(Sealer, where)

    async def dying(self, *arguments):
        if when == "after":
            await real(self, *arguments)
        raise Killed

    evidence_id, envelope = await stack.intake()
    with monkeypatch.context() as patch:
        patch.setattr(Sealer, where, dying)
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.seal_interrupted"
    if (where, when) == ("sign", "before"):
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["op"] == "digested", "nothing was kept: the worker asks again"
    else:
        await resume(stack)
    number = await check_sealed(stack, evidence_id)
    assert number.endswith("-00000001")
    assert await one(stack, "SELECT count(*) FROM log_entries WHERE ref LIKE 'seal:%'") == 1
    assert await one(stack, "SELECT last FROM number_counters") == 1
    assert await one(stack, "SELECT count(*) FROM stamps") == 1


async def test_service_restarts_and_goes_on_by_itself(make_settings, monkeypatch):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        await stack.custodian.stop()
        evidence_id, envelope = await stack.intake()
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.custodian_unavailable"
        assert [line["op"] for line in lines[:-1]] == ["signed", "stamped"]
        size = stack.runtime.log.size
    async with running(settings) as stack:
        assert stack.runtime.log.size >= size
        await resume(stack)
        await check_sealed(stack, evidence_id)
        assert await fsck(stack.runtime.database, stack.runtime.log.public, stack.runtime.log.folder) == []
    remove(settings)


@pytest.mark.parametrize("peer", ["tsa", "custodian"])
async def test_a_peer_away_for_a_while(stack, peer):
    first = await stack.submit()
    await getattr(stack, peer).stop()
    waiting = [await stack.intake() for _ in range(4)]
    for evidence_id, envelope in waiting:
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == f"evidence.{peer}_unavailable"
        item = (await stack.get(f"/evidence/{evidence_id}")).json()
        assert item["stage"] != "sealed"
        assert item["evidence_no"] is None, "no number is shown before all proofs are in"
        assert item["last_error"]["code"] == f"evidence.{peer}_unavailable"
        refused = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "t"})
        assert (refused.status_code, refused.json()["code"]) == (409, "evidence.not_sealed")
    await getattr(stack, peer).start()
    await resume(stack)
    numbers = {await check_sealed(stack, evidence_id) for evidence_id, _ in waiting}
    assert len(numbers | {first["evidence_no"]}) == 5
    assert await one(stack, "SELECT last FROM number_counters") == 5


async def test_damaged_object_is_never_called_sealed(stack, monkeypatch):
    evidence_id, envelope = await stack.intake()
    async with stack.runtime.database.transaction() as session:
        query = text("SELECT sha256 FROM artefacts WHERE evidence_id=:i AND path='evidence/page.png'")
        sha256 = (await session.execute(query, {"i": evidence_id})).scalar_one()
    file = object_path(stack.runtime.store.root, sha256)
    good = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["op"] == "error"
    assert lines[-1]["problem"]["code"] in ("evidence.store_damaged", "evidence.custodian_refused")
    file.write_bytes(good)
    await resume(stack)
    await check_sealed(stack, evidence_id)


async def test_a_store_that_is_full_while_sealing_goes_on_later(stack, monkeypatch):
    from services.evidence.objects import store

    evidence_id, envelope = await stack.intake()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.Writer, "keep", full)
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.store_full"
    await resume(stack)
    await check_sealed(stack, evidence_id)


async def test_many_items_with_faults_in_between(stack, monkeypatch):
    """Each third call of a stage dies; everything ends sealed, numbered 1 … n, each leaf once."""
    calls = 0
    with monkeypatch.context() as patch:
        for name in ("stamp", "log", "replicate"):
            real = getattr(Sealer, name)

            async def dying(self, item, real=real):
                nonlocal calls
                calls += 1
                done = await real(self, item)
                if calls % 3 == 0:
                    raise Killed
                return done

            patch.setattr(Sealer, name, dying)
        intakes = [await stack.intake() for _ in range(12)]
        await asyncio.gather(*(stack.seal(*intake) for intake in intakes))
    await resume(stack)
    numbers = [await check_sealed(stack, evidence_id) for evidence_id, _ in intakes]
    assert sorted(number[-8:] for number in numbers) == [f"{n:08d}" for n in range(1, 13)]
    assert await one(stack, "SELECT count(*) FROM log_entries WHERE ref LIKE 'seal:%'") == 12


async def test_a_failed_log_transaction_gives_no_leaf_and_no_gap(stack, monkeypatch):
    from services.evidence.log import repository

    real, failures = repository.add_checkpoint, [0]

    async def failing(session, size, note):
        if failures[0] < 2:
            failures[0] += 1
            raise OSError("database gone")
        await real(session, size, note)

    with monkeypatch.context() as patch:
        patch.setattr(repository, "add_checkpoint", failing)
        sealed = await stack.submit()
    assert failures[0] == 2
    await check_sealed(stack, sealed["id"])
    await asyncio.sleep(0.6)
    assert await fsck(stack.runtime.database, stack.runtime.log.public, stack.runtime.log.folder) == []


# --- an insider at the log --------------------------------------------------------------------------------


async def as_insider(stack, *statements: str) -> None:
    """Change rows with the triggers out of the way, as a database administrator can."""
    async with stack.runtime.database.transaction() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await session.execute(text(statement))


async def findings(stack) -> set[str]:
    log = stack.runtime.log
    return {finding.code for finding in await fsck(stack.runtime.database, log.public, log.folder)}


async def test_two_processes_write_one_log(stack):
    """Two writers on one database: every entry one leaf, no gap, both know the same tree."""
    first, settings = stack.runtime.log, stack.settings
    database = Database(settings.database_url("evidence"), "evidence")
    second = TransparencyLog(database, first.key, first.origin, settings.home / "second")
    await second.start()

    async def write(log, own, number: int) -> int:
        async with own.transaction() as session:
            await log_repository.enqueue(session, {f"test:{number}": b"entry %d" % number})
        return await log.wait_for(f"test:{number}")

    writers = [(first, stack.runtime.database), (second, database)]
    indexes = await asyncio.gather(*(write(*writers[number % 2], number) for number in range(60)))
    assert sorted(indexes) == list(range(60))
    await asyncio.gather(*(write(*writer, 60 + n) for n, writer in enumerate(writers)))
    await second.stop()
    await database.close()
    async with stack.runtime.database.transaction() as session:
        assert len(await log_repository.entries(session, 0, 100)) == 62
        signed = await log_repository.checkpoints(session, -1, 100)
    heads = [open_checkpoint(item.note, first.public) for item in signed]
    assert heads[-1].size == 62
    await first._ensure_loaded(62)
    assert all(head.root == first._tree.root(head.size) for head in heads)


async def test_history_rows_refuse_ordinary_changes(stack):
    await stack.submit()
    await asyncio.sleep(0.6)
    for statement in (
        "UPDATE log_entries SET entry = 'x'",
        "UPDATE log_entries SET index = index + 1000",
        "DELETE FROM log_entries",
        "UPDATE log_checkpoints SET note = 'x'",
        "DELETE FROM log_checkpoints",
        "UPDATE custody_events SET reason = 'x'",
        "DELETE FROM custody_events",
        "UPDATE stamps SET operator = 'x'",
        "UPDATE orders SET url = 'x'",
    ):
        with pytest.raises(Exception, match=r"cannot be changed|history"):
            async with stack.runtime.database.transaction() as session:
                await session.execute(text(statement))


async def test_fsck_finds_what_an_insider_changes(stack):
    await stack.submit()
    await asyncio.sleep(0.7)
    assert await findings(stack) == set()
    await as_insider(stack, "UPDATE log_entries SET entry = convert_to('forged','UTF8') WHERE index = 0")
    assert {"checkpoint.root", "tile.differs", "checkpoint.file"} <= await findings(stack)


async def test_fsck_finds_a_removed_entry_and_changed_files(stack):
    await stack.submit()
    await asyncio.sleep(0.7)
    tile = next((stack.runtime.log.folder / "tile" / "0").rglob("*.p/*"))
    good = tile.read_bytes()
    tile.write_bytes(b"\x00" + good[1:])
    changed = await findings(stack)
    assert changed <= {"tile.differs"}
    tile.write_bytes(good)
    await as_insider(stack, "DELETE FROM log_entries WHERE index = 1")
    assert await findings(stack) == {"entry.gap"}


async def test_a_log_that_was_edited_does_not_start_to_sign(stack):
    await stack.submit()
    await as_insider(stack, "UPDATE log_entries SET entry = convert_to('forged','UTF8') WHERE index = 0")
    log = stack.runtime.log
    fresh = TransparencyLog(stack.runtime.database, log.key, log.origin, log.folder)
    with pytest.raises(LogCorruptError):
        await fresh.start()


async def test_a_log_restored_from_an_old_backup_is_stopped_by_the_custodian(make_settings):
    """Entries and checkpoints after a point vanish with their rows; the witness has seen more."""
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        await stack.submit()
        await asyncio.sleep(0.6)
        keep = stack.runtime.log.size
        await stack.submit()
        await asyncio.sleep(0.6)
        await as_insider(
            stack,
            f"DELETE FROM log_entries WHERE index >= {keep}",  # noqa: S608 - our own number
            f"DELETE FROM log_checkpoints WHERE size > {keep}",  # noqa: S608
        )
    async with running(settings, app=create_app(settings)) as stack:
        evidence_id, envelope = await stack.intake()
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.log_fork"
        assert (await stack.get(f"/evidence/{evidence_id}", OFFICER)).json()["stage"] == "stamped"
    remove(settings)
