"""Renewal of sealed items: real service, real authorities, the offline verifier years later."""

import asyncio
import datetime as dt
import io
import json
import sys
from dataclasses import replace

import pytest
from asn1crypto import tsp
from sqlalchemy import text
from typer.testing import CliRunner

from infra.tsa.__main__ import create_app as create_tsa
from infra.tsa.authority import SECOND, _store, create
from services.common.ids import new_id
from services.common.problems import Problem
from services.evidence.custody.rules import Actor
from services.evidence.renewals.jobs import RenewalJobs
from services.evidence.renewals.models import Record
from services.evidence.renewals.service import Renewer
from services.evidence.restorations import service as restorations
from services.evidence.timestamps.client import StampClient
from services.evidence.timestamps.clock import Sighting
from services.evidence.timestamps.rules import PinnedAuthority
from services.evidence.verification.verifier import Unreadable, read_trust, verify
from tests.evidence_samples import sample_artefacts
from tests.evidence_stack import OFFICER, Peer, own_home, remove, running
from tests.unit.test_evidence_time_client import pinned
from wangjian.commands.evidence import app as evidence_command

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
async def stack(make_settings):
    """A service whose authority's certificate ends in forty days."""
    settings = own_home(make_settings("evidence"))
    folder = settings.home / "tsa"
    folder.mkdir(mode=0o700)
    _store(folder, create(days=40)[0])
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


@pytest.fixture(scope="module")
async def newer(stack):
    """A client of the first authority (now away) and of a second one with a certificate of ten years."""
    authority = create(SECOND)[0]
    peer = Peer(lambda: create_tsa(authority), stack.settings.run_dir / "tsa-new.sock")
    await peer.start()
    known = [*stack.runtime.stamps().pinned, pinned(authority)]
    client = StampClient([f"unix:{stack.settings.run_dir}/gone.sock", f"unix:{peer.socket}"], known)
    yield client
    await client.close()
    await peer.stop()


def trust_of(stack, client: StampClient):
    """The trust file with all authorities, as its user would hold it years later."""
    known: list[PinnedAuthority] = client.pinned
    document = stack.runtime.trust() | {"tsas": [item.as_trust() for item in known]}
    return read_trust(json.dumps(document).encode())


def checks(package: bytes, trust, when: dt.datetime, record: bytes | None = None) -> dict[str, bool]:
    report = verify(io.BytesIO(package), trust, record=record, now=when)
    return {check["code"]: check["ok"] for check in report["checks"]} | {"all": report["verdict"] == "VALID"}


async def one(stack, sql: str, **given: str):
    async with stack.runtime.database.transaction() as session:
        return (await session.execute(text(sql), given)).scalar_one()


async def page_of(stack, evidence_id: str) -> str:
    sql = "SELECT sha256 FROM artefacts WHERE evidence_id = :id AND path = 'evidence/page.png'"
    return await one(stack, sql, id=evidence_id)


async def test_renewed_items_outlive_their_certificates(stack, newer):
    sealed = [await stack.submit() for _ in range(3)]
    assert not any("problem" in line for line in sealed), sealed
    packages = {}
    for line in sealed:
        got = await stack.get(f"/evidence/{line['id']}/package", params={"reason": "t"})
        packages[line["id"]] = got.content
        refused = await stack.get(f"/evidence/{line['id']}/record")
        assert (refused.status_code, refused.json()["code"]) == (404, "evidence.no_record")
    renewer = Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned)
    assert await renewer.due(30) == []
    assert {item.evidence_id for item in await renewer.due(90)} == set(packages)
    outcome = await renewer.run(90)
    assert (set(outcome.renewed["begin"]), outcome.failed) == (set(packages), {})
    assert await renewer.due(90) == [], "nothing is due any more: a second run changes nothing"
    trust, later = trust_of(stack, newer), dt.datetime.now(dt.UTC) + 60 * DAY
    records = {}
    for evidence_id, package in packages.items():
        answer = await stack.get(f"/evidence/{evidence_id}/record")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].endswith('.er"')
        records[evidence_id] = answer.content
        renewal = (await stack.get(f"/evidence/{evidence_id}")).json()["renewal"]
        ends = dt.datetime.fromisoformat(renewal["valid_until"])
        assert (ends, renewal["stamps"]) == (dt.datetime.fromisoformat(answer.headers["x-valid-until"]), 1)
        # Today all is well without it; in sixty days only with it.
        assert checks(package, trust, dt.datetime.now(dt.UTC))["all"]
        without = checks(package, trust, later)
        assert not without["timestamp.current"]
        assert not without["all"]
        assert checks(package, trust, later, answer.content)["all"]
    first = next(iter(packages))
    stranger = await stack.submit()
    other = (await stack.get(f"/evidence/{stranger['id']}/package", params={"reason": "t"})).content
    for record in records.values():
        assert not checks(other, trust, later, record)["timestamp.current"], "not covered by that stamp"
    tokens = {record[-900:] for record in records.values()}
    assert len(tokens) == 1, "one stamp covers them all"
    timeline = (await stack.get(f"/evidence/{first}/custody")).json()["events"]
    assert [event["event"] for event in timeline].count("renewed") == 1


