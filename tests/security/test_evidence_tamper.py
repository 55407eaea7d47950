"""Tampering with packages: every change is INVALID with the named code, the unchanged package is VALID."""

import copy
import io
import json
import random
import struct
import zipfile
from pathlib import Path

import pytest
import rfc8785

from services.evidence.verification.verifier import (
    STEPS,
    canonical,
    contents,
    is_package,
    report,
    timestamps,
    verify,
)
from services.evidence.verification.verifier.strict import Failed, strict_json
from tests.evidence_forger import CAREFUL, ENTRY, ENVELOPE, PROOF, STAMP, Sample, regions, zip_of


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


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


# --- negative controls: a blinded check must let its tampering through -------------------------------------

BLINDED = [
    ("artefacts.sha256", ("artefacts.sm3", "artefacts.size"), "evidence/page.png"),
    (
        "timestamp.token",
        ("log.entry", "timestamp.quorum", "timestamp.current", "keys.validity", "time.order"),
        STAMP,
    ),
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
