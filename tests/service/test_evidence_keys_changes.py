"""Rotation, registration and revocation of signing keys: in log, trust file, and verifier (by time)."""

import asyncio
import base64
import dataclasses
import datetime as dt
import io
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.common.keys import install_successor, key_path, load_signers, prepare_successor
from services.common.suites import generate, policy_id, possession_message
from services.evidence.keys import audit as key_audit
from services.evidence.keys.ring import KeyRing
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import OFFICER, own_home, remove, running

ADMIN = dataclasses.replace(
    OFFICER,
    sub="u-sec",
    name="安全管理员",
    permissions=frozenset({"key:manage"}),
    roles=frozenset({"secadmin"}),
)


@pytest.fixture
async def stack(make_settings):
    """Both suites, as a deployment that needs national algorithms beside the international ones."""
    both = make_settings("evidence", suites=("international", "national"))
    settings = own_home(both)
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def post(stack: Any, path: str, body: dict[str, Any], claims: Any = ADMIN) -> Any:
    return await stack.client.post(path, json=body, headers=stack.headers(claims))


async def listed(stack: Any) -> list[dict[str, Any]]:
    return (await stack.get("/keys", ADMIN)).json()["items"]


async def package(stack: Any, evidence_id: str) -> bytes:
    return (await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "核验"})).content


async def trust(stack: Any) -> dict[str, Any]:
    return read_trust((await stack.client.get("/trust")).content)


async def failed(stack: Any, data: bytes) -> set[str]:
    report = verify(io.BytesIO(data), await trust(stack))
    codes = {check["code"] for check in report["checks"] if not check["ok"]}
    assert (report["verdict"] == "VALID") == (not codes)
    return codes


async def key_leaves(stack: Any) -> list[dict[str, Any]]:
    async with stack.runtime.database.transaction() as session:
        rows = await session.execute(
            text("SELECT entry, index FROM log_entries WHERE ref LIKE 'key:%' ORDER BY id")
        )
        found = [(json.loads(bytes(entry)), index) for entry, index in rows]
    assert all(index is not None for _, index in found)
    return [entry for entry, _ in found]


def registration(signer: Any, **changes: Any) -> dict[str, Any]:
    proof = signer.sign(possession_message(signer.keyid))
    return {
        "role": "worker",
        "algorithm": signer.algorithm,
        "public_key": base64.b64encode(signer.public_der).decode(),
        "proof": base64.b64encode(proof).decode(),
        "reason": "新节点",
    } | changes


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def test_the_first_keys_are_registered_and_logged(stack):
    done = await stack.submit()
    assert done["op"] != "error", done
    keys = await listed(stack)
    assert {(key["role"], key["suite"], key["state"]) for key in keys} == {
        (role, suite, "current") for role in ("worker", "sealing") for suite in ("international", "national")
    }
    leaves = await key_leaves(stack)
    assert {leaf["keyid"] for leaf in leaves} == {key["keyid"] for key in keys}
    assert {leaf["event"] for leaf in leaves} == {"introduced"}
    assert all(set(leaf) == {"v", "kind", "event", "role", "keyid", "algorithm", "public_key", "at", "reason"}
               for leaf in leaves)  # fmt: skip
    data = await package(stack, done["id"])
    assert await failed(stack, data) == set()
    envelope = (await stack.get(f"/evidence/{done['id']}")).json()["seals"]["signatures"]
    assert [item["by"] for item in envelope] == ["capture-worker"] * 2 + ["sealing-service"] * 2
    assert [policy["id"] for policy in (await trust(stack))["policies"]] == [
        policy_id(("international", "national"))
    ]


