"""Copies that say less, made from sealed items: genuine, never taken for the original, always on record."""

import dataclasses
import io
import json
import zipfile

import pytest

from services.evidence.verification.verifier import read_trust, verify, verify_custody, verify_disclosure
from tests.evidence_stack import OFFICER, EvidenceStack, own_home, remove, running


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as stack:
        yield stack
    remove(settings)


@pytest.fixture(scope="module")
async def sealed(stack: EvidenceStack) -> str:
    return (await stack.submit())["id"]


def trust_of(stack: EvidenceStack):
    return read_trust(json.dumps(stack.runtime.trust()).encode())


async def redact(stack: EvidenceStack, item: str, paths: list[str], reason: str = "个人信息保护"):
    return await stack.client.post(
        f"/evidence/{item}/redaction",
        json={"paths": paths, "reason": reason},
        headers=stack.headers(OFFICER),
    )


async def test_a_redacted_copy_is_genuine_but_never_the_original(stack, sealed):
    answer = await redact(stack, sealed, ["evidence/page.png", "evidence/dom.html"])
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    report = verify(io.BytesIO(answer.content), trust_of(stack))
    assert report["verdict"] == "REDACTED"
    assert report["facts"]["removed"] == ["evidence/dom.html", "evidence/page.png"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as copy:
        assert "evidence/page.png" not in copy.namelist()
    whole = await stack.get(f"/evidence/{sealed}/package?reason=test")
    assert verify(io.BytesIO(whole.content), trust_of(stack))["verdict"] == "VALID"


async def test_the_web_archive_itself_can_be_left_out(stack, sealed):
    answer = await redact(stack, sealed, ["archive/data.warc.gz"])
    assert verify(io.BytesIO(answer.content), trust_of(stack))["verdict"] == "REDACTED"


@pytest.mark.parametrize("paths", [["evidence/nothing.png"], ["evidence/manifest.dsse.json"], []])
async def test_only_artefacts_can_be_left_out(stack, sealed, paths):
    answer = await redact(stack, sealed, paths)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_one_artefact_is_disclosed_with_its_proof_and_nothing_of_the_others(stack, sealed):
    answer = await stack.get(
        f"/evidence/{sealed}/disclosure", params={"path": "evidence/text.txt", "reason": "庭审示证"}
    )
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert bundle.namelist() == ["disclosure.json", "text.txt"]
        document, file = bundle.read("disclosure.json"), bundle.read("text.txt")
    report = verify_disclosure(document, io.BytesIO(file), trust_of(stack))
    assert report["verdict"] == "DISCLOSED"
    assert report["facts"]["artefact"]["path"] == "evidence/text.txt"
    assert b"page.png" not in document
    changed = verify_disclosure(document, io.BytesIO(file + b" "), trust_of(stack))
    assert [c["code"] for c in changed["checks"] if not c["ok"]] == ["artefact.file"]


async def test_both_need_a_reason_and_leave_a_logged_record(stack, sealed):
    assert (await redact(stack, sealed, ["evidence/page.png"], "")).status_code == 422
    answer = await stack.get(f"/evidence/{sealed}/disclosure", params={"path": "evidence/text.txt"})
    assert answer.status_code == 422
    events = (await stack.get(f"/evidence/{sealed}/custody")).json()["events"]
    redactions = [event for event in events if event["event"] == "redacted"]
    assert redactions[0]["reason"] == "个人信息保护"
    assert "evidence/page.png" in redactions[0]["about"]["removed"]
    disclosures = [event for event in events if event["event"] == "disclosed"]
    assert [(event["reason"], event["about"]["path"]) for event in disclosures] == [
        ("庭审示证", "evidence/text.txt")
    ]


async def test_nobody_without_the_right_gets_a_copy(stack, sealed):
    reader = dataclasses.replace(OFFICER, permissions=frozenset({"evidence:read"}))
    answer = await stack.get(f"/evidence/{sealed}/disclosure?path=evidence/text.txt&reason=x", reader)
    assert answer.status_code == 403
    other = await stack.get("/evidence/01JD0000000000000000000009/disclosure?path=a&reason=x")
    assert other.status_code == 404


async def test_a_custody_event_is_proved_by_the_log_alone(stack, sealed):
    answer = await stack.get(f"/evidence/{sealed}/custody/1/proof")
    assert answer.status_code == 200, answer.text
    report = verify_custody(answer.content, trust_of(stack))
    assert report["verdict"] == "LOGGED", report["checks"]
    assert report["facts"]["event"]["evidence_id"] == sealed
