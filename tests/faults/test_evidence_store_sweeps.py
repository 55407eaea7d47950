"""The nightly sweep and restoring: what is damaged is found and named, a kill repeats nothing, and a
custodian's copy brings it back."""

import asyncio
import dataclasses
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.common.database import Database
from services.common.problems import Problem
from services.common.queue import celery
from services.evidence.custody.rules import Actor
from services.evidence.objects.disk import object_path
from services.evidence.objects.faults import store_away
from services.evidence.restorations import service as restorations
from services.evidence.sweeps import repository, service, tasks
from services.evidence.sweeps.jobs import SweepJobs
from services.evidence.sweeps.rules import Expected, judged, overdue, verdict
from services.evidence.sweeps.runner import SweepRunner
from tests.evidence_stack import OFFICER, own_home, remove, running
from wangjian.commands.evidence import app

KEEPER = dataclasses.replace(OFFICER, permissions=frozenset({"system:read", "store:sweep"}))
FAST = 1e12


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        # Sweeps are run by the tests themselves.
        await running_stack.app.state.sweeps.stop()
        yield running_stack
    remove(settings)


@pytest.fixture
async def item(stack):
    """A sealed item with objects of its own, which are whole again afterwards."""
    sealed = await stack.submit()
    shown = (await stack.get(f"/evidence/{sealed['id']}")).json()
    sealed["artefacts"] = {one["path"]: one["sha256"] for one in shown["artefacts"]}
    yield sealed
    await restorations.restore(stack.runtime, sealed["id"], Actor("test", "test"), "")


def _runner(stack, rate=FAST):
    return SweepRunner(stack.runtime.database, stack.runtime.store, rate)


async def _sweep(stack, rate=FAST):
    async with stack.runtime.database.transaction() as session:
        await service.request(session, "test")
    await _runner(stack, rate).run_next()
    return await _newest(stack)


async def _newest(stack):
    async with stack.runtime.database.transaction() as session:
        return await service.newest(session)


async def _until(stack, reached):
    """The newest sweep once it has got there; at most a minute."""
    for _ in range(600):
        report = await _newest(stack)
        if reached(report):
            return report
        await asyncio.sleep(0.1)
    raise AssertionError(f"not reached: {report}")


def _file(stack, sha256):
    return object_path(stack.runtime.store.root, sha256)


def _flip(file):
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _found(report):
    return {(one.kind, one.name) for one in report.findings}


async def test_a_clean_store_is_clean(stack, item):
    """Every object of every sealed item is read: no finding, no false alarm."""
    report = await _sweep(stack)
    assert (report.state, report.verdict) == ("done", "clean"), report.findings
    assert report.objects_done == report.objects_total >= len(set(item["artefacts"].values())) + 1
    assert report.bytes_done >= report.bytes_total > 0
    assert report.listed >= report.objects_done


async def test_missing_damaged_and_unreferenced_are_named_with_their_items(stack, item):
    """A flipped bit, a removed file, a cut layout, a file nobody knows; then all of it is put back."""
    paths = sorted(item["artefacts"])
    damaged, missing = item["artefacts"][paths[0]], item["artefacts"][paths[1]]
    async with stack.runtime.database.transaction() as session:
        layout = next(
            one.sha256
            for one in await repository.expected(session, "", 10_000)
            if one.sm3 is None and one.evidence_ids == (item["id"],)
        )
    _flip(_file(stack, damaged))
    _file(stack, missing).unlink()
    _file(stack, layout).chmod(0o600)
    _file(stack, layout).write_bytes(_file(stack, layout).read_bytes()[:-1])
    stray = stack.runtime.store.root / "sha256" / "ff" / "stray.txt"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"who put this here")
    old = time.time() - 7200
    os.utime(stray, (old, old))
    fresh = stack.runtime.store.put(b"stored a moment ago, not yet in the database")
    report = await _sweep(stack)
    assert report.verdict == "findings"
    assert _found(report) == {
        ("damaged", damaged),
        ("missing", missing),
        ("damaged", layout),
        ("unreferenced", "stray.txt"),
    }
    assert all(item["id"] in one.evidence_ids for one in report.findings if one.kind != "unreferenced")
    stray.unlink()
    _file(stack, fresh.sha256).unlink()

    done = await restorations.restore(stack.runtime, item["evidence_no"], Actor("local:op", "op"), "夜间复核")
    assert set(done.objects) == {damaged, missing, layout}
    assert (await _sweep(stack)).verdict == "clean"
    events = (await stack.get(f"/evidence/{item['id']}/custody")).json()["events"]
    assert [one["reason"] for one in events if one["event"] == "restored"] == ["夜间复核"]
    aside = list((stack.runtime.store.root / "damaged").iterdir())
    assert {file.name.partition(".")[0] for file in aside} == {damaged, layout}, "kept to be looked into"
    verdict_now = await stack.client.post(
        f"/evidence/{item['id']}/verification", headers=stack.headers(OFFICER)
    )
    assert verdict_now.json()["verdict"] == "VALID"