async def test_without_a_longer_certificate_nothing_is_renewed_and_each_item_is_named(stack):
    line = await stack.submit()
    runtime = stack.runtime
    renewer = Renewer(runtime.database, runtime.store, runtime.stamps(), runtime.stamps().pinned)
    outcome = await renewer.run(90)
    assert outcome.count == 0
    assert outcome.failed[line["id"]] == "no authority's certificate is valid for longer"
    assert await RenewalJobs(runtime, 90).run_once() == 0


@pytest.mark.slow
async def test_hash_tree_renewal_of_what_is_whole_and_a_damaged_package_is_named(stack, newer):
    """A second digest of all bytes; the package with a changed or lost object stays as it is and is named."""
    good = await stack.submit()
    changed = await stack.submit(sample_artefacts({"evidence/page.png": b"changed" * 40}))
    lost = await stack.submit(sample_artefacts({"evidence/page.png": b"lost" * 40}))
    renewer = Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned)
    await renewer.run(90)
    for line, data in ((changed, b"altered" * 40), (lost, None)):
        place = stack.runtime.store.file(await page_of(stack, line["id"]))
        place.chmod(0o600)
        place.unlink()
        if data is not None:
            place.write_bytes(data)
    outcome = await renewer.run(90, leave=["sha256"])
    assert good["id"] in outcome.renewed["rehash"]
    assert set(outcome.failed) == {changed["id"], lost["id"]}
    assert "not the one that was sealed" in outcome.failed[changed["id"]]
    assert "not whole" in outcome.failed[lost["id"]]
    row = await one(
        stack, "SELECT algorithm || chains FROM evidence_records WHERE evidence_id = :id", id=good["id"]
    )
    assert row == "sha5122"
    package = await stack.get(f"/evidence/{good['id']}/package", params={"reason": "t"})
    record = (await stack.get(f"/evidence/{good['id']}/record")).content
    later = dt.datetime.now(dt.UTC) + 60 * DAY
    assert checks(package.content, trust_of(stack, newer), later, record)["all"]


async def test_a_copy_is_taken_back_after_its_first_stamps_have_ended(stack, newer, monkeypatch):
    """Sixty days on only the evidence record still proves the time: without it no copy is good enough."""
    line = await stack.submit(sample_artefacts({"evidence/page.png": b"kept elsewhere" * 9}))
    await Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned).run(90)
    lost = await page_of(stack, line["id"])
    place = stack.runtime.store.file(lost)
    place.chmod(0o600)
    place.unlink()
    trust, later = trust_of(stack, newer), dt.datetime.now(dt.UTC) + 60 * DAY

    def then(package, _, *, record=None):
        return verify(package, trust, record=record, now=later)

    monkeypatch.setattr(restorations.verifier, "verify", then)
    with monkeypatch.context() as patch:
        patch.setattr(restorations.verifier, "verify", lambda package, known, **_: then(package, known))
        with pytest.raises(Problem, match="the verifier says INVALID"):
            await restorations.restore(stack.runtime, line["id"], Actor("t", "t"), "")
    done = await restorations.restore(stack.runtime, line["id"], Actor("t", "t"), "")
    assert done.objects == (lost,)
    assert place.exists()


