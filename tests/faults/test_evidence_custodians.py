"""Custodians away, hanging or killed: nothing is lost, nothing says sealed without them, it drains."""

import asyncio
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from services.evidence.custodian import CustodianClient
from services.evidence.log import witnesses
from services.evidence.log.cosigning import enough
from services.evidence.log.witnesses import required_operators
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import own_home, remove, running

SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def verified(stack, evidence_id: str) -> dict:
    package = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "t"})
    assert package.status_code == 200, package.text
    trust = read_trust((await stack.client.get("/trust")).content)
    return verify(io.BytesIO(package.content), trust)


def is_sealed(lines: list[dict]) -> bool:
    return any(line["op"] == "sealed" for line in lines)


class Notary:
    """A second custodian as it is deployed: a process of its own with settings of its own."""

    def __init__(self, settings) -> None:
        self.home, self.socket = settings.home / "notary", settings.run_dir / "notary.sock"
        self._process: subprocess.Popen | None = None
        own = {
            "CUSTODIAN_HOME": str(self.home),
            "CUSTODIAN_LISTEN": f"unix:{self.socket}",
            "CUSTODIAN_NAME": "公证处 Notary",
            "CUSTODIAN_OPERATOR": "notary",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANGJIAN_")}
        passphrase = {n: v for n, v in os.environ.items() if n.startswith("WANGJIAN_KEYS_PASSPHRASE")}
        self._environment = {**kept, **passphrase, **own, "PYTHONPATH": str(SOURCE)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "infra.custodian", *arguments]

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = await asyncio.to_thread(
            subprocess.Popen, self.command(), env=self._environment, cwd=self.home.parent
        )
        for _ in range(300):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(self.socket))
                writer.close()
                return
            assert self._process.poll() is None, "the custodian ended"
            await asyncio.sleep(0.05)
        raise AssertionError("the custodian does not listen")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self.send(number)
            await asyncio.to_thread(self._process.wait, 20)
            self._process = None


def hanging() -> web.Application:
    """A custodian that takes requests and never answers."""

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", hang)
    return app


def settings_of_two(settings, monkeypatch, quorum: int | None):
    """Settings that name two custodians of different operators."""
    urls = f"unix:{settings.run_dir}/custodian.sock,unix:{settings.run_dir}/notary.sock"
    files = f"{settings.home}/custodian/identity.json,{settings.home}/notary/identity.json"
    monkeypatch.setenv("WANGJIAN_CUSTODIAN_TRUST", files)
    if quorum is not None:
        monkeypatch.setenv("WANGJIAN_CUSTODIAN_QUORUM", str(quorum))
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.model_copy(update={"custodian_url": urls})


@asynccontextmanager
async def two_custodians(make_settings, monkeypatch, quorum: int | None):
    settings = settings_of_two(own_home(make_settings("evidence")), monkeypatch, quorum)
    notary = Notary(settings)
    await notary.start()
    try:
        async with running(settings) as stack:
            for _ in range(400):
                if (settings.home / "custodian" / "trust.json").exists():
                    break
                await asyncio.sleep(0.05)
            # What people do: the client's trust file comes to the notary.
            shutil.copy(settings.home / "custodian" / "trust.json", notary.home / "trust.json")
            yield stack, notary
    finally:
        with contextlib.suppress(ProcessLookupError):
            notary.send(signal.SIGCONT)
        await notary.stop(signal.SIGKILL)
        remove(settings)


async def test_two_custodians_are_required_one_is_away_and_nothing_is_lost(make_settings, monkeypatch):
    async with two_custodians(make_settings, monkeypatch, None) as (stack, notary):
        first = await stack.submit()
        assert first["evidence_no"], first
        report = await verified(stack, first["id"])
        assert report["verdict"] == "VALID"
        await notary.stop(signal.SIGKILL)
        waiting = [await stack.intake() for _ in range(3)]
        for evidence_id, envelope in waiting:
            lines = await stack.seal(evidence_id, envelope)
            assert lines[-1]["problem"]["code"] == "evidence.custodian_unavailable"
            assert (await stack.get(f"/evidence/{evidence_id}")).json()["stage"] != "sealed"
        await notary.start()
        stack.app.state.jobs._pause.clear()
        for evidence_id, envelope in waiting:
            lines = await stack.seal(evidence_id, envelope)
            assert is_sealed(lines), lines[-1]
            assert (await verified(stack, evidence_id))["verdict"] == "VALID"
        for evidence_id, _ in waiting:
            for custodian in stack.runtime.custodians():
                assert await custodian.package(evidence_id) is not None


