"""The log under faults and insiders: several writers, changed rows and files, a database put back, witnesses
that hang or are away, freezing. Each safety claim has its negative control: the untouched log."""

import asyncio
import io
import json
import re
import shutil
import zipfile
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from infra.custodian.__main__ import main as custodian_command
from services.common.database import Database
from services.common.problems import Problem
from services.evidence.log import repository as log_repository
from services.evidence.log.freezing import freeze
from services.evidence.log.fsck import Finding, check_folder
from services.evidence.log.notes import open_checkpoint
from services.evidence.log.service import TransparencyLog
from services.evidence.log.tiles import tile_path
from services.evidence.reconciliations.service import inspect, reconcile
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import as_insider, log_findings, own_home, remove, running


@pytest.fixture
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def codes(stack) -> set[str]:
    return {finding.code for finding in await log_findings(stack)}


def is_sealed(lines: list[dict]) -> bool:
    return any(line["op"] == "sealed" for line in lines)


async def settle(stack) -> None:
    """Let custody events reach the log, and have everything published."""
    log = stack.runtime.log
    for _ in range(1_000):
        async with stack.runtime.database.transaction() as session:
            waiting = await session.execute(text("SELECT count(*) FROM log_entries WHERE index IS NULL"))
        if not waiting.scalar_one():
            break
        log.wake()
        await asyncio.sleep(0.02)
    await log.flush()


async def verified(stack, evidence_id: str) -> dict:
    package = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "t"})
    assert package.status_code == 200, package.text
    trust = read_trust((await stack.client.get("/trust")).content)
    return verify(io.BytesIO(package.content), trust)


# --- several writers, changed rows and files ---------------------------------------------------------------


async def test_two_processes_write_one_log(stack):
    """Two writers on one database: every entry one leaf, no gap, both know the same tree."""
    first, settings = stack.runtime.log, stack.settings
    database = Database(settings.database_url("evidence"), "evidence")
    second = TransparencyLog(database, first.keys, settings.home / "second")
    await second.start()
    await settle(stack)
    before = first.size

    async def write(log, own, number: int) -> int:
        async with own.transaction() as session:
            await log_repository.enqueue(session, {f"test:{number}": b"entry %d" % number})
        return await log.wait_for(f"test:{number}")

    writers = [(first, stack.runtime.database), (second, database)]
    indexes = await asyncio.gather(*(write(*writers[number % 2], number) for number in range(60)))
    assert sorted(indexes) == list(range(before, before + 60))
    await asyncio.gather(*(write(*writer, 60 + n) for n, writer in enumerate(writers)))
    await second.stop()
    await database.close()
    async with stack.runtime.database.transaction() as session:
        assert len(await log_repository.entries(session, 0, 0, 1000)) == before + 62
        signed = await log_repository.checkpoints(session, 0, -1, 1000)
    heads = [open_checkpoint(item.note, first.public) for item in signed]
    await first.ensure_loaded(before + 62)
    assert all(head.root == first.shard.tree.root(head.size) for head in heads)


async def test_proofs_of_an_item_stay_below_25_kb_in_a_log_of_a_million_leaves(stack):
    sealed = await stack.submit()
    package = await stack.get(f"/evidence/{sealed['id']}/package", params={"reason": "t"})
    proofs = re.compile(r"evidence/(manifest\.dsse\.json|tst-\d+\.(tsr|path\.json)|log\.[a-z.-]+)")
    with zipfile.ZipFile(io.BytesIO(package.content)) as found:
        listed = [item for item in found.infolist() if proofs.fullmatch(item.filename)]
    sizes = {item.filename: item.file_size for item in listed}
    assert {"evidence/log.entry.json", "evidence/log.tlog-proof"} <= set(sizes)
    # 20 hashes of 45 bytes on the way to the root, 21 in the proof of growth, one more custodian's line.
    larger = sum(sizes.values()) + 20 * 45 + 21 * 47 + 200
    print(f"proofs of an item: {sum(sizes.values())} bytes now, {larger} with a million leaves: {sizes}")
    assert larger <= 25_000