async def test_verify_command_takes_the_record(stack, newer, tmp_path):
    line = await stack.submit()
    await Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned).run(90)
    package = await stack.get(f"/evidence/{line['id']}/package", params={"reason": "t"})
    record = await stack.get(f"/evidence/{line['id']}/record")
    document = stack.runtime.trust() | {"tsas": [item.as_trust() for item in newer.pinned]}
    (tmp_path / "trust.json").write_text(json.dumps(document))
    (tmp_path / "p.wacz").write_bytes(package.content)
    (tmp_path / "p.er").write_bytes(record.content)
    (tmp_path / "bad.er").write_bytes(record.content[:-1])
    for name, code in (("p.er", 0), ("bad.er", 1)):
        command = ["-m", "wangjian.cli", "verify", "p.wacz", "--trust", "trust.json", "--record", name]
        run = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=tmp_path, stdout=-1, stderr=-2
        )
        said, _ = await run.communicate()
        assert run.returncode == code, said.decode()


async def test_stamps_say_how_the_own_clock_stands_and_until_when_they_are_good(stack):
    line = await stack.submit()

    async def stamp(column: str):
        return await one(stack, f"SELECT {column} FROM stamps WHERE evidence_id = :id", id=line["id"])  # noqa: S608

    assert -1200 < await stamp("delta_ms") < 300
    until = await stamp("valid_until")
    assert dt.timedelta(days=39) < until - dt.datetime.now(dt.UTC) < dt.timedelta(days=41)
    answer = await stamp("response")
    assert tsp.TimeStampResp.load(answer)["status"]["status"].native == "granted"


async def test_a_stamp_of_an_earlier_version_is_dated_by_its_pinned_certificate(stack):
    """Its row does not say when the certificate ends, and is history: it is not written to."""
    line = await stack.submit()
    async with stack.runtime.database.transaction() as session:
        for sql in (
            "ALTER TABLE stamps DISABLE TRIGGER USER",
            "UPDATE stamps SET valid_until = NULL",
            "ALTER TABLE stamps ENABLE TRIGGER USER",
        ):
            await session.execute(text(sql))
    runtime = stack.runtime
    renewer = Renewer(runtime.database, runtime.store, runtime.stamps(), runtime.stamps().pinned)
    (found,) = [item for item in await renewer.due(90) if item.evidence_id == line["id"]]
    assert found.until == runtime.stamps().pinned[0].valid_until
    assert line["id"] not in [item.evidence_id for item in await renewer.due(10)]


async def test_orders_are_refused_while_the_authorities_contradict_the_clock(stack):
    """The own clock a day behind, as the authority sees it; with the clock set right orders are taken."""
    client = stack.runtime.stamps()
    (authority,) = client._authorities
    good = authority.record
    seen = Sighting(dt.datetime.now(dt.UTC), 86_400_000.0, 1000.0, 5.0, whole=True)
    authority.record = replace(good, sighting=seen)
    body = {
        "url": "http://shop.test/",
        "purpose": "测试",
        "ordered_by": {"sub": "u", "name": "n", "org": "360121-SJ"},
        "org_code": "360121-SJ",
        "region_code": "360121",
        "ordered_at": "2026-11-21T07:59:00Z",
    }
    path = f"/internal/orders/{new_id()}"
    refused = await stack.client.put(path, json=body, headers=stack.crawler)
    assert (refused.status_code, refused.json()["code"]) == (503, "evidence.clock_disagrees")
    authority.record = good
    assert (await stack.client.put(path, json=body, headers=stack.crawler)).status_code == 200