async def test_sm3_is_checked_as_well(stack, item):
    """Negative control of the second digest: SHA-256 alone would say all is well."""
    sha256 = next(iter(item["artefacts"].values()))
    async with stack.runtime.database.transaction() as session:
        row = next(one for one in await repository.expected(session, "", 10_000) if one.sha256 == sha256)
    wrong = dataclasses.replace(row, sm3="0" * 64)
    assert judged(row, sha256, str(row.sm3), row.bytes) is None
    assert judged(wrong, sha256, str(row.sm3), row.bytes).kind == "damaged"


async def test_a_killed_sweep_goes_on_where_it_was(stack, item, monkeypatch):
    """The runner dies in the middle; the next takes it up after the lease and reads the rest only."""
    read = []
    real = stack.runtime.store.open

    def opened(sha256):
        read.append(sha256)
        if len(read) == 4:
            raise KeyboardInterrupt
        return real(sha256)

    monkeypatch.setattr("services.evidence.sweeps.runner._SAVE_SECONDS", 0.0)
    monkeypatch.setattr(stack.runtime.store, "open", opened)
    async with stack.runtime.database.transaction() as session:
        await service.request(session, "test")
    assert await _until_killed(stack) == "killed"
    cut = await _newest(stack)
    assert (cut.state, cut.objects_done) == ("running", 3)
    assert await _runner(stack).run_next() is None, "someone may still be running it"
    async with stack.runtime.database.transaction() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await repository.advance(session, cut.id, {"lease_until": past}, [])
    before = len(read)
    assert await _runner(stack).run_next() == "done"
    report = await _newest(stack)
    assert report.verdict == "clean"
    assert report.objects_done == report.objects_total
    assert not set(read[:3]) & set(read[before:]), "nothing is read twice"


async def _until_killed(stack):
    """Run until the interrupt, as a process that is killed would: no ending is written down."""
    try:
        await _runner(stack).run_next()
    except KeyboardInterrupt:
        return "killed"
    return "ended"


async def test_a_sweep_can_be_cancelled(stack, item):
    """At 1 MB/s it would take long; asked to stop it ends within seconds, and a new one can start."""
    async with stack.runtime.database.transaction() as session:
        await service.request(session, "test")
    slow = asyncio.create_task(_runner(stack, 20_000).run_next())
    await asyncio.sleep(0.3)
    answer = await stack.client.post("/evidence-store/sweeps/cancellation", headers=stack.headers(KEEPER))
    assert answer.status_code == 202
    async with asyncio.timeout(10):
        assert await slow == "cancelled"
    answer = await stack.client.post("/evidence-store/sweeps/cancellation", headers=stack.headers(KEEPER))
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence.no_sweep")
    assert (await _sweep(stack)).state == "done"


async def test_one_sweep_at_a_time(stack):
    """Two who ask get the same sweep."""
    async with stack.runtime.database.transaction() as session:
        first = await service.request(session, "one")
        second = await service.request(session, "two")
    assert (first.id, second.requested_by) == (second.id, "one")
    assert await _runner(stack).run_next() == "done"