async def test_rotation_of_the_sealing_keys(stack):
    before = await stack.submit()
    old = {signer.keyid for signer in stack.runtime.sealing_signers}
    response = await post(stack, "/keys/rotation", {"role": "sealing", "reason": "年度轮换"})
    assert response.status_code == 200, response.text
    new = {signer.keyid for signer in stack.runtime.sealing_signers}
    assert not old & new
    states = {key["keyid"]: key for key in await listed(stack)}
    for keyid in old:
        assert states[keyid]["state"] == "ended"
        ends = dt.datetime.fromisoformat(states[keyid]["not_after"])
        assert dt.timedelta(hours=23) < ends - now() < dt.timedelta(hours=25)
    assert {states[keyid]["state"] for keyid in new} == {"current"}
    # The former private parts are nowhere any more: what the files hold are the new keys.
    assert {signer.keyid for signer in load_signers(stack.settings, "sealing")} == new
    assert not list(stack.settings.keys_dir.glob("*.next.*"))

    after = await stack.submit()
    assert after["op"] != "error", after
    for item in (before, after):
        assert await failed(stack, await package(stack, item["id"])) == set()
    leaves = await key_leaves(stack)
    assert {leaf["keyid"] for leaf in leaves if leaf["event"] == "rotated"} == old
    entry = next(leaf for leaf in leaves if leaf["event"] == "rotated")
    assert entry["at"] == next(
        key["not_after"] for key in (await trust(stack))["sealing_keys"] if key["keyid"] == entry["keyid"]
    )
    async with stack.runtime.database.transaction() as session:
        said = (await session.execute(text("SELECT actor, event FROM audit WHERE object_type = 'key'"))).all()
    assert [tuple(row) for row in said] == [("u-sec", "key.rotate")]


async def test_revocation_is_by_time(stack):
    """Stamped before it: VALID. After it, with the very same key: INVALID, and by that check alone."""
    early = await stack.submit()
    worker = stack.workers[1]
    # A time stamp carries whole seconds: the two items must not share one with the revocation.
    await asyncio.sleep(1.1)
    since = now()
    await asyncio.sleep(1.1)
    late = await stack.submit()
    assert await failed(stack, await package(stack, late["id"])) == set()  # negative control

    body = {"since": since.isoformat(), "reason": "密钥泄露"}
    response = await post(stack, f"/keys/{worker.keyid}/revocation", body)
    assert response.status_code == 200, response.text
    assert await failed(stack, await package(stack, early["id"])) == set()
    assert await failed(stack, await package(stack, late["id"])) == {"keys.validity"}

    # From now on nothing of that worker is taken; a registered new key is.
    evidence_id, envelope = await stack.intake()
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["problem"]["code"] == "evidence.manifest_refused"
    fresh = prepare_successor(stack.settings, "worker", "national")
    given = registration(fresh, replaces=worker.keyid)
    assert (await post(stack, "/keys", given)).status_code == 200
    install_successor(stack.settings, "worker", "national")
    stack.workers[:] = load_signers(stack.settings, "worker")
    done = await stack.submit()
    assert done["op"] != "error", done
    assert await failed(stack, await package(stack, done["id"])) == set()

    # The time can be moved to an earlier one only, and never lies in the future.
    for moment, code in ((since, "key.already_revoked"), (now() + dt.timedelta(hours=1), "key.since_future")):
        again = await post(stack, f"/keys/{worker.keyid}/revocation", {**body, "since": moment.isoformat()})
        assert again.json()["code"] == code
    earlier = {**body, "since": (since - dt.timedelta(days=1)).isoformat()}
    assert (await post(stack, f"/keys/{worker.keyid}/revocation", earlier)).status_code == 200
    assert await failed(stack, await package(stack, early["id"])) == {"keys.validity"}


async def test_revoking_the_sealing_key_makes_a_new_one_at_once(stack):
    revoked = stack.runtime.sealing_signers[0]
    body = {"since": now().isoformat(), "reason": "私钥可能外泄"}
    response = await post(stack, f"/keys/{revoked.keyid}/revocation", body)
    assert response.status_code == 200, response.text
    assert stack.runtime.sealing_signers[0].keyid != revoked.keyid
    done = await stack.submit()
    assert done["op"] != "error", done
    assert await failed(stack, await package(stack, done["id"])) == set()
    events = [(leaf["event"]) for leaf in await key_leaves(stack) if leaf["keyid"] == revoked.keyid]
    assert events == ["introduced", "rotated", "revoked"]


