"""Many authorities, counted by operator; absent, hung, lying and slow ones; batches; each with a control."""

import asyncio
import datetime as dt
import hashlib
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import rfc3161_client
from aiohttp import web
from asn1crypto import tsp
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.serialization import Encoding
from packaging.version import Version

from infra.tsa.__main__ import create_app, create_apps
from infra.tsa.authority import POLICY, Identity, create
from infra.tsa.authority import SM3 as SM3_OID
from services.common.problems import Problem
from services.common.settings import Settings
from services.evidence.timestamps import answers
from services.evidence.timestamps.answers import AnswerChecker, Question, RefusedAnswerError
from services.evidence.timestamps.breaker import Breaker
from services.evidence.timestamps.client import StampClient, open_client
from services.evidence.timestamps.rules import PinnedAuthority, read_authorities
from services.evidence.verification.verifier.timestamps import batch_message, verify_stamp

PAST = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
A, B, C = (create(Identity(f"tsa-{x}", f"operator-{x}"), start=PAST)[0] for x in "abc")
NOW = dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC)


def pinned(authority, **changes) -> PinnedAuthority:
    values = {
        "name": authority.identity.name,
        "operator": authority.identity.operator,
        "certificate": authority.certificate.public_bytes(Encoding.DER),
        "chain": (authority.ca.public_bytes(Encoding.DER),),
        "policy_oids": (POLICY,),
        "development": True,
    }
    return PinnedAuthority(**(values | changes))