async def test_a_store_that_is_away_interrupts_and_is_no_damage(stack, item, monkeypatch):
    """503 is not `missing`: the sweep stays open, says why, and goes on."""

    def away(_):
        raise store_away("test")

    monkeypatch.setattr(stack.runtime.store, "open", away)
    report = await _sweep(stack)
    assert (report.state, report.counts["missing"], report.counts["damaged"]) == ("running", 0, 0)
    assert "not available" in (report.last_error or "")
    monkeypatch.undo()
    async with stack.runtime.database.transaction() as session:
        await repository.advance(session, report.id, {"lease_until": None}, [])
    assert await _runner(stack).run_next() == "done"
    assert (await _newest(stack)).verdict == "clean"


async def test_the_screens_see_store_and_sweep(stack, item):
    """Permission, the honest word about the disk, the newest report."""
    assert (await stack.get("/evidence-store")).status_code == 403
    shown = (await stack.get("/evidence-store", KEEPER)).json()
    assert (shown["store"], shown["worm"]) == ("disk", "not offered (disk)")
    assert shown["sweep"]["id"]
    ready = (await stack.client.get("/health/ready")).json()["checks"]
    assert ready["store"]["worm"] == "not offered (disk)"
    assert ready["sweep"]["verdict"] in ("clean", "findings", "cancelled")


async def test_nothing_is_restored_from_a_copy_that_is_not_the_sealed_one(stack, item, monkeypatch):
    """A custodian that gives other bytes, or is away: refused, and the store stays as it is."""
    path, sha256 = sorted(item["artefacts"].items())[0]
    _file(stack, sha256).unlink()
    custodian = stack.runtime.custodians()[0]
    real = custodian.fetch

    async def forged(evidence_id, write):
        def changed(block):
            write(block.replace(b"evidence/", b"Evidence/"))

        return await real(evidence_id, changed)

    with monkeypatch.context() as patch:
        patch.setattr(custodian, "fetch", forged)
        with pytest.raises(Problem, match="not the bytes that were sealed"):
            await restorations.restore(stack.runtime, item["id"], Actor("t", "t"), "")
    assert not _file(stack, sha256).exists(), path
    await stack.custodian.stop()
    try:
        with pytest.raises(Problem) as refused:
            await restorations.restore(stack.runtime, item["id"], Actor("t", "t"), "")
        assert refused.value.code == "evidence.no_good_copy"
    finally:
        await stack.custodian.start()


async def test_the_command_shows_and_restores(stack, item, monkeypatch):
    """`wangjian evidence sweep` and `restore` as an operator types them; exit code 1 on findings."""
    monkeypatch.setattr("wangjian.commands._storekeeping.load", lambda: stack.settings)
    path, sha256 = sorted(item["artefacts"].items())[0]
    _file(stack, sha256).unlink()
    await _sweep(stack)
    code, out, err = await _command(stack, "sweep", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "findings"), err
    code, out, err = await _command(stack, "restore", item["evidence_no"], "--reason", "演练")
    assert code == 0, err
    assert sha256 in out, path
    await _sweep(stack)
    code, out, err = await _command(stack, "sweep")
    assert (code, "all good" in out) == (0, True), err
    code, out, err = await _command(stack, "restore", "WJ-000000-2026-00000000")
    assert (code, err.count("\n")) == (2, 1), err