async def test_history_rows_refuse_ordinary_changes(stack):
    await stack.submit()
    await settle(stack)
    for statement in (
        "UPDATE log_entries SET entry = 'x'",
        "UPDATE log_entries SET index = index + 1000",
        "UPDATE log_entries SET index = NULL, shard = NULL",
        "DELETE FROM log_entries",
        "UPDATE log_checkpoints SET note = 'x'",
        "DELETE FROM log_checkpoints",
        "UPDATE log_shards SET vkey = 'x'",
        "DELETE FROM log_shards",
        "UPDATE custody_events SET reason = 'x'",
        "DELETE FROM custody_events",
        "UPDATE stamps SET operator = 'x'",
        "UPDATE orders SET url = 'x'",
    ):
        with pytest.raises(Exception, match=r"cannot be changed|history"):
            async with stack.runtime.database.transaction() as session:
                await session.execute(text(statement))


async def test_fsck_names_what_an_insider_changes(stack):
    await stack.submit()
    await settle(stack)
    assert await log_findings(stack) == []
    await as_insider(stack, "UPDATE log_entries SET entry = convert_to('forged','UTF8') WHERE index = 0")
    found = await log_findings(stack)
    assert ("entry.differs", "leaf 0") in {(item.code, item.where) for item in found}
    assert {"checkpoint.root", "checkpoint.file"} <= {item.code for item in found}