def request(
    message: bytes = b"m", nonce: int = 7, algorithm: str = "sha256", digest: bytes | None = None
) -> bytes:
    imprint = digest or hashlib.sha256(message).digest()
    fields = {
        "version": "v1",
        "message_imprint": {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": imprint},
        "nonce": nonce,
        "cert_req": True,
    }
    return tsp.TimeStampReq(fields).dump()


@asynccontextmanager
async def served(folder, *apps, **options):
    """A client of authorities A, B, C …, each at a socket of its own; None: nobody listens there."""
    runners, urls = [], []
    for number, app in enumerate(apps):
        path = folder / f"{number}.sock"
        urls.append(f"unix:{path}")
        if app is not None:
            runners.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
            await runners[-1].setup()
            await web.UnixSite(runners[-1], str(path)).start()
    trusted = options.pop("trusted", None) or [pinned(a) for a in (A, B, C)[: len(apps)]]
    client = StampClient(urls, trusted, **options)
    try:
        yield client
    finally:
        await client.close()
        for runner in runners:
            await runner.cleanup()


def app(authority, folder=None, **fault):
    file = None
    if fault:
        file = folder / f"faults-{authority.identity.name}.json"
        file.write_text(json.dumps(fault))
    return create_app(authority, file)


def lying(change) -> web.Application:
    """An authority whose answers are `change(request)`."""
    application = web.Application()

    async def answer(asked: web.Request) -> web.Response:
        return web.Response(body=change(await asked.read()), content_type="application/timestamp-reply")

    application.add_routes([web.post("/", answer)])
    return application


async def test_all_answer_in_the_configured_order_and_state_how_the_clock_stands(tmp_path):
    async with served(tmp_path, app(A), app(B), quorum=2) as client:
        stamps = await client.stamp(b"message")
        assert [s.operator for s in stamps] == ["operator-a", "operator-b"]
        for stamp, authority in zip(stamps, (A, B), strict=True):
            assert verify_stamp(stamp.response, b"message", [pinned(authority).as_trust()])
            assert -1200 <= stamp.delta_ms <= 200, "whole seconds: up to one second behind"
            assert stamp.valid_until == authority.certificate.not_valid_after_utc
            assert stamp.accuracy_ms == 1000
        assert [s["state"] for s in client.states()] == ["closed", "closed"]


async def test_absent_authorities_are_tolerated_up_to_the_quorum_of_operators(tmp_path):
    async with served(tmp_path, app(A), None, app(C, tmp_path, mode="away"), quorum=1) as client:
        assert [s.operator for s in await client.stamp(b"m")] == ["operator-a"]
        failures = {s["authority"]: s["failure"] for s in client.states()}
        assert failures["tsa-a"] is None
        assert "Connect" in failures["tsa-b"]
        assert "503" in failures["tsa-c"]
    async with served(tmp_path, app(A), None, quorum=2) as client:
        with pytest.raises(Problem) as found:
            await client.stamp(b"m")
    assert (found.value.code, found.value.status) == ("evidence.tsa_unavailable", 503)
    assert found.value.extra == {"absent": ["tsa-b"], "operators_answered": 1, "operators_needed": 2}


async def test_two_authorities_of_one_operator_count_once(tmp_path):
    same = [pinned(A), pinned(B, operator="operator-a"), pinned(C)]
    async with served(tmp_path, app(A), app(B), None, quorum=2, trusted=same) as client:
        with pytest.raises(Problem, match="tsa_unavailable"):
            await client.stamp(b"m")
    # Control: the same two answers are enough when they are of two operators.
    async with served(tmp_path, app(A), app(B), None, quorum=2) as client:
        assert len(await client.stamp(b"m")) == 2
    with pytest.raises(ValueError, match="2 operators"):
        StampClient(["unix:/a", "unix:/b", "unix:/c"], same, quorum=3)


async def test_a_hung_authority_costs_one_wait_not_one_for_each_item(tmp_path):
    """Bounded; then the breaker is open and items do not wait for it at all."""
    hung = app(B, tmp_path, mode="slow", seconds=60)
    async with served(tmp_path, app(A), hung, limit_seconds=0.6, grace_seconds=0.3) as client:
        took = []
        for _ in range(5):
            began = time.monotonic()
            assert [s.operator for s in await client.stamp(b"m")] == ["operator-a"]
            took.append(time.monotonic() - began)
        assert 0.25 < took[0] < 0.6
        assert max(took[1:]) < 0.2, took
        assert client.states()[1]["state"] == "open"


async def test_without_quorum_a_hung_authority_is_bounded_and_the_next_item_is_told_at_once(tmp_path):
    async with served(tmp_path, app(A, tmp_path, mode="slow", seconds=60), limit_seconds=0.5) as client:
        took = []
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(Problem, match="tsa_unavailable"):
                await client.stamp(b"m")
            took.append(time.monotonic() - began)
        assert 0.4 < took[0] < 1.5
        assert took[1] < 0.1
        # It comes back: once the pause is over, one question tries it and the way is open again.
        (tmp_path / "faults-tsa-a.json").unlink()
        client._authorities[0].breaker.until = 0.0
        assert len(await client.stamp(b"m")) == 1
        assert client.states()[0]["state"] == "closed"


async def test_an_authority_that_only_refuses_connections_is_asked_each_time(tmp_path):
    """So that work goes on with the first item after it is back."""
    async with served(tmp_path, None) as client:
        for _ in range(3):
            with pytest.raises(Problem):
                await client.stamp(b"m")
        assert client.states()[0]["state"] == "closed"
        runner = web.AppRunner(app(A), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "0.sock")).start()
        assert len(await client.stamp(b"m")) == 1
        await runner.cleanup()


