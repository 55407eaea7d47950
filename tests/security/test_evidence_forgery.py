"""Forgeries by people with keys, clocks or another deployment's proofs: INVALID, with the named code."""

import base64
import io
import json
import zipfile
from typing import Any

import pytest
import rfc8785

from infra.tsa.authority import create
from services.common.dsse import add_signature, sign_envelope
from services.evidence.log.notes import COSIGNATURE_V1, Checkpoint, NoteKey, cosign, sign_checkpoint
from tests.evidence_forger import CAREFUL, ENTRY, ENVELOPE, PROOF, STAMP, Sample
from tests.evidence_samples import (
    EVIDENCE_ID,
    ORIGIN,
    Log,
    Signers,
    artefact_entries,
    assemble,
    make_package,
    make_statement,
    sample_artefacts,
    stamp,
)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


# --- signatures -------------------------------------------------------------------------------------------


def rebuilt(sample: Sample, make) -> bytes:
    """A package whose envelope `make(statement, log)` gives, honestly stamped, logged and packed."""
    artefacts = sample_artefacts()
    log = Log(sample.signers)
    statement = make_statement(
        EVIDENCE_ID,
        artefact_entries(artefacts),
        log.checkpoint(cosigned=False),
        sample.signers.worker.keyid,
    )
    envelope = make(statement, log)
    parts = assemble(sample.signers, log, statement, envelope, artefacts)
    return b"".join(part.data or b"" for part in parts)


def signed(sample: Sample, statement: dict[str, Any], **keys: Any) -> dict[str, Any]:
    worker, sealer = keys.get("worker", sample.signers.worker), keys.get("sealer", sample.signers.sealer)
    return add_signature(sign_envelope(worker, rfc8785.dumps(statement)), sealer)


def test_honest_rebuild_is_valid(sample):
    """Negative control of the tests below: without a change the same road leads to VALID."""
    assert sample.failed(rebuilt(sample, lambda s, log: signed(sample, s))) == set()


def test_stripped_signatures(sample):
    def strip(count: int):
        def make(statement, log):
            envelope = signed(sample, statement)
            return {**envelope, "signatures": envelope["signatures"][:count]}

        return make

    for count in (0, 1):
        assert "envelope.form" in sample.failed(rebuilt(sample, strip(count)))


def test_both_signatures_of_one_key_or_swapped(sample):
    def same(statement, log):
        envelope = sign_envelope(sample.signers.worker, rfc8785.dumps(statement))
        return {**envelope, "signatures": envelope["signatures"] * 2}

    def swapped(statement, log):
        envelope = signed(sample, statement)
        return {**envelope, "signatures": envelope["signatures"][::-1]}

    assert "envelope.form" in sample.failed(rebuilt(sample, same))
    assert {"signature.worker", "signature.sealing"} <= sample.failed(rebuilt(sample, swapped))


def test_attackers_keys(sample):
    evil = Signers()
    worker = rebuilt(sample, lambda s, log: signed(sample, s, worker=evil.worker))
    sealer = rebuilt(sample, lambda s, log: signed(sample, s, sealer=evil.sealer))
    assert "signature.worker" in sample.failed(worker)
    assert sample.failed(sealer) == {"signature.sealing", "keys.validity"}


def test_signatures_from_another_package(sample):
    """What py-wacz 0.6.0 accepts: the old signature beside new content."""
    other = json.loads(make_package_envelope(sample, title="别的页面"))
    own = json.loads(sample.files[ENVELOPE])
    moved = rfc8785.dumps({**own, "signatures": other["signatures"]})
    codes = sample.failed(sample.pack({**sample.files, ENVELOPE: moved}))
    assert {"signature.worker", "signature.sealing", "timestamp.token", "log.entry"} <= codes
    whole = sample.failed(sample.pack({**sample.files, ENVELOPE: rfc8785.dumps(other)}))
    assert {"timestamp.token", "log.entry"} <= whole


def make_package_envelope(sample: Sample, title: str) -> bytes:
    target = {
        "requested_url": "http://x.test/",
        "final_url": None,
        "redirects": [],
        "http_status": 200,
        "title": title,
    }
    package = make_package(sample.signers, predicate={"target": target})
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        return opened.read(ENVELOPE)


def test_other_payload_type(sample):
    def make(statement, log):
        envelope = sign_envelope(sample.signers.worker, rfc8785.dumps(statement), "text/plain")
        return add_signature(envelope, sample.signers.sealer)

    assert "envelope.form" in sample.failed(rebuilt(sample, make))


@pytest.mark.parametrize("proof", [STAMP, PROOF, ENTRY])
def test_proofs_from_another_package(sample, proof):
    with zipfile.ZipFile(io.BytesIO(make_package(sample.signers, predicate={"method": {"a": 1}}))) as other:
        moved = other.read(proof)
    codes = sample.failed(sample.pack({**sample.files, proof: moved}))
    assert codes & CAREFUL[proof]


