"""Tampering with packages: every change is INVALID with the named code, the unchanged package is VALID."""

import base64
import copy
import hashlib
import io
import json
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from infra.tsa.authority import create
from services.common.dsse import add_signature, keyid, sign_envelope
from services.evidence.log.notes import COSIGNATURE_V1, Checkpoint, NoteKey, cosign, sign_checkpoint
from services.evidence.package.layout import Member, arrange
from services.evidence.verification.verifier import (
    STEPS,
    canonical,
    contents,
    is_package,
    read_trust,
    report,
    timestamps,
    verify,
)
from services.evidence.verification.verifier.strict import Failed, strict_json
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

ENVELOPE, ENTRY, PROOF, STAMP = (
    "evidence/manifest.dsse.json",
    "evidence/log.entry.json",
    "evidence/log.tlog-proof",
    "evidence/tst-0.tsr",
)


class Sample:
    """A valid package, its trust and ways to take it apart and put it together again."""

    def __init__(self) -> None:
        self.signers = Signers()
        self.bytes = make_package(self.signers)
        self.trust = self.trusted(self.signers.trust())
        with zipfile.ZipFile(io.BytesIO(self.bytes)) as package:
            self.files = {name: package.read(name) for name in package.namelist()}

    @staticmethod
    def trusted(document: dict[str, Any]) -> dict[str, Any]:
        return read_trust(json.dumps(document).encode())

    def pack(self, files: dict[str, bytes], *, descriptors: bool = True) -> bytes:
        """A package of these files in the permitted layout, with fitting descriptors (a careful forger's)."""
        own = {name: data for name, data in files.items() if not name.startswith("datapackage")}
        if descriptors:
            old = json.loads(files["datapackage.json"])
            old["resources"] = [
                {
                    "bytes": len(own[n]),
                    "hash": f"sha256:{hashlib.sha256(own[n]).hexdigest()}",
                    "name": n,
                    "path": n,
                }
                for n in sorted(own)
            ]
            document = rfc8785.dumps(old)
            digest = {"hash": f"sha256:{hashlib.sha256(document).hexdigest()}", "path": "datapackage.json"}
            files = {**own, "datapackage.json": document, "datapackage-digest.json": rfc8785.dumps(digest)}
        names = [*sorted(own), *(n for n in ("datapackage.json", "datapackage-digest.json") if n in files)]
        return zip_of([(name, files[name]) for name in names])

    def failed(self, package: bytes, trust: dict[str, Any] | None = None) -> set[str]:
        """Codes of the failed checks; empty means VALID."""
        result = verify(io.BytesIO(package), trust or self.trust)
        codes = {check["code"] for check in result["checks"] if not check["ok"]}
        assert (result["verdict"] == "VALID") == (not codes)
        return codes


def zip_of(files: list[tuple[str, bytes]]) -> bytes:
    members = [Member(n, len(d), zlib.crc32(d), hashlib.sha256(d).hexdigest(), d) for n, d in files]
    return b"".join(part.data or b"" for part in arrange(members))


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


def regions(package: bytes) -> tuple[dict[str, range], list[int]]:
    """Positions of each member's bytes, and of all structural bytes."""
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        found = {}
        for item in opened.infolist():
            start = item.header_offset + 30 + len(item.filename)
            found[item.filename] = range(start, start + item.file_size)
    inside = {at for place in found.values() for at in place}
    return found, [at for at in range(len(package)) if at not in inside]


def test_the_unchanged_package_is_valid(sample):
    assert sample.failed(sample.bytes) == set()


def test_repacking_alone_changes_nothing(sample):
    assert sample.pack(sample.files) == sample.bytes


def test_every_structural_byte_counts(sample):
    _, structural = regions(sample.bytes)
    assert len(structural) > 1500
    for at in structural:
        changed = bytearray(sample.bytes)
        changed[at] ^= 1 << at % 8
        codes = sample.failed(bytes(changed))
        assert codes & {"zip.structure", "zip.crc", "zip.members"}, at