async def test_fsck_names_a_removed_entry_with_what_it_said_and_changed_files(stack):
    sealed = await stack.submit()
    await settle(stack)
    log = stack.runtime.log
    tile = log.folder / "tile" / tile_path(0, log.size // 256, log.size % 256)
    good = tile.read_bytes()
    tile.write_bytes(b"\x00" + good[1:])
    assert await codes(stack) == {"tile.differs"}
    tile.write_bytes(good)
    await as_insider(stack, f"DELETE FROM log_entries WHERE ref = 'order:{sealed['id']}'")  # noqa: S608
    [gap] = await log_findings(stack)
    assert gap.code == "entry.gap"
    assert json.loads(gap.entry)["evidence_id"] == sealed["id"], "the published bundle still names it"


async def test_the_auditors_way_needs_the_folder_alone(stack, tmp_path):
    await stack.submit()
    await settle(stack)
    log, copy = stack.runtime.log, tmp_path / "copy"
    shutil.copytree(log.folder, copy)

    def found() -> list[Finding]:
        return [step for step in check_folder(copy, log.public) if isinstance(step, Finding)]

    assert found() == []
    bundle = copy / "tile" / tile_path("entries", log.size // 256, log.size % 256)
    data = bundle.read_bytes()
    bundle.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert {item.code for item in found()} == {"tile.differs", "checkpoint.root"}
    bundle.unlink()
    assert [item.code for item in found()] == ["tile.missing"]


async def test_a_log_that_was_edited_signs_nothing_and_is_put_right_from_what_was_published(stack):
    await stack.submit()
    await settle(stack)
    await as_insider(stack, "UPDATE log_entries SET entry = convert_to('forged','UTF8') WHERE index = 0")
    log = stack.runtime.log
    async with log.writing:
        await log.reopen()
    assert log.refusal["code"] == "log.corrupt"
    refused = await stack.client.put("/internal/orders/01ARZ3NDEKTSV4RRFFQ69G5FAV", headers=stack.crawler)
    assert refused.status_code == 422, "the body is asked for first"
    with pytest.raises(Problem, match=r"evidence\.log_refuses"):
        await log.wait_for("order:x")
    done = await reconcile(log, stack.runtime.custodians(), accept_loss=False, reason="put right")
    assert (done["done"], done["changed"]["first"], log.refusal) == ("recovered", [0], None)
    await stack.submit()
    await settle(stack)
    assert await log_findings(stack) == []


# --- a database that was put back --------------------------------------------------------------------------

_TABLES = (
    "log_entries",
    "log_checkpoints",
    "custody_events",
    "stamps",
    "artefacts",
    "evidence_items",
    "orders",
)


async def put_back(stack, size: int, keep: list[str]) -> None:
    """What restoring an older dump does: rows later than it are gone; counters are as they were."""
    listed = ",".join(f"'{item}'" for item in keep)
    await as_insider(
        stack,
        f"DELETE FROM log_entries WHERE index >= {size} OR index IS NULL",  # noqa: S608 - our own values
        f"DELETE FROM log_checkpoints WHERE size > {size}",  # noqa: S608
        f"DELETE FROM custody_events WHERE evidence_id NOT IN ({listed})",  # noqa: S608
        f"DELETE FROM stamps WHERE evidence_id NOT IN ({listed})",  # noqa: S608
        f"DELETE FROM artefacts WHERE evidence_id NOT IN ({listed})",  # noqa: S608
        f"DELETE FROM receipts WHERE evidence_id NOT IN ({listed})",  # noqa: S608
        f"DELETE FROM evidence_items WHERE id NOT IN ({listed})",  # noqa: S608
        f"DELETE FROM orders WHERE id NOT IN ({listed})",  # noqa: S608
        f"UPDATE number_counters SET last = {len(keep)}",  # noqa: S608
    )


@asynccontextmanager
async def restored(make_settings, *, tiles: bool):
    """A platform whose database was put back to when it had one item; the custodian has seen two."""
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        first = await stack.submit()
        await settle(stack)
        size = stack.runtime.log.size
        second = await stack.submit()
        await settle(stack)
        await put_back(stack, size, [first["id"]])
        if not tiles:
            shutil.rmtree(stack.runtime.log.root)
    async with running(settings) as stack:
        yield stack, first, second, size
    remove(settings)


async def refusal_of(stack) -> dict:
    for _ in range(400):
        if stack.runtime.log.refusal is not None:
            return stack.runtime.log.refusal
        await asyncio.sleep(0.05)
    raise AssertionError("the log did not refuse")


@pytest.mark.parametrize("tiles", [pytest.param(True, marks=pytest.mark.slow), False])
async def test_a_log_put_back_signs_nothing_and_says_so_everywhere(make_settings, tiles):
    async with restored(make_settings, tiles=tiles) as (stack, first, _, size):
        refusal = await refusal_of(stack)
        assert refusal["code"] == ("log.corrupt" if tiles else "log.fork")
        with pytest.raises(AssertionError, match=r"evidence\.log_refuses"):
            await stack.intake()
        health = (await stack.client.get("/health/ready")).json()["checks"]["log"]
        assert health["refusal"]["zh"] == refusal["zh"]
        assert stack.runtime.log.size == size, "nothing was signed over the gap"
        assert (await verified(stack, first["id"]))["verdict"] == "VALID", "what is there stays readable"
        async with stack.runtime.log.writing:
            await stack.runtime.log.reopen()
        assert stack.runtime.log.refusal is not None, "the refusal outlives a restart"


async def test_a_log_put_back_is_made_whole_from_what_was_published(make_settings):
    async with restored(make_settings, tiles=True) as (stack, first, second, size):
        await refusal_of(stack)
        log, custodians = stack.runtime.log, stack.runtime.custodians()
        found = await inspect(log, custodians)
        assert (found.size, found.whole, found.lost) == (size, True, [])
        assert found.missing == list(range(size, found.truth.head.size))
        done = await reconcile(log, custodians, accept_loss=False, reason="old backup")
        assert (done["done"], log.refusal, log.size) == ("recovered", None, found.truth.head.size)
        third = await stack.submit()
        assert third["evidence_no"] not in (first["evidence_no"], second["evidence_no"]), "no number twice"
        assert (await verified(stack, third["id"]))["verdict"] == "VALID"
        await settle(stack)
        assert await log_findings(stack) == []


async def test_a_log_that_lost_leaves_for_good_is_closed_and_the_next_one_says_what_is_lost(make_settings):
    async with restored(make_settings, tiles=False) as (stack, first, second, size):
        await refusal_of(stack)
        log, custodians, settings = stack.runtime.log, stack.runtime.custodians(), stack.settings
        refused = await reconcile(log, custodians, accept_loss=False, reason="r")
        assert refused["done"] == "not_recoverable"
        assert log.refusal is not None, "nothing is given up unless someone says so"
        done = await reconcile(log, custodians, accept_loss=True, reason="disk and database lost")
        assert done["done"] == "closed"
        async with stack.runtime.database.transaction() as session:
            leaf = json.loads((await log_repository.entries(session, 1, 0, 1))[0])
        assert (leaf["kind"], leaf["state"], leaf["lost"][0]) == ("shard", "forked", size)
        assert leaf["previous_size"] <= size < leaf["witnessed_size"]
        evidence_id, envelope = await stack.intake()
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.log_unknown", "people at the custodian decide"
        vkey = done["opened"]["vkey"]
        environment = {"CUSTODIAN_HOME": str(settings.home / "custodian")}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            assert custodian_command(["accept-log", vkey]) == 0
        lines = await stack.seal(evidence_id, envelope)
        assert is_sealed(lines), lines[-1]
        assert lines[-1]["evidence_no"] not in (first["evidence_no"], second["evidence_no"])
        assert (await verified(stack, evidence_id))["verdict"] == "VALID"
        assert (await verified(stack, first["id"]))["verdict"] == "VALID", "proofs of the old log stay valid"


# --- freezing ----------------------------------------------------------------------------------------------


async def test_freezing_begins_a_new_log_that_the_custodian_accepts_by_itself(stack):
    first = await stack.submit()
    waiting, envelope = await stack.intake()
    log, custodians = stack.runtime.log, stack.runtime.custodians()
    old = log.origin
    done = await freeze(log, custodians, "yearly")
    assert set(done["custodians"].values()) == {"accepted"}
    assert (log.origin, log.shard.number) == (done["opened"]["origin"], 1)
    lines = await stack.seal(waiting, envelope)
    assert is_sealed(lines), lines[-1]
    second = await stack.submit()
    for evidence_id in (first["id"], waiting, second["id"]):
        assert (await verified(stack, evidence_id))["verdict"] == "VALID"
    await settle(stack)
    assert await log_findings(stack) == []
    async with stack.runtime.database.transaction() as session:
        last = (await log_repository.entries(session, 0, done["frozen"]["size"] - 1, 10**6))[-1]
        opening = json.loads((await log_repository.entries(session, 1, 0, 1))[0])
    assert json.loads(last)["next_vkey"] == log.public.vkey
    assert (opening["previous_origin"], opening["previous_root"]) == (old, done["frozen"]["root"])
    trust = (await stack.client.get("/trust")).json()
    assert [item["origin"] for item in trust["logs"]] == [old, log.origin]


async def test_a_custodian_that_was_away_while_freezing_learns_of_the_new_log_later(stack):
    await stack.submit()
    await stack.custodian.stop()
    log = stack.runtime.log
    done = await freeze(log, stack.runtime.custodians(), "yearly")
    assert set(done["custodians"].values()) == {"evidence.custodian_unavailable"}
    await stack.custodian.start()
    assert (await stack.submit())["evidence_no"]


async def test_the_old_log_cannot_grow_after_it_said_that_it_ends(stack):
    """An insider with the old key goes on signing: the custodian has it in writing that the log ended."""
    await stack.submit()
    log = stack.runtime.log
    await freeze(log, stack.runtime.custodians(), "yearly")
    from services.evidence.log.merkle import leaf_hash
    from services.evidence.log.notes import Checkpoint, sign_checkpoint

    await log.proof(0, await log.cosigned_over(log_repository.LeafIndex(0, 0), stack.runtime.custodians()))
    tree = log.shards[0].tree
    old = tree.size
    tree.append(leaf_hash(b"later"))
    note = sign_checkpoint(Checkpoint(log.shards[0].origin, old + 1, tree.root()), log.keys.private(0))
    with pytest.raises(Problem, match=r"evidence\.log_fork"):
        await stack.runtime.custodians()[0].cosign(old, tree.consistency_proof(old, old + 1), note)