@pytest.mark.slow
async def test_one_of_two_is_enough_where_the_quorum_says_so(make_settings, monkeypatch):
    async with two_custodians(make_settings, monkeypatch, 1) as (stack, notary):
        notary.send(signal.SIGSTOP)
        began = asyncio.get_running_loop().time()
        sealed = await stack.submit()
        assert sealed["evidence_no"], sealed
        assert asyncio.get_running_loop().time() - began < 8, "a hung custodian holds nobody up"
        assert (await verified(stack, sealed["id"]))["verdict"] == "VALID"


@pytest.mark.slow
async def test_two_custodians_of_one_operator_count_once(make_settings, monkeypatch):
    async with two_custodians(make_settings, monkeypatch, None) as (stack, _):
        one, two = stack.runtime.custodians()
        same = CustodianClient("unix:/nowhere", replace(two.pinned, operator=one.pinned.operator))
        assert required_operators([one, same], None) == 1
        assert required_operators([one, two], None) == 2
        await stack.submit()
        note = (await stack.runtime.log.cosigned_over(0, [one, two])).note
        assert enough(note, [one, two], 2)
        assert not enough(note, [one, same], 2), "two lines of one operator are one"


async def test_a_witness_that_hangs_while_cosigning_is_given_up_and_asked_again(stack, monkeypatch):
    monkeypatch.setattr(witnesses, "PATIENCE", 0.5)
    await stack.submit()
    await stack.custodian.stop()
    make, stack.custodian.make = stack.custodian.make, hanging
    await stack.custodian.start()
    waiting = [await stack.intake() for _ in range(3)]
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(stack.seal(evidence_id, envelope) for evidence_id, envelope in waiting))
    assert {lines[-1]["problem"]["code"] for lines in answers} == {"evidence.custodian_unavailable"}
    assert asyncio.get_running_loop().time() - began < 5, "one round for all, not one after another"
    await stack.custodian.stop()
    stack.custodian.make = make
    await stack.custodian.start()
    stack.app.state.jobs._pause.clear()
    for evidence_id, envelope in waiting:
        lines = await stack.seal(evidence_id, envelope)
        assert is_sealed(lines), lines[-1]


@pytest.mark.slow
async def test_a_custodian_killed_in_the_middle_of_many_seals(make_settings, monkeypatch):
    async with two_custodians(make_settings, monkeypatch, None) as (stack, notary):
        waiting = [await stack.intake() for _ in range(6)]
        work = [asyncio.create_task(stack.seal(evidence_id, envelope)) for evidence_id, envelope in waiting]
        await asyncio.sleep(0.03)
        await notary.stop(signal.SIGKILL)
        answers = await asyncio.gather(*work)
        for (evidence_id, _), lines in zip(waiting, answers, strict=True):
            stage = (await stack.get(f"/evidence/{evidence_id}")).json()["stage"]
            assert (stage == "sealed") == is_sealed(lines)
            if is_sealed(lines):
                assert (notary.home / "store" / "receipts" / f"{evidence_id}.json").exists()
        await notary.start()
        stack.app.state.jobs._pause.clear()
        for evidence_id, envelope in waiting:
            assert is_sealed(await stack.seal(evidence_id, envelope))
            assert (await verified(stack, evidence_id))["verdict"] == "VALID"


def test_it_runs_alone_and_says_who_it_is(tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CUSTODIAN_")},
        "CUSTODIAN_HOME": str(tmp_path / "c"),
        "CUSTODIAN_NAME": "Notary",
        "PYTHONPATH": str(SOURCE),
    }
    command = [sys.executable, "-m", "infra.custodian"]
    told = subprocess.run([*command, "identity"], env=environment, capture_output=True, text=True, check=True)
    assert '"operator": "Notary"' in told.stdout
    assert '"development": false' in told.stdout
    refused = subprocess.run(
        [*command, "accept-log", "nonsense"], env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