async def test_a_workers_key_is_registered_with_proof_only(stack):
    await stack.submit()
    fresh, other = generate("ed25519"), generate("ed25519")
    refused = {
        "key.proof_invalid": registration(fresh, proof=base64.b64encode(other.sign(b"x")).decode()),
        "key.malformed": registration(fresh, algorithm="sm2-sm3"),
        "key.exists": registration(stack.runtime.sealing_signers[0]),
        "request.invalid": registration(fresh, role="sealing"),
    }
    for code, body in refused.items():
        response = await post(stack, "/keys", body)
        assert response.json()["code"] == code, response.text
    assert (await post(stack, "/keys", registration(fresh, replaces="0" * 64))).status_code == 404
    assert not [key for key in await listed(stack) if key["keyid"] == fresh.keyid]
    for _ in range(2):
        assert (await post(stack, "/keys", registration(fresh))).status_code == 200
    assert [leaf["keyid"] for leaf in await key_leaves(stack)].count(fresh.keyid) == 1
    # Two capture machines: both are accepted.
    stack.workers[0] = fresh
    assert (await stack.submit())["op"] != "error"


async def test_a_swapped_worker_key_file_is_not_taken_for_a_key(stack):
    """Only a suite's first key comes from the file; later ones are handed in by who has the right."""
    await stack.submit()
    prepare_successor(stack.settings, "worker", "international")
    install_successor(stack.settings, "worker", "international")
    stack.workers[:] = load_signers(stack.settings, "worker")
    evidence_id, envelope = await stack.intake()
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["problem"]["code"] == "evidence.manifest_refused"


async def test_permissions(stack):
    body = {"since": now().isoformat(), "reason": "x"}
    keyid = stack.runtime.sealing_signers[0].keyid
    reader = dataclasses.replace(OFFICER, permissions=frozenset({"system:read"}))
    assert (await stack.get("/keys", OFFICER)).status_code == 403
    assert (await stack.get("/keys", reader)).status_code == 200
    for claims in (OFFICER, reader):
        assert (await post(stack, f"/keys/{keyid}/revocation", body, claims)).status_code == 403
        rotation = {"role": "sealing", "reason": "x"}
        assert (await post(stack, "/keys/rotation", rotation, claims)).status_code == 403
        assert (await post(stack, "/keys", registration(generate("ed25519")), claims)).status_code == 403
    assert (await post(stack, "/keys/rotation", {"role": "worker", "reason": "x"})).json()["code"] == (
        "key.held_elsewhere"
    )
    assert (await post(stack, f"/keys/{'0' * 64}/revocation", body)).status_code == 404
    assert (await post(stack, f"/keys/{keyid}/revocation", {**body, "reason": " "})).status_code == 422


async def test_no_rotation_while_items_wait_for_their_time_stamps(stack):
    await stack.submit()
    await stack.tsa.stop()
    waiting = await stack.submit()
    assert waiting["op"] == "error"
    async with stack.runtime.database.transaction() as session:
        await session.execute(
            text("UPDATE evidence_items SET created_at = now() - interval '2 hours' WHERE stage = 'signed'")
        )
    rotation = {"role": "sealing", "reason": "x"}
    assert (await post(stack, "/keys/rotation", rotation)).json()["code"] == "key.backlog"
    revoked = stack.runtime.sealing_signers[0].keyid
    body = {"since": now().isoformat(), "reason": "x"}
    assert (await post(stack, f"/keys/{revoked}/revocation", body)).json()["unstamped"] == 1


