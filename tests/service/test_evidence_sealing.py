"""Sealing through the real service: database, store, authority and custodian are real."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import Encoding

from infra.tsa.authority import load_or_create
from services.common.dsse import sign_envelope
from services.common.ids import new_id
from services.common.suites import generate
from services.evidence.log.notes import parse_body
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_samples import artefact_entries, sample_artefacts
from tests.evidence_stack import EvidenceStack, own_home, remove, running

OPS = ["signed", "stamped", "logged", "custodian", "sealed", "digested"]


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def package_of(stack: EvidenceStack, evidence_id: str) -> bytes:
    response = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "测试"})
    assert response.status_code == 200, response.text
    return response.content


async def all_logged(stack: EvidenceStack, evidence_id: str) -> None:
    """Wait until every custody event of the item has its leaf; at most half a minute."""
    for _ in range(300):
        events = (await stack.get(f"/evidence/{evidence_id}/custody")).json()["events"]
        if all(event["log_index"] is not None for event in events):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(events)


async def trust_of(stack: EvidenceStack) -> dict:
    return read_trust((await stack.get("/trust")).content)


async def test_sealed_package_is_valid_for_verifier_openssl_wacz_and_custodian(stack, tmp_path):
    evidence_id, envelope = await stack.intake()
    lines = await stack.seal(evidence_id, envelope)
    assert [line["op"] for line in lines] == OPS
    sealed, data = lines[-1], await package_of(stack, evidence_id)
    report = verify(io.BytesIO(data), await trust_of(stack))
    assert report["verdict"] == "VALID", [c for c in report["checks"] if not c["ok"]]
    assert report["package"]["sha256"] == sealed["package_sha256"]
    assert report["package"]["sm3"] == sealed["package_sm3"]
    assert report["package"]["bytes"] == sealed["package_bytes"] == len(data)
    assert report["evidence_no"] == sealed["evidence_no"]
    assert re.fullmatch(r"WJ-360121-\d{4}-\d{8}", sealed["evidence_no"])
    _wacz_agrees(data, tmp_path)
    _openssl_agrees(stack, data, tmp_path)
    kept = stack.settings.home / "custodian" / "store" / "sha256" / sealed["package_sha256"][:2]
    assert (kept / f"{sealed['package_sha256']}.wacz").read_bytes() == data


def _wacz_agrees(data: bytes, folder: Path) -> None:
    (folder / "p.wacz").write_bytes(data)
    command = [sys.executable, "-c", "from wacz.main import main; main()", "validate", "-f", "p.wacz"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "the passed WACZ is valid" in run.stdout, run.stdout + run.stderr


def _openssl_agrees(stack: EvidenceStack, data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        envelope = json.loads(package.read("evidence/manifest.dsse.json"))
        (folder / "r.tsr").write_bytes(package.read("evidence/tst-0.tsr"))
    lines = "".join(f"{s['keyid']} {s['sig']}\n" for s in envelope["signatures"])
    (folder / "message").write_text("wangjian:dsse-signatures:v1\n" + lines)
    authority = load_or_create(stack.settings.home / "tsa")
    (folder / "ca.pem").write_bytes(authority.ca.public_bytes(Encoding.PEM))
    command = ["openssl", "ts", "-verify", "-data", "message", "-in", "r.tsr", "-CAfile", "ca.pem"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Verification: OK" in run.stdout


async def test_sealing_again_repeats_the_answer_and_changes_nothing(stack):
    evidence_id, envelope = await stack.intake()
    first = await stack.seal(evidence_id, envelope)
    package = await package_of(stack, evidence_id)
    await all_logged(stack, evidence_id)
    size = stack.runtime.log.size
    again = await stack.seal(evidence_id, envelope)
    assert again == first
    assert await package_of(stack, evidence_id) == package
    await all_logged(stack, evidence_id)
    assert stack.runtime.log.size - size == 1, "only the second export was logged"


async def test_parallel_seals_of_one_item_give_one_result(stack):
    evidence_id, envelope = await stack.intake()
    results = await asyncio.gather(*(stack.seal(evidence_id, envelope) for _ in range(4)))
    assert all(result == results[0] for result in results)


async def test_numbers_are_dense_per_region_under_concurrency(stack):
    regions = ["360702", "360702", "360733", "360702", "360702", "360733", "360702", "360702"]
    intakes = [await stack.intake(region=region) for region in regions]
    sealed = await asyncio.gather(*(stack.seal(*intake) for intake in intakes))
    numbers = sorted(lines[-1]["evidence_no"] for lines in sealed)
    found = [number.rpartition("-")[2] for number in numbers if "360702" in number]
    assert found == [f"{n:08d}" for n in range(1, 7)]
    assert [n.rpartition("-")[2] for n in numbers if "360733" in n] == ["00000001", "00000002"]


async def test_order_is_logged_before_and_repeats(stack):
    evidence_id = new_id()
    first = await stack.order(evidence_id)
    head = parse_body(first["checkpoint"].partition("\n\n")[0] + "\n")
    assert head.size > first["log_index"]
    assert await stack.order(evidence_id) == first
    body = {
        "url": "http://other.test/",
        "purpose": "",
        "ordered_by": {"sub": "a", "name": "b", "org": "c"},
        "org_code": "c",
        "region_code": "360121",
        "ordered_at": "2026-11-21T07:59:00Z",
    }
    other = await stack.client.put(f"/internal/orders/{evidence_id}", json=body, headers=stack.crawler)
    assert (other.status_code, other.json()["code"]) == (409, "order.conflict")


async def test_uploads_are_hashed_again_and_never_replaced(stack):
    evidence_id = new_id()
    await stack.order(evidence_id)
    good = await stack.upload(evidence_id, "evidence/page.png", b"pixels")
    assert good.json()["bytes"] == 6
    assert (await stack.upload(evidence_id, "evidence/page.png", b"pixels")).json() == good.json()
    other = await stack.upload(evidence_id, "evidence/page.png", b"others")
    assert (other.status_code, other.json()["code"]) == (409, "intake.conflict")
    for name in ("x-sha256", "x-sm3"):
        wrong = await stack.upload(evidence_id, "evidence/b.png", b"pixels", **{name: "0" * 64})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "intake.digest_mismatch")
        bad = await stack.upload(evidence_id, "evidence/b.png", b"pixels", **{name: "xyz"})
        assert (bad.status_code, bad.json()["code"]) == (422, "intake.digest_malformed")
    assert not list((stack.runtime.store.root / "tmp").iterdir()), "nothing half-written stays"
    unknown = await stack.upload(new_id(), "evidence/page.png", b"pixels")
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "evil.txt",
        "evidence/a/b.txt",
        "evidence/A.png",
        "evidence/noext",
        "evidence/manifest.dsse.json",
        "evidence/tst-0.tsr",
        "evidence/log.entry.json",
        "datapackage.json",
        "evidence/..png",
        "evidence/%2e%2e%2fx.png",
        "evidence/" + "a" * 120 + ".txt",
    ],
)
async def test_paths_that_cannot_stand_in_a_package(stack, path):
    evidence_id = new_id()
    await stack.order(evidence_id)
    response = await stack.upload(evidence_id, path, b"x")
    assert (response.status_code, response.json()["code"]) == (422, "intake.path_refused"), path


async def test_too_large_and_store_full_leave_nothing_behind(stack, monkeypatch):
    evidence_id = new_id()
    await stack.order(evidence_id)
    monkeypatch.setattr(
        stack.runtime, "own", stack.runtime.own.model_copy(update={"artefact_limit_bytes": 10})
    )
    large = await stack.upload(evidence_id, "evidence/big.bin", b"x" * 11)
    assert (large.status_code, large.json()["code"]) == (413, "evidence.too_large")
    monkeypatch.undo()
    from services.evidence.objects import disk, spool

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for owner, method in ((spool.Writer, "_write_fast"), (disk.DiskStore, "_name")):
        monkeypatch.setattr(owner, method, full)
        refused = await stack.upload(evidence_id, "evidence/big.bin", b"x" * 2_000_000)
        assert (refused.status_code, refused.json()["code"]) == (507, "evidence.store_full")
        assert not list((stack.runtime.store.root / "tmp").iterdir())
        monkeypatch.undo()
    assert (await stack.upload(evidence_id, "evidence/big.bin", b"x" * 2_000_000)).status_code == 200


async def refused(stack, *, change=None, key=None, drop=None, extra=None) -> dict:
    """The error of sealing a manifest that does not fit its intake."""
    evidence_id = new_id()
    artefacts = sample_artefacts()
    ordered = await stack.order(evidence_id)
    for path, data in (artefacts | (extra or {})).items():
        await stack.upload(evidence_id, path, data)
    entries = [e for e in artefact_entries(artefacts) if e["path"] != drop]
    envelope = stack.manifest(evidence_id, entries, ordered)
    if change or key:
        import base64

        statement = json.loads(base64.b64decode(envelope["payload"]))
        if change:
            change(statement)
        envelope = dict(sign_envelope(key or stack.worker, rfc8785.dumps(statement)))
    lines = await stack.seal(evidence_id, envelope)
    assert [line["op"] for line in lines] == ["error"], lines
    return lines[0]["problem"]


@pytest.mark.parametrize(
    "given",
    [
        {"key": generate("ed25519")},
        {"drop": "evidence/page.png"},
        {"extra": {"evidence/more.png": b"x"}},
        {"change": lambda s: s["predicate"].update(evidence_id=new_id())},
        {"change": lambda s: s["predicate"]["target"].update(requested_url="http://other.test/")},
        {"change": lambda s: s["predicate"].update(policy_id="urn:x")},
        {"change": lambda s: s["predicate"].update(key_ids=[])},
        {"change": lambda s: s["predicate"].pop("network")},
        {"change": lambda s: s["predicate"]["artifacts"][0].update(bytes=1)},
        {"change": lambda s: s["subject"].pop()},
        {"change": lambda s: s["predicate"]["times"].update(beacon_checkpoint="nothing")},
        {"change": lambda s: s["predicate"]["times"].update(end="2000-01-01T00:00:00Z")},
        {"change": lambda s: s["predicate"]["times"].update(end="yesterday")},
        {"change": lambda s: s["predicate"]["completeness"].update(state="FINE")},
        {"change": lambda s: s.update(_type="other")},
    ],
)
async def test_manifests_that_do_not_fit_are_refused(stack, given):
    problem = await refused(stack, **given)
    assert (problem["status"], problem["code"]) == (422, "evidence.manifest_refused")


async def test_more_than_a_package_can_hold_is_refused_before_it_is_signed(stack, monkeypatch):
    from services.evidence.items import rules

    monkeypatch.setattr(rules, "LIMIT_BYTES", rules._ROOM_FOR_PROOFS + 1000)
    problem = await refused(stack)
    assert problem["code"] == "evidence.manifest_refused"
    assert "4 GiB" in problem["detail"]


async def test_missing_required_artefact_is_refused(stack):
    evidence_id = new_id()
    ordered = await stack.order(evidence_id)
    artefacts = {"evidence/page.png": b"x"}
    await stack.upload(evidence_id, "evidence/page.png", b"x")
    lines = await stack.seal(evidence_id, stack.manifest(evidence_id, artefact_entries(artefacts), ordered))
    assert lines[0]["problem"]["code"] == "evidence.manifest_refused"


async def test_beacon_of_another_order_that_is_older_is_refused(stack):
    older = await stack.order(new_id())
    evidence_id, _ = await stack.intake()
    envelope = stack.manifest(evidence_id, artefact_entries(sample_artefacts()), older)
    assert (await stack.seal(evidence_id, envelope))[0]["problem"]["code"] == "evidence.manifest_refused"


async def test_after_signing_nothing_is_added_or_exchanged(stack):
    evidence_id, envelope = await stack.intake()
    await stack.seal(evidence_id, envelope)
    closed = await stack.upload(evidence_id, "evidence/late.txt", b"late")
    assert (closed.status_code, closed.json()["code"]) == (409, "intake.closed")
    other = {**envelope, "payload": "e30="}
    lines = await stack.seal(evidence_id, other)
    assert lines[0]["problem"]["code"] == "evidence.already_signed"


async def test_sealing_without_order_or_by_others_is_refused(stack):
    _, envelope = await stack.intake()
    for submitted in (envelope, {**envelope, "signatures": []}):
        lines = await stack.seal(new_id(), submitted)
        assert lines[0]["problem"]["status"] == 404
    from services.common.identity import system_claims

    response = await stack.client.post(
        f"/internal/intakes/{new_id()}/seal",
        json={"envelope": envelope},
        headers=stack.headers(system_claims("casework")),
    )
    assert response.status_code == 403


async def test_large_artefact_streams(stack):
    artefacts = sample_artefacts({"evidence/page.png": os.urandom(5_000_000)})
    sealed = await stack.submit(artefacts)
    assert sealed["op"] == "digested"
    report = verify(io.BytesIO(await package_of(stack, sealed["id"])), await trust_of(stack))
    assert report["verdict"] == "VALID"


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_an_upload_that_breaks_off_leaves_nothing_at_the_custodian(stack):
    evidence_id = new_id()
    reader, writer = await asyncio.open_unix_connection(str(stack.custodian.socket))
    head = f"PUT /v1/packages/{evidence_id} HTTP/1.1\r\nHost: c\r\nContent-Length: 5000000\r\n\r\n"
    writer.write(head.encode() + b"PK\x03\x04" + bytes(300_000))
    await writer.drain()
    received = stack.settings.home / "custodian" / "store" / "tmp"
    await _until(lambda: any(file.stat().st_size > 200_000 for file in received.iterdir()))
    writer.close()
    await _until(lambda: not list(received.iterdir()))
    assert await reader.read() == b""
    kept = stack.settings.home / "custodian" / "store" / "receipts" / f"{evidence_id}.json"
    assert not kept.exists()
    # and it still serves
    await stack.seal(*await stack.intake())
