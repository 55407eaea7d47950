"""Faults in the middle of sealing: every item ends sealed once, with one number, and nothing is lost."""

import asyncio
import io
from datetime import timedelta

import pytest
from sqlalchemy import text

from services.evidence.items.run import Change
from services.evidence.items.sealing import Sealer
from services.evidence.log.service import NotAtOnceError
from services.evidence.objects.disk import DiskStore, object_path
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import log_findings, own_home, remove, running

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
    if where == "sign":
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["op"] == "digested", "nothing was kept: the worker asks again"
    else:
        await resume(stack)
    number = await check_sealed(stack, evidence_id)
    assert number.endswith("-00000001")
    assert await one(stack, "SELECT count(*) FROM log_entries WHERE ref LIKE 'seal:%'") == 1
    assert await one(stack, "SELECT last FROM number_counters") == 1
    assert await one(stack, "SELECT count(*) FROM stamps") == 1


async def test_killed_while_the_custodian_has_every_byte_but_not_the_end(stack, monkeypatch):
    """What was sent was never written down here: the next run may send another package, and it is taken."""
    real, sent = Sealer._write_down, []

    async def dying(self, run, fresh=Change()):
        if fresh.values.get("stage") == "logged":
            await asyncio.sleep(0.3)
            sent.append(b"".join(part.data or b"" for part in run.parts))
            run.unwritten = Change()
            raise Killed
        await real(self, run, fresh)

    evidence_id, envelope = await stack.intake()
    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "_write_down", dying)
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.seal_interrupted"
    assert sent, "the custodian was given all of it"
    assert list((stack.app.state.settings.home / "custodian").rglob("*.wacz")) == []
    # A later checkpoint over the same leaf: a package with another proof.
    await stack.submit()
    await resume(stack)
    await check_sealed(stack, evidence_id)
    async with stack.runtime.database.transaction() as session:
        query = text("SELECT proof FROM evidence_items WHERE id = :id")
        proof = (await session.execute(query, {"id": evidence_id})).scalar_one()
    assert proof.encode() not in sent[0]


@pytest.mark.parametrize("other_proof", [False, True])
async def test_killed_when_logged_but_before_the_layout_is_stored(stack, monkeypatch, other_proof):
    """Nobody keeps that package yet: its layout is made again, even if it came out otherwise (new code)."""
    home = stack.app.state.settings.home

    def dying(*_: object) -> None:
        raise Killed

    evidence_id, envelope = await stack.intake()
    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "put", dying)
        lines = await stack.seal(evidence_id, envelope)
        assert lines[-1]["problem"]["code"] == "evidence.seal_interrupted"
    assert await one(stack, "SELECT count(*) FROM evidence_items WHERE stage = 'logged'") == 1
    assert list((home / "custodian").rglob("*.wacz")) == []
    if other_proof:
        async with stack.runtime.database.transaction() as session:
            changed = "UPDATE evidence_items SET layout_sha256 = repeat('0', 64), package_bytes = 1"
            await session.execute(text(changed))
    await resume(stack)
    await check_sealed(stack, evidence_id)
    query = "SELECT count(*) FROM evidence_items WHERE layout_sha256 = repeat('0', 64) OR package_bytes = 1"
    assert await one(stack, query) == 0


async def test_the_log_that_takes_nothing_at_once_takes_it_later(stack, monkeypatch):
    async def not_now(*_):
        raise NotAtOnceError

    monkeypatch.setattr(stack.runtime.log, "write_with", not_now)
    sealed = await stack.submit()
    await check_sealed(stack, sealed["id"])
    assert await one(stack, "SELECT last FROM number_counters") == 1


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
        assert await log_findings(stack) == []
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
    assert lines[-1]["problem"]["code"] == "evidence.store_damaged"
    file.write_bytes(good)
    await resume(stack)
    await check_sealed(stack, evidence_id)


async def test_damage_between_the_copy_and_the_second_digest_is_named(stack, monkeypatch):
    """The custodian has a good copy; the object went bad before the last pass, which finds it."""
    evidence_id, envelope = await stack.intake()
    real, good = Sealer.digest, b""

    async def damaged(self, run):
        nonlocal good
        part = next(part for part in run.parts if part.sha256)
        file = object_path(stack.runtime.store.root, part.sha256)
        good = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        try:
            await real(self, run)
        finally:
            file.write_bytes(good)

    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "digest", damaged)
        lines = await stack.seal(evidence_id, envelope)
    assert [line["op"] for line in lines[-2:]] == ["sealed", "error"]
    assert lines[-1]["problem"]["code"] == "evidence.store_damaged"
    await resume(stack)
    await check_sealed(stack, evidence_id)


async def test_a_store_that_is_full_while_sealing_goes_on_later(stack, monkeypatch):
    evidence_id, envelope = await stack.intake()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "_name", full)
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

    real, failures = repository.assign, [0]

    async def failing(*given):
        if failures[0] < 2:
            failures[0] += 1
            raise OSError("database gone")
        await real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(repository, "assign", failing)
        sealed = await stack.submit()
    assert failures[0] == 2
    await check_sealed(stack, sealed["id"])
    await asyncio.sleep(0.6)
    assert await log_findings(stack) == []