# --- manifest ---------------------------------------------------------------------------------------------


def resigned(sample: Sample, payload: bytes) -> bytes:
    """A package around any payload, signed by the right keys (an insider with both keys)."""
    return rebuilt(
        sample,
        lambda s, log: add_signature(sign_envelope(sample.signers.worker, payload), sample.signers.sealer),
    )


def base_payload(sample: Sample) -> bytes:
    return base64.b64decode(json.loads(sample.files[ENVELOPE])["payload"])


@pytest.mark.parametrize(
    "payload",
    [
        lambda p: p.replace(b'{"_type"', b'{ "_type"', 1),
        lambda p: p[:-1] + b',"predicateType":"urn:wangjian:capture:v2"}',
        lambda p: p.replace(b"capture:v2", b"capture:v9"),
        lambda p: p.replace("测试商品".encode(), b"\\u6d4b\\u8bd5\\u5546\\u54c1"),
        lambda p: p.replace(b"12.5", b"12.50") if b"12.5" in p else p.replace(b"1.25", b"1.250"),
        lambda p: p.replace(b'"key_ids"', b'"key_idz"'),
        lambda p: p.replace(b"COMPLETE", b"PERFECT!"),
        lambda p: p[:100],
        lambda p: b"[]",
        lambda p: b'{"_type":NaN}',
        lambda p: b"\xff",
        lambda p: b"[" * 100_000,
    ],
)
def test_manifests_that_are_not_in_form(sample, payload):
    changed = payload(base_payload(sample))
    assert changed != base_payload(sample)
    assert "manifest.form" in sample.failed(resigned(sample, changed))


def edit(sample: Sample, change) -> set[str]:
    statement = json.loads(base_payload(sample))
    change(statement["predicate"], statement)
    return sample.failed(resigned(sample, rfc8785.dumps(statement)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda p, s: p["artifacts"].pop(), "artefacts.set"),
        (lambda p, s: s["subject"].pop(), "artefacts.set"),
        (lambda p, s: (p["artifacts"].reverse(), s["subject"].reverse()), "manifest.form"),
        (lambda p, s: p["artifacts"][3].update(bytes=p["artifacts"][3]["bytes"] + 1), "artefacts.size"),
        (
            lambda p, s: (
                p["artifacts"][0].update(sha256="0" * 64),
                s["subject"][0]["digest"].update(sha256="0" * 64),
            ),
            "artefacts.sha256",
        ),
        (
            lambda p, s: (
                p["artifacts"][0].update(sm3="0" * 64),
                s["subject"][0]["digest"].update(sm3="0" * 64),
            ),
            "artefacts.sm3",
        ),
        (lambda p, s: p.update(policy_id="urn:other"), "policy.accepted"),
        (lambda p, s: p.update(key_ids=[]), "signature.worker"),
        (lambda p, s: p["times"].update(end="2020-01-01T00:00:00Z"), "time.order"),
        (lambda p, s: p["times"].update(start="soon"), "manifest.form"),
        (lambda p, s: p["times"].update(end="2999-01-01T00:00:00Z"), "time.order"),
        (lambda p, s: p["times"].update(beacon_checkpoint="x"), "beacon.checkpoint"),
        (lambda p, s: p["times"].update(beacon_checkpoint=None), "manifest.form"),
        (lambda p, s: p.update(evidence_id="01JD0000000000000000000001"), "log.entry"),
    ],
)
def test_edited_manifests_are_found_even_with_both_keys(sample, change, code):
    assert code in edit(sample, change)


def test_a_beacon_from_the_future_or_another_log(sample):
    signers = sample.signers
    late = sign_checkpoint(Checkpoint(ORIGIN, 99, b"r" * 32), signers.log)
    foreign = sign_checkpoint(Checkpoint("evil.test/log", 1, b"r" * 32), signers.log)
    unsigned = sign_checkpoint(Checkpoint(ORIGIN, 1, b"r" * 32), Signers().log)
    for beacon in (late, foreign, unsigned):
        assert "beacon.checkpoint" in edit(
            sample, lambda p, s, b=beacon: p["times"].update(beacon_checkpoint=b)
        )


# --- time stamps, log, trust ------------------------------------------------------------------------------


def test_rogue_authority(sample):
    envelope = json.loads(sample.files[ENVELOPE])
    rogue = stamp(create()[0], envelope)
    assert "timestamp.token" in sample.failed(sample.pack({**sample.files, STAMP: rogue}))