async def test_a_rotation_cut_short_is_finished_and_an_old_file_put_back_is_not_used(stack, monkeypatch):
    ring: KeyRing = stack.runtime.keys
    path = key_path(stack.settings, "sealing", "international")
    old_files = {file: file.read_bytes() for file in (path, path.with_suffix(".pub"))}
    old = ring.sealers()[0].keyid

    async def dies(*_: Any) -> None:
        raise RuntimeError("killed between the commit and the new file")

    with monkeypatch.context() as patch:
        patch.setattr("services.evidence.keys.service._install", dies)
        with pytest.raises(RuntimeError):
            await post(stack, "/keys/rotation", {"role": "sealing", "reason": "x"})
    assert path.read_bytes() == old_files[path]
    await ring.start()
    new = ring.sealers()[0].keyid
    assert new != old
    assert [key["keyid"] for key in await listed(stack) if key["state"] == "current"].count(new) == 1

    for file, data in old_files.items():
        file.write_bytes(data)
    await ring.start()
    third = ring.sealers()[0].keyid
    assert third not in (old, new)
    current = [key["keyid"] for key in await listed(stack) if key["state"] == "current"]
    assert third in current
    assert new not in current
    assert (await stack.submit())["op"] != "error"


async def test_what_an_insider_changes_among_the_keys_is_found(stack):
    await stack.submit()
    sealer, other = (signer.keyid for signer in stack.runtime.sealing_signers)
    body = {"since": now().isoformat(), "reason": "x"}
    assert (await post(stack, f"/keys/{sealer}/revocation", body)).status_code == 200
    earlier = {"since": (now() - dt.timedelta(hours=1)).isoformat(), "reason": "y"}
    assert (await post(stack, f"/keys/{sealer}/revocation", earlier)).status_code == 200

    async def found(*changes: str) -> list[tuple[str, str]]:
        async with stack.runtime.database.transaction() as session:
            for change in changes:
                await session.execute(text(change), {"keyid": sealer, "other": other})
            findings = await key_audit.check(session)
            await session.rollback()
        return [(finding.code, finding.keyid) for finding in findings]

    assert await found() == []
    change = "UPDATE signing_keys SET {} WHERE keyid = :keyid"
    for column in ("revoked_at = NULL", "not_before = NULL", "not_after = now()", "role = 'worker'"):
        assert await found(change.format(column)) == [("key.differs", sealer)], column
    assert await found("DELETE FROM signing_keys WHERE keyid = :keyid") == [("key.missing", sealer)]
    copied = (
        "INSERT INTO signing_keys SELECT {}, role, suite, algorithm, {}, not_before, NULL, NULL, reason,"
        " changed_by, now() FROM signing_keys WHERE keyid = :other"
    )
    new = generate("sm2-sm3")
    added = copied.format(f"'{new.keyid}'", f"decode('{new.public_der.hex()}', 'hex')")
    assert await found(added) == [("key.unlogged", new.keyid)]
    # A second row of one key, which could undo its revocation: forbidden, and found where the rule is gone.
    twin = copied.format("repeat('0', 64)", "public_der")
    with pytest.raises(IntegrityError):
        await found(twin)
    unruled = "ALTER TABLE signing_keys DROP CONSTRAINT ck_signing_keys_own_keyid"
    assert await found(unruled, twin) == [("key.differs", "0" * 64)]


async def test_a_custodian_that_does_not_know_the_new_key_loses_nothing(stack):
    """Its operator put the trust file there: it does not follow by itself, and seals wait until he has."""
    await stack.submit()
    [file] = (stack.settings.home / "custodian").rglob("trust.json")
    pinned = json.loads(file.read_bytes())
    assert pinned.pop("pinned_at_first_use") is True
    file.write_text(json.dumps(pinned))
    rotation = {"role": "sealing", "reason": "x"}
    assert (await post(stack, "/keys/rotation", rotation)).status_code == 200
    evidence_id, envelope = await stack.intake()
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["op"] == "error", lines
    assert lines[-1]["problem"]["code"] == "evidence.custodian_refused"
    assert "signature.sealing" in lines[-1]["problem"]["detail_en"]

    file.write_text((await stack.client.get("/trust")).text)
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["op"] != "error", lines
    assert await failed(stack, await package(stack, evidence_id)) == set()