def test_a_flipped_byte_in_any_member_is_named(sample):
    rng = random.Random(20261121)
    members, _ = regions(sample.bytes)
    for name, place in members.items():
        spots = {place[0], place[len(place) // 2], place[-1], *rng.sample(place, min(14, len(place)))}
        for at in spots:
            changed = bytearray(sample.bytes)
            changed[at] ^= 1 << rng.randrange(8)
            codes = sample.failed(bytes(changed))
            assert "zip.crc" in codes, (name, at)
            assert codes - {"zip.crc"}, (name, at)


CAREFUL = {
    ENVELOPE: {"envelope.form", "signature.worker", "signature.sealing", "log.entry", "manifest.form"},
    ENTRY: {"log.entry", "log.inclusion"},
    PROOF: {"log.checkpoint", "log.inclusion"},
    STAMP: {"timestamp.token", "log.entry"},
}


def test_a_careful_forger_who_repairs_the_container_is_still_found(sample):
    """Flip a byte, then recompute CRC, descriptors and all: the checks behind the container must find it."""
    rng = random.Random(7)
    for name, data in sample.files.items():
        if name.startswith("datapackage"):
            continue
        for _ in range(12):
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            codes = sample.failed(sample.pack({**sample.files, name: bytes(changed)}))
            expected = CAREFUL.get(name, {"artefacts.sha256"})
            assert codes & expected, (name, codes)
            assert not codes & {"zip.structure", "zip.crc", "datapackage.form"} or name == ENVELOPE, (
                name,
                codes,
            )


@pytest.mark.parametrize("name", ["datapackage.json", "datapackage-digest.json"])
def test_descriptors_are_recomputed(sample, name):
    changed = sample.files[name].replace(b"sha256:", b"sha256: ", 1)
    assert sample.failed(sample.pack({**sample.files, name: changed}, descriptors=False)) == {
        "datapackage.form"
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (ENVELOPE, "zip.members"),
        (ENTRY, "zip.members"),
        (PROOF, "zip.members"),
        (STAMP, "zip.members"),
        ("archive/data.warc.gz", "zip.members"),
        ("evidence/page.png", "artefacts.set"),
        ("evidence/env.json", "artefacts.set"),
    ],
)
def test_absence_is_failure(sample, name, code):
    files = {path: data for path, data in sample.files.items() if path != name}
    assert code in sample.failed(sample.pack(files))


@pytest.mark.parametrize("name", ["datapackage.json", "datapackage-digest.json"])
def test_missing_descriptor(sample, name):
    files = {path: data for path, data in sample.files.items() if path != name}
    assert "zip.members" in sample.failed(sample.pack(files, descriptors=False))


@pytest.mark.parametrize(
    "name",
    [
        "evidence/extra.txt",
        "evidence/tst-1.tsr",
        "evidence/tst-01.tsr",
        "evidence/PAGE.png",
        "evidence/../evil.txt",
        "../evil.txt",
        "/etc/passwd",
        "evidence/deep/er.txt",
        "evil.txt",
        "evidence/x\\y.txt",
        "evidence/a..b.txt",
    ],
)
def test_unlisted_and_unsafe_names(sample, name):
    codes = sample.failed(sample.pack({**sample.files, name: b"x"}))
    assert codes & {"zip.members", "artefacts.set", "timestamp.token"}


def test_duplicate_names(sample):
    files = [*sample.files.items()]
    doubled = sorted([*files[:-2], ("evidence/page.png", b"other")], key=lambda item: item[0]) + files[-2:]
    assert "zip.members" in sample.failed(zip_of(doubled))


def test_other_order(sample):
    files = [*sample.files.items()]
    files[0], files[1] = files[1], files[0]
    assert "zip.members" in sample.failed(zip_of(files))
    assert "zip.members" in sample.failed(zip_of([files[-1], *files[:-1]]))


@pytest.mark.parametrize("change", ["prefix", "suffix", "comment", "truncated", "deflated", "empty", "gap"])
def test_other_containers(sample, change):
    data = sample.bytes
    if change == "deflated":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in sample.files.items():
                package.writestr(name, content)
        data = buffer.getvalue()
    else:
        end = struct.unpack("<I", data[-6:-2])[0]
        data = {
            "prefix": b"x" + data,
            "suffix": data + b"x",
            "comment": data[:-2] + b"\x01\x00x",
            "truncated": data[:-100],
            "empty": zip_of([]),
            "gap": data[:end] + b"\x00" + data[end:],
        }[change]
    assert {"zip.structure", "zip.members"} & sample.failed(data)


# --- signatures -------------------------------------------------------------------------------------------


def rebuilt(sample: Sample, make) -> bytes:
    """A package whose envelope `make(statement, log)` gives, honestly stamped, logged and packed."""
    artefacts = sample_artefacts()
    log = Log(sample.signers)
    statement = make_statement(
        EVIDENCE_ID,
        artefact_entries(artefacts),
        log.checkpoint(cosigned=False),
        keyid(sample.signers.worker.public_key()),
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
    assert sample.failed(sealer) == {"signature.sealing"}


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
    target = {"requested_url": "http://x.test/", "final_url": None, "http_status": 200, "title": title}
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
    with zipfile.ZipFile(
        io.BytesIO(
            make_package(
                sample.signers, predicate={"policy_id": "urn:wangjian:policy:v1", "method": {"a": 1}}
            )
        )
    ) as other:
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
        lambda p: p[:-1] + b',"predicateType":"urn:wangjian:capture:v1"}',
        lambda p: p.replace(b"capture:v1", b"capture:v9"),
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
        (lambda p, s: (p["artifacts"].reverse(), s["subject"].reverse()), "artefacts.set"),
        (lambda p, s: p["artifacts"][0].update(bytes=p["artifacts"][0]["bytes"] + 1), "artefacts.size"),
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
        (lambda p, s: p.update(policy_id="urn:other"), "manifest.form"),
        (lambda p, s: p.update(key_ids=[]), "manifest.form"),
        (lambda p, s: p["times"].update(end="2020-01-01T00:00:00Z"), "time.order"),
        (lambda p, s: p["times"].update(start="soon"), "time.order"),
        (lambda p, s: p["times"].update(end="2999-01-01T00:00:00Z"), "time.order"),
        (lambda p, s: p["times"].update(beacon_checkpoint="x"), "beacon.checkpoint"),
        (lambda p, s: p["times"].update(beacon_checkpoint=None), "beacon.checkpoint"),
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
    trust["policy"]["tsa_quorum"] = 2
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
        ("log", "log.checkpoint"),
    ],
)
def test_trust_comes_from_the_file_alone(sample, part, code):
    """The same good package under a trust file that holds another deployment's key."""
    trust = sample.signers.trust() | {part: Signers().trust()[part]}
    assert code in sample.failed(sample.bytes, sample.trusted(trust))