async def test_a_restarted_authority_does_not_fail_the_kept_connection(tmp_path):
    async with served(tmp_path, None) as client:
        for _ in range(3):
            (tmp_path / "0.sock").unlink(missing_ok=True)
            runner = web.AppRunner(app(A), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.UnixSite(runner, str(tmp_path / "0.sock")).start()
            assert len(await client.stamp(b"m")) == 1
            await runner.cleanup()


def other_nonce(raw: bytes) -> bytes:
    asked = tsp.TimeStampReq.load(raw)
    asked["nonce"] = asked["nonce"].native ^ 1
    return A.reply(asked.dump(force=True))


def replayed(raw: bytes) -> bytes:
    return A.reply(request(nonce=1))


def other_message(raw: bytes) -> bytes:
    asked = tsp.TimeStampReq.load(raw)
    return A.reply(request(b"other", asked["nonce"].native))


FORGED = {
    "nonce": other_nonce,
    "replay": replayed,
    "message": other_message,
    "rogue authority": B.reply,
    "trailing bytes": lambda raw: A.reply(raw) + b"\x05\x00",
    "not granted": lambda raw: A.reply(b"junk"),
    "junk": lambda raw: b"junk",
    "too long": lambda raw: bytes(300_000),
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_bad_answers_are_refused_and_named(tmp_path, forgery):
    async with served(tmp_path, lying(FORGED[forgery])) as client:
        with pytest.raises(Problem) as found:
            await client.stamp(b"m")
    assert (found.value.code, found.value.status) == ("evidence.tsa_refused", 502)
    # One liar among enough honest ones does not stop the work, and is not counted.
    async with served(tmp_path, lying(FORGED[forgery]), app(B), quorum=1) as client:
        assert [s.operator for s in await client.stamp(b"m")] == ["operator-b"]


async def test_control_without_the_nonce_an_old_answer_over_the_same_message_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(AnswerChecker, "_expect", lambda *_: None)
    async with served(tmp_path, lying(replayed)) as client:
        assert len(await client.stamp(b"m")) == 1


async def test_control_without_the_breaker_every_item_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(Breaker, "failed", lambda *_: None)
    hung = app(B, tmp_path, mode="slow", seconds=60)
    async with served(tmp_path, app(A), hung, limit_seconds=0.6, grace_seconds=0.2) as client:
        for _ in range(3):
            began = time.monotonic()
            await client.stamp(b"m")
            assert time.monotonic() - began > 0.15


class Believing:
    """Stands for a bug in rfc3161-client like that of 1.0.8: whatever comes is called verified."""

    def verify(self, *_arguments) -> bool:
        return True


def check_rogue(monkeypatch, *, controls: set[str]) -> None:
    """Have B's answer checked as A's, by a first parser that believes everything and sees what it should."""
    checker, asked = AnswerChecker(pinned(A)), Question.of(b"m", 7)
    honest = answers.first_reading(rfc3161_client.decode_timestamp_response(A.reply(request())))
    forged = B.reply(request())
    monkeypatch.setattr(checker, "_verifier", Believing())
    monkeypatch.setattr(answers, "first_reading", lambda _: honest)
    if "cross-check" not in controls:
        real = answers.second_reading
        monkeypatch.setattr(answers, "second_reading", lambda raw: (honest, real(raw)[1]))
    if "verifier" not in controls:
        monkeypatch.setattr(answers, "verify_stamp", lambda *_: {})
    checker.check(forged, asked)


def test_the_second_parser_catches_what_a_broken_first_one_believes(monkeypatch):
    with pytest.raises(RefusedAnswerError, match=r"two parsers disagree about.*signer"):
        check_rogue(monkeypatch, controls={"cross-check"})


def test_the_offline_verifier_catches_it_too(monkeypatch):
    with pytest.raises(RefusedAnswerError, match="not in the trust file"):
        check_rogue(monkeypatch, controls={"verifier"})


def test_control_without_both_the_forged_answer_passes(monkeypatch):
    check_rogue(monkeypatch, controls=set())


def test_imprint_algorithm_is_compared_because_the_first_parser_compares_digests_only(monkeypatch):
    """32 bytes called SM3 that are SHA-256 of the message."""
    answer = A.reply(request(algorithm=SM3_OID))
    checker, asked = AnswerChecker(pinned(A)), Question.of(b"m", 7)
    with pytest.raises(RefusedAnswerError, match="imprint algorithm"):
        checker.check(answer, asked)
    # Control: without that comparison rfc3161-client is content.
    monkeypatch.setattr(checker, "_expect", lambda *_: None)
    monkeypatch.setattr(answers, "verify_stamp", lambda *_: {})
    checker.check(answer, asked)


async def test_digests_of_other_algorithms_and_of_sm3(tmp_path):
    async with served(tmp_path, app(A)) as client:
        sm3 = Hash(SM3())
        sm3.update(b"m")
        digests = {name: hashlib.new(name, b"m").digest() for name in ("sha256", "sha384", "sha512")}
        for name, digest in {**digests, "sm3": sm3.finalize()}.items():
            (stamp,) = await client.stamp_digest(name, digest)
            seen, _ = answers.second_reading(stamp.response)
            assert (seen.algorithm, seen.imprint) == (answers.DIGEST_OIDS[name], digest)
        with pytest.raises(ValueError, match="md5"):
            await client.stamp_digest("md5", bytes(16))


def test_rfc3161_client_is_new_enough():
    from importlib.metadata import version

    assert Version(version("rfc3161-client")) >= Version("1.0.9")


async def test_batch_of_many_is_one_question_and_each_item_verifies_alone(tmp_path):
    questions = []

    def count(raw: bytes) -> bytes:
        questions.append(raw)
        return A.reply(raw)

    async with served(tmp_path, lying(count), app(B), quorum=2) as client:
        messages = [b"item %d" % n for n in range(21)]
        stamped = await client.stamp_many(messages)
        assert len(questions) == 1
        assert len({s.response for stamps in stamped for s in stamps}) == 2
        for message, stamps in zip(messages, stamped, strict=True):
            for stamp, authority in zip(stamps, (A, B), strict=True):
                text = batch_message(stamp.path, message)
                assert verify_stamp(stamp.response, text, [pinned(authority).as_trust()])
        assert await client.stamp_many([]) == []
        ((alone,),) = [s[:1] for s in await client.stamp_many([b"one"])]
        assert alone.path is None


async def test_cancelled_caller_leaves_no_question_behind(tmp_path):
    async with served(tmp_path, app(A, tmp_path, mode="slow", seconds=60), limit_seconds=30) as client:
        task = asyncio.create_task(client.stamp(b"m"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.states()[0]["state"] == "closed"


def shifted(authority, seconds: float):
    """The same authority with a clock that is ahead."""
    return replace(authority, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [86_400, -86_400, 30, -30])
async def test_a_clock_that_the_authorities_contradict_stops_new_captures(tmp_path, seconds):
    async with served(tmp_path, app(shifted(A, seconds)), app(shifted(B, seconds))) as client:
        client.require_clock()
        stamps = await client.stamp(b"m")
        assert stamps[0].delta_ms == pytest.approx(seconds * 1000, abs=1500)
        with pytest.raises(Problem) as found:
            client.require_clock()
        assert (found.value.code, found.value.status) == ("evidence.clock_disagrees", 503)


async def test_one_authority_with_a_wrong_clock_does_not_outweigh_two(tmp_path):
    async with served(tmp_path, app(A), app(B), app(shifted(C, 86_400))) as client:
        await client.stamp(b"m")
        client.require_clock()
        assert client.states()[2]["clock_excess_ms"] > 80_000_000


async def test_two_development_authorities_of_two_operators_in_one_process(tmp_path):
    """As `python -m infra.tsa` serves them; clients find them by the file they publish."""
    urls = ",".join(f"unix:{tmp_path}/{name}.sock" for name in ("a", "b"))
    made = create_apps(Settings(home=tmp_path, tsa_url=urls))
    runners = [web.AppRunner(application, access_log=None, shutdown_timeout=0.1) for application, _ in made]
    for runner, (_, url) in zip(runners, made, strict=True):
        await runner.setup()
        await web.UnixSite(runner, url.removeprefix("unix:")).start()
    client = open_client(Settings(home=tmp_path), tmp_path / "tsa" / "authority.json", 2)
    stamps = await client.stamp(b"m")
    assert len({stamp.operator for stamp in stamps}) == 2
    assert all(authority.development for authority in client.pinned)
    assert len({authority.certificate for authority in client.pinned}) == 2
    assert "url" not in client.pinned[0].as_trust(), "where it is asked is nobody else's business"
    (tmp_path / "tsa" / "b" / "faults.json").write_text('{"mode": "away"}')
    with pytest.raises(Problem, match="tsa_unavailable"):
        await client.stamp(b"m")
    await client.close()
    for runner in runners:
        await runner.cleanup()
    # Started again: the same keys.
    create_apps(Settings(home=tmp_path, tsa_url=urls))
    again = read_authorities(tmp_path / "tsa" / "authority.json")
    assert [item.certificate for item in again] == [item.certificate for item in client.pinned]
    with pytest.raises(SystemExit, match="at most 2"):
        create_apps(Settings(home=tmp_path, tsa_url=f"{urls},{urls}"))