async def _command(stack, *arguments):
    """In a thread, because a command has a loop of its own."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return done.exit_code, done.stdout, done.stderr


@given(st.integers(0, 10**12), st.floats(0, 10**6), st.floats(1, 10**9))
def test_reading_is_never_faster_than_allowed(done, seconds, rate):
    """After the wait the mean speed is at most the limit."""
    assert done <= (seconds + overdue(done, seconds, rate)) * rate * 1.000001 + 1


@given(st.sampled_from("ab"), st.sampled_from("ab"), st.integers(0, 3))
def test_an_object_is_good_only_when_everything_fits(sha256, sm3, size):
    """Any difference in either digest or the size is damage."""
    expected = Expected("a", "a", 1, ("x",))
    good = (sha256, sm3, size) == ("a", "a", 1)
    assert (judged(expected, sha256, sm3, size) is None) == good


def test_a_report_is_clean_only_when_done_and_empty():
    """A sweep that was cut short never says clean."""
    assert verdict("done", {}) == "clean"
    assert verdict("done", {"covered": 1}) == "findings"
    assert verdict("cancelled", {}) == "cancelled"
    assert verdict("running", {"missing": 3}) == "running"


_SLOW_SWEEP = """
import asyncio, sys
from pathlib import Path
from services.common.database import Database
from services.evidence.objects.disk import DiskStore
from services.evidence.sweeps.runner import SweepRunner

asyncio.run(SweepRunner(Database(sys.argv[1], "evidence"), DiskStore(Path(sys.argv[2])), 3_000).run_next())
"""


@pytest.mark.slow
async def test_a_process_killed_in_the_middle_loses_nothing(stack, item):
    """kill -9 while a real process sweeps; after its lease another goes on and the report is whole."""
    async with stack.runtime.database.transaction() as session:
        await service.request(session, "test")
    where = (stack.settings.database_url("evidence"), str(stack.runtime.store.root))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _SLOW_SWEEP, *where)
    await _until(stack, lambda report: report.objects_done > 0)
    process.kill()
    await process.wait()
    cut = await _newest(stack)
    assert cut.state == "running"
    async with stack.runtime.database.transaction() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await repository.advance(session, cut.id, {"lease_until": past}, [])
    assert await _runner(stack).run_next() == "done"
    report = await _newest(stack)
    assert (report.verdict, report.objects_done) == ("clean", report.objects_total)


async def test_the_clock_asks_and_the_service_runs(stack, item, monkeypatch):
    """The nightly task adds a row; the service's own background task runs it without being told."""
    schedule = celery.conf.beat_schedule["evidence-sweep"]
    assert schedule["task"] == tasks.request_sweep.name
    database = Database(stack.settings.database_url("evidence"), "evidence", pool_size=1)
    monkeypatch.setattr(tasks, "worker_database", lambda _: database)
    asked = await asyncio.to_thread(tasks.request_sweep)
    monkeypatch.setattr("services.evidence.sweeps.jobs.EVERY_SECONDS", 0.1)
    jobs = SweepJobs(_runner(stack))
    jobs.start()
    report = await _until(stack, lambda report: report.state == "done")
    await jobs.stop()
    assert (report.id, report.verdict, report.requested_by) == (asked, "clean", "service:beat")


async def test_the_service_insists_on_worm_when_told(make_settings, monkeypatch):
    """WANGJIAN_STORE_REQUIRE_WORM on a disk: it does not start, and says why."""
    monkeypatch.setenv("WANGJIAN_STORE_REQUIRE_WORM", "true")
    settings = own_home(make_settings("evidence"))
    with pytest.raises(Problem, match="does not refuse deletion"):
        async with running(settings):
            pass
    remove(settings)


async def test_the_command_starts_one_and_follows_it(stack, item, monkeypatch):
    """`--now` ends with the report and exit code 0; `--stop` without one under way is one line and code 2."""
    monkeypatch.setattr("wangjian.commands._storekeeping.load", lambda: stack.settings)
    monkeypatch.setattr("wangjian.commands._storekeeping._FOLLOW_SECONDS", 0.1)
    monkeypatch.setattr("services.evidence.sweeps.jobs.EVERY_SECONDS", 0.1)
    jobs = SweepJobs(_runner(stack))
    jobs.start()
    code, out, err = await _command(stack, "sweep", "--now")
    await jobs.stop()
    assert (code, "all good" in out) == (0, True), out + err
    assert (await _newest(stack)).requested_by.startswith("local:")
    code, out, err = await _command(stack, "sweep", "--stop")
    assert (code, out, err.count("\n")) == (2, "", 1), err