def test_no_witness_quorum_without_witness(sample):
    trust = sample.signers.trust()
    trust["witnesses"]["quorum"] = 2
    assert sample.failed(sample.bytes, sample.trusted(trust)) == {"log.witness"}


def test_one_key_cannot_be_two_witnesses(sample):
    trust = sample.signers.trust()
    trust["witnesses"] = {
        "quorum": 2,
        "keys": [
            *trust["witnesses"]["keys"],
            NoteKey("alias.test/w", COSIGNATURE_V1, sample.signers.witness.public_key()).vkey,
        ],
    }
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


# --- negative controls: a blinded check must let its tampering through -------------------------------------

BLINDED = [
    ("artefacts.sha256", ("artefacts.sm3", "artefacts.size"), "evidence/page.png"),
    ("timestamp.token", ("log.entry", "timestamp.quorum"), STAMP),
]


@pytest.mark.parametrize(("code", "others", "name"), BLINDED)
def test_a_blinded_check_is_noticed(sample, monkeypatch, code, others, name):
    """With the checks that find it switched off, the forged package passes: so it is they that find it."""
    changed = bytearray(sample.files[name])
    changed[len(changed) // 2] ^= 1
    forged = sample.pack({**sample.files, name: bytes(changed)})
    assert sample.failed(forged) & {code, *others}
    blind = [
        (c, zh, en, (lambda package: "blind") if c in (code, *others, "log.inclusion") else step)
        for c, zh, en, step in STEPS
    ]
    monkeypatch.setattr(report, "STEPS", blind)
    assert sample.failed(forged) == set()


def test_a_missing_check_is_not_a_pass(sample, monkeypatch):
    def crash(package):
        raise KeyError("x")

    steps = [(c, zh, en, crash if c == "log.witness" else step) for c, zh, en, step in STEPS]
    monkeypatch.setattr(report, "STEPS", steps)
    assert sample.failed(sample.bytes) == {"log.witness"}


# --- the verifier itself ----------------------------------------------------------------------------------


def test_canonical_json_is_rfc_8785(sample):
    rng = random.Random(3)
    values = [
        {"z": 1, "a": [True, None, "é\u2028\u007f\b\f\n\r\t\"\\/\u0001"], "ﬀ": 1, "\U0001f600": 2},
        *(rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30) for _ in range(400)),
        *(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0] for _ in range(400)),
        0.0, -0.0, 1e21, 1e-7, 123456789012345680000.0, 5e-324, 1.7976931348623157e308, 2**53 - 1,
    ]  # fmt: skip
    for value in values:
        if isinstance(value, float) and not (abs(value) < float("inf")):
            continue
        assert canonical(value) == rfc8785.dumps(value), value
    with pytest.raises(Failed, match="duplicate"):
        strict_json(b'{"a":1,"a":1}')


