"""The evidence service on a real S3 store with object lock, from order to verified package."""

import asyncio
import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from minio.error import S3Error
from sqlalchemy import text

from infra.radosgw import ACCESS_KEY, SECRET_KEY
from services.common.ids import new_id
from services.evidence.custody.rules import Actor
from services.evidence.objects.s3 import object_key
from services.evidence.objects.s3_config import connect
from services.evidence.restorations import service as restorations
from services.evidence.sweeps import service as sweeps
from services.evidence.sweeps.runner import SweepRunner
from tests.evidence_samples import sample_artefacts
from tests.evidence_stack import OFFICER, own_home, remove, running

pytestmark = pytest.mark.s3

HOLDER = dataclasses.replace(
    OFFICER, permissions=OFFICER.permissions | {"evidence:hold", "system:read", "store:sweep"}
)


@pytest.fixture(scope="module")
async def stack(make_settings, s3_server, tmp_path_factory):
    """The service with its peers, its objects in a fresh bucket, told to insist on WORM."""
    secret = tmp_path_factory.mktemp("secret") / "s3"
    secret.write_text(SECRET_KEY + "\n", encoding="ascii")
    given = {
        "WANGJIAN_STORE": "s3",
        "WANGJIAN_STORE_REQUIRE_WORM": "true",
        "WANGJIAN_S3_ENDPOINT": s3_server.endpoint,
        "WANGJIAN_S3_BUCKET": f"wj-{new_id().lower()}",
        "WANGJIAN_S3_ACCESS_KEY": ACCESS_KEY,
        "WANGJIAN_S3_SECRET_KEY_FILE": str(secret),
        "WANGJIAN_S3_TLS": "false",
    }
    settings = own_home(make_settings("evidence"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        async with running(settings) as running_stack:
            yield running_stack
    remove(settings)


@pytest.fixture(scope="module")
async def sealed(stack):
    """An item with a large artefact, so that something is uploaded in parts."""
    artefacts = sample_artefacts() | {"evidence/page.mhtml": b"large " * 2_000_000}
    return await stack.submit(artefacts)


async def test_it_is_sealed_and_verifies(stack, sealed):
    """The package is read back from the bucket, exported, and VALID to the offline verifier."""
    assert sealed["op"] in ("sealed", "digested"), sealed
    ready = (await stack.client.get("/health/ready")).json()["checks"]["store"]
    assert (ready["store"], ready["worm"], ready["ok"]) == ("s3", "enforced", True)
    report = await stack.client.post(f"/evidence/{sealed['id']}/verification", headers=stack.headers(OFFICER))
    assert report.json()["verdict"] == "VALID", report.json()
    exported = await stack.get(f"/evidence/{sealed['id']}/package", params={"reason": "测试"})
    assert hashlib.sha256(exported.content).hexdigest() == exported.headers["x-sha256"]


async def test_an_artefact_is_streamed_from_the_bucket(stack, sealed):
    """With its length, its safe headers and its very bytes."""
    answer = await stack.get(f"/evidence/{sealed['id']}/artefacts/evidence/page.mhtml")
    assert answer.content == b"large " * 2_000_000
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_every_object_is_locked_for_years_and_held_when_told(stack, sealed):
    """The retention rule reaches the bucket; a hold as well; neither can be undone with the store's keys."""
    await stack.app.state.retention.drain()
    shown = (await stack.get(f"/evidence/{sealed['id']}")).json()
    assert (shown["retention"]["locked"], shown["retention"]["pending"]) == (True, False)
    store = stack.runtime.store
    sha256 = shown["artefacts"][0]["sha256"]
    version = store.look(object_key(sha256), store.versions(sha256)[0])
    assert version.until - datetime.now(UTC) > timedelta(days=5 * 365)
    with pytest.raises(S3Error, match="AccessDenied"):
        store.client.remove_object(store.config.bucket, object_key(sha256), version.id)
    path = f"/evidence/{sealed['id']}/hold"
    for tail, held in (("", True), ("/release", False)):
        await stack.client.post(path + tail, json={"reason": "调取"}, headers=stack.headers(HOLDER))
        await stack.app.state.retention.drain()
        for one in shown["artefacts"]:
            key, versions = object_key(one["sha256"]), store.versions(one["sha256"])
            assert store.look(key, versions[0]).hold == held


async def test_the_version_of_every_artefact_is_on_record(stack, sealed):
    """The id the store gave is kept beside the digest, and is the version that is there."""
    async with stack.runtime.database.transaction() as session:
        asked = text("SELECT sha256, version_id FROM artefacts WHERE evidence_id = :id")
        rows = (await session.execute(asked, {"id": sealed["id"]})).all()
    assert rows
    for row in rows:
        assert stack.runtime.store.versions(row.sha256) == [row.version_id]


async def test_a_sweep_finds_what_lies_over_an_object_and_the_rest_is_good(stack, sealed):
    """A delete marker in the bucket is named; what it hides is still read and still good."""
    await stack.app.state.sweeps.stop()
    shown = (await stack.get(f"/evidence/{sealed['id']}")).json()
    sha256 = shown["artefacts"][0]["sha256"]
    store = stack.runtime.store
    await asyncio.to_thread(store.client.remove_object, store.config.bucket, object_key(sha256))
    async with stack.runtime.database.transaction() as session:
        await sweeps.request(session, "test")
    assert await SweepRunner(stack.runtime.database, store, 1e12).run_next() == "done"
    async with stack.runtime.database.transaction() as session:
        report = await sweeps.newest(session)
    assert [(one.kind, one.name) for one in report.findings] == [("covered", sha256)]
    done = await restorations.restore(stack.runtime, sealed["id"], Actor("t", "t"), "")
    assert done.objects == (), "everything is there"


async def test_a_frozen_store_delays_a_seal_and_loses_nothing(stack, s3_server, monkeypatch):
    """The store hangs while artefacts come and while it is sealed: 503, nothing called sealed."""
    store = stack.runtime.store
    monkeypatch.setattr(store, "client", connect(dataclasses.replace(store.config, timeout_seconds=0.5)))
    evidence_id, envelope = await stack.intake()
    s3_server.freeze()
    try:
        refused = await stack.upload(evidence_id, "evidence/late.txt", b"late")
        assert (refused.status_code, refused.json()["code"]) == (503, "evidence.store_unavailable")
        lines = await stack.seal(evidence_id, envelope)
        assert (lines[-1]["op"], lines[-1]["problem"]["status"]) == ("error", 503), lines[-1]
        item = (await stack.get(f"/evidence/{evidence_id}")).json()
        assert item["stage"] != "sealed"
    finally:
        s3_server.thaw()
        monkeypatch.undo()
    lines = await stack.seal(evidence_id, envelope)
    assert lines[-1]["op"] in ("sealed", "digested"), lines[-1]