async def test_a_digest_called_weak_in_the_trust_file_needs_a_chain_with_another(stack, newer):
    """The same package: with SHA-256 called weak only the record with a second chain keeps it current."""
    one_chain, two_chains = await stack.submit(), await stack.submit()
    renewer = Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned)
    await renewer.run(90)
    early = (await stack.get(f"/evidence/{two_chains['id']}/record")).content
    await renewer.run(90, leave=["sha256"])
    now = dt.datetime.now(dt.UTC)
    document = stack.runtime.trust() | {"tsas": [item.as_trust() for item in newer.pinned]}
    weak = {"weak_digests": {"sha256": (now + 30 * DAY).isoformat().replace("+00:00", "Z")}}
    trust = read_trust(json.dumps(document | weak).encode())
    package = (await stack.get(f"/evidence/{two_chains['id']}/package", params={"reason": "t"})).content
    late = (await stack.get(f"/evidence/{two_chains['id']}/record")).content
    assert checks(package, trust, now + 60 * DAY, late)["timestamp.current"]
    assert not checks(package, trust, now + 60 * DAY, early)["timestamp.current"]
    # Control: without that member of the trust file the old record is enough.
    assert checks(package, trust_of(stack, newer), now + 60 * DAY, early)["timestamp.current"]
    assert one_chain["id"] != two_chains["id"]
    with pytest.raises(Unreadable):
        read_trust(json.dumps(document | {"weak_digests": {"sha256": "soon"}}).encode())


@pytest.fixture
def command(stack, monkeypatch):
    """`wangjian evidence renew` beside the running service: gives (exit code, output)."""
    monkeypatch.setattr("wangjian.commands._settings.load", lambda: stack.settings)

    async def call(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, evidence_command, ["renew", *arguments])
        return done.exit_code, done.output

    return call


async def test_the_command_lists_renews_and_says_what_is_wrong(stack, command):
    line = await stack.submit()
    number = (await stack.get(f"/evidence/{line['id']}")).json()["evidence_no"]
    code, said = await command("--dry-run", "--due", "90")
    assert code == 0
    assert number in said
    assert (await stack.get(f"/evidence/{line['id']}/record")).status_code == 404, "a dry run changes nothing"
    code, said = await command("--due", "90")
    assert code == 1, "no authority with a longer certificate"
    assert f"{line['id']}  no authority's certificate is valid for longer" in said
    code, said = await command("--due", "0", "--leave", "sha256")
    assert f"{line['id']}" not in said, "of the others two are damaged and named, see above"
    sql = "SELECT algorithm FROM evidence_records WHERE evidence_id = :id"
    assert await one(stack, sql, id=line["id"]) == "sha512"
    code, said = await command("--leave", "md5")
    assert (code, "sha256, sha512, sha384" in said) == (2, True)
    await stack.tsa.stop()
    code, said = await command("--due", "90", "--leave", "sha512")
    await stack.tsa.start()
    assert code == 2
    assert "时间戳" in said.splitlines()[-1]


async def test_two_runs_at_once_renew_each_item_once(stack, newer):
    line = await stack.submit()
    runs = [Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned) for _ in range(2)]
    ended = await asyncio.gather(*(run.run(90) for run in runs), return_exceptions=True)
    for end in ended:
        assert not isinstance(end, Exception) or getattr(end, "code", "") == "evidence.renewed_meanwhile", end
    sql = "SELECT stamps FROM evidence_records WHERE evidence_id = :id"
    assert await one(stack, sql, id=line["id"]) == 1
    events = (await stack.get(f"/evidence/{line['id']}/custody")).json()["events"]
    assert [event["event"] for event in events].count("renewed") == 1


async def test_the_service_verifies_with_the_record_it_keeps(stack, newer):
    """Its report says `renewed`; with a record of which a byte is changed the same report is INVALID."""
    line = await stack.submit()
    await Renewer(stack.runtime.database, stack.runtime.store, newer, newer.pinned).run(90)
    url = f"/evidence/{line['id']}/verification"
    known = [item.as_trust() for item in newer.pinned]
    trust = stack.runtime.trust()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stack.runtime), "trust", lambda _: trust | {"tsas": known})
        report = (await stack.client.post(url, headers=stack.headers(OFFICER))).json()
        current = {check["code"]: check for check in report["checks"]}["timestamp.current"]
        assert (report["verdict"], current["detail"].split(",")[0]) == ("VALID", "renewed")
        async with stack.runtime.database.transaction() as session:
            row = await session.get(Record, line["id"])
            row.record = row.record[:-1] + bytes([row.record[-1] ^ 1])
        report = (await stack.client.post(url, headers=stack.headers(OFFICER))).json()
    assert report["verdict"] == "INVALID"