def test_verifier_imports_nothing_of_the_project_and_no_network(tmp_path):
    """The folder copied out alone verifies a package in a bare interpreter, with sockets forbidden."""
    import shutil
    import subprocess
    import sys

    folder = Path(contents.__file__).parent
    shutil.copytree(folder, tmp_path / "verifier", ignore=shutil.ignore_patterns("__pycache__"))
    sample = Sample()
    (tmp_path / "p.wacz").write_bytes(sample.bytes)
    (tmp_path / "t.json").write_text(json.dumps(sample.signers.trust()))
    program = (
        "import sys, socket\n"
        "def no(*a, **k): raise AssertionError('network')\n"
        "socket.socket = no\n"
        "sys.path.insert(0, '.')\n"
        "import verifier\n"
        "trust = verifier.read_trust(open('t.json','rb').read())\n"
        "print(verifier.verify(open('p.wacz','rb'), trust)['verdict'])\n"
        "ours = ('services', 'infra', 'sqlalchemy', 'rfc8785', 'asn1crypto')\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ours]\n"
        "assert not bad, bad\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.stdout == "VALID\n", run.stderr


def test_what_is_no_package_at_all():
    assert not is_package(io.BytesIO(b""))
    assert not is_package(io.BytesIO(b"hello world, this is no zip file at all"))
    assert is_package(io.BytesIO(b"PK but broken"))


def test_random_bytes_never_crash_the_verifier(sample):
    rng = random.Random(5)
    for _ in range(150):
        junk = bytearray(sample.bytes)
        for _ in range(rng.randint(1, 30)):
            at = rng.randrange(len(junk))
            junk[at : at + rng.randint(0, 40)] = rng.randbytes(rng.randint(0, 40))
        assert sample.failed(bytes(junk))


def test_unknown_step_results_are_complete(sample):
    result = verify(io.BytesIO(sample.bytes), copy.deepcopy(sample.trust))
    assert [check["code"] for check in result["checks"]] == [step[0] for step in STEPS]
    assert result["not_checked"] and all(item["zh"] and item["en"] for item in result["not_checked"])
    assert timestamps.STAMP_HEADER == "wangjian:dsse-signatures:v1\n"