def test_two_stamps_of_one_operator_count_once(sample):
    trust = sample.signers.trust()
    trust["policies"][0]["tsa_quorum"] = 2
    codes = sample.failed(sample.bytes, sample.trusted(trust))
    assert codes == {"timestamp.quorum"}
    doubled = sample.pack({**sample.files, "evidence/tst-1.tsr": sample.files[STAMP]})
    assert {"timestamp.quorum", "log.entry"} <= sample.failed(doubled, sample.trusted(trust))


def changed_proof(sample: Sample, change) -> set[str]:
    text = sample.files[PROOF].decode()
    changed = change(text)
    assert changed != text
    return sample.failed(sample.pack({**sample.files, PROOF: changed.encode()}))


def proof_lines(text: str) -> list[str]:
    return text.split("\n")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.replace("index 1\n", "index 2\n"), "log.inclusion"),
        (lambda t: t.replace("index 1\n", "index 01\n"), "log.checkpoint"),
        (lambda t: t.replace("index 1\n", "extra AAAA\nindex 1\n"), "log.checkpoint"),
        (lambda t: t.replace("\n5\n", "\n6\n"), "log.checkpoint"),
        (lambda t: t.rstrip("\n"), "log.checkpoint"),
        (lambda t: t + "\n", "log.checkpoint"),
        (lambda t: "\n".join(proof_lines(t)[:-2]) + "\n", "log.witness"),
        (lambda t: t.replace("witness.test/w1", "witness.test/w2"), "log.checkpoint"),
        (lambda t: t.replace("tlog-proof@v1", "tlog-proof@v2"), "log.checkpoint"),
        (lambda t: "\n".join([*proof_lines(t)[:2], *proof_lines(t)[3:]]), "log.inclusion"),
        (lambda t: "\n".join([*proof_lines(t)[:3], proof_lines(t)[2], *proof_lines(t)[3:]]), "log.inclusion"),
    ],
)
def test_changed_log_proofs(sample, change, code):
    assert code in changed_proof(sample, change)


def test_another_logs_key_and_a_repeated_cosignature(sample):
    text = sample.files[PROOF].decode()
    body = text.partition("\n\n")[2].rpartition("\n\n")[0] + "\n"
    fields = body.split("\n")
    head = Checkpoint(fields[0], int(fields[1]), base64.b64decode(fields[2]))
    prefix = text.partition("\n\n")[0] + "\n\n"
    line = text.rstrip("\n").split("\n")[-1] + "\n"
    evil = prefix + sign_checkpoint(head, Signers().log) + line
    assert "log.checkpoint" in sample.failed(sample.pack({**sample.files, PROOF: evil.encode()}))
    assert "log.checkpoint" in sample.failed(sample.pack({**sample.files, PROOF: (text + line).encode()}))
    fake = cosign(body, "witness.test/w1", Signers().witness, 1_800_000_000)
    swapped = text.replace(line, fake)
    assert "log.checkpoint" in sample.failed(sample.pack({**sample.files, PROOF: swapped.encode()}))


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("worker_keys", "signature.worker"),
        ("sealing_keys", "signature.sealing"),
        ("tsas", "timestamp.token"),
        ("witnesses", "log.checkpoint"),
        ("logs", "log.checkpoint"),
    ],
)
def test_trust_comes_from_the_file_alone(sample, part, code):
    """The same good package under a trust file that holds another deployment's key."""
    trust = sample.signers.trust() | {part: Signers().trust()[part]}
    assert code in sample.failed(sample.bytes, sample.trusted(trust))


def test_no_witness_quorum_without_witness(sample):
    trust = sample.signers.trust()
    trust["policies"][0]["witness_quorum"] = 2
    assert sample.failed(sample.bytes, sample.trusted(trust)) == {"log.witness"}


def test_one_key_cannot_be_two_witnesses(sample):
    trust = sample.signers.trust()
    trust["policies"][0]["witness_quorum"] = 2
    alias_key = NoteKey("alias.test/w", COSIGNATURE_V1, sample.signers.witness.public_key()).vkey
    trust["witnesses"].append({"name": "alias", "operator": "alias", "vkey": alias_key})
    text = sample.files[PROOF].decode()
    body = text.partition("\n\n")[2].rpartition("\n\n")[0] + "\n"
    alias = cosign(body, "alias.test/w", sample.signers.witness, 1_800_000_000)
    changed = sample.pack({**sample.files, PROOF: (text + alias).encode()})
    assert sample.failed(changed, sample.trusted(trust)) & {"log.checkpoint", "log.witness"}


@pytest.mark.parametrize(
    ("field", "value"), [("not_before", "2999-01-01T00:00:00Z"), ("not_after", "2020-01-01T00:00:00Z")]
)
def test_keys_outside_their_validity(sample, field, value):
    trust = sample.signers.trust()
    trust["worker_keys"][0][field] = value
    assert sample.failed(sample.bytes, sample.trusted(trust)) == {"keys.validity"}
