"""`wangjian verify` and `wangjian trust export`: exit codes, one clear line for unusable input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.custodian.identity import load_or_create as make_custodian
from infra.tsa.authority import load_or_create as make_tsa
from services.common.keys import load_or_create_ed25519
from services.evidence.verification.verifier import read_trust
from tests.evidence_samples import Signers, make_package


def wangjian(*arguments: object, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = "import sys; from wangjian.cli import main; sys.argv[0] = 'wangjian'; main()"
    env = {**os.environ, **({"WANGJIAN_HOME": str(home)} if home else {})}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made, signers = tmp_path_factory.mktemp("verify"), Signers()
    package = make_package(signers)
    (made / "good.wacz").write_bytes(package)
    changed = bytearray(package)
    changed[len(changed) // 2] ^= 1
    (made / "bad.wacz").write_bytes(changed)
    (made / "text.wacz").write_text("not a package")
    (made / "empty.wacz").write_bytes(b"")
    (made / "trust.json").write_text(json.dumps(signers.trust()))
    (made / "other.json").write_text('{"schema": "urn:wangjian:trust:v1"}')
    hostile = {
        "requested_url": "http://x.test/\u001b[31m",
        "final_url": None,
        "redirects": [],
        "http_status": 200,
        "title": "t",
    }
    (made / "hostile.wacz").write_bytes(make_package(signers, predicate={"target": hostile}))
    return made


def test_valid_package(folder):
    run = wangjian("verify", folder / "good.wacz", "--trust", folder / "trust.json")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("有效 VALID  WJ-360121-2026-00000001")
    assert "not checked" in run.stdout
    assert "测试信任" in run.stdout
    report = json.loads(
        wangjian("verify", folder / "good.wacz", "--trust", folder / "trust.json", "--json").stdout
    )
    assert report["verdict"] == "VALID"
    assert set(report) >= {"verdict", "package", "evidence_id", "evidence_no", "checks", "not_checked"}
    assert all(set(check) == {"code", "ok", "zh", "en", "detail"} for check in report["checks"])


def test_changed_package_names_the_check(folder):
    run = wangjian("verify", folder / "bad.wacz", "--trust", folder / "trust.json")
    assert run.returncode == 1
    assert run.stdout.startswith("无效 INVALID")
    assert "zip.crc" in run.stdout


@pytest.mark.parametrize(
    ("package", "trust"),
    [
        ("text.wacz", "trust.json"),
        ("empty.wacz", "trust.json"),
        ("missing.wacz", "trust.json"),
        (".", "trust.json"),
        ("good.wacz", "missing.json"),
        ("good.wacz", "other.json"),
        ("good.wacz", "text.wacz"),
    ],
)
def test_unusable_input_is_one_line_and_code_2(folder, package, trust):
    run = wangjian("verify", folder / package, "--trust", folder / trust)
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr


def test_a_reader_that_stops_early_gets_no_traceback(folder):
    program = "import sys; from wangjian.cli import main; sys.argv[0] = 'wangjian'; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "verify",
        folder / "good.wacz",
        "--trust",
        folder / "trust.json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout and run.stderr
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait() == 0


def test_wrong_call(folder):
    assert wangjian("verify", folder / "good.wacz").returncode == 2
    assert wangjian("verify").returncode == 2


def test_control_characters_of_a_page_do_not_reach_the_terminal(folder):
    run = wangjian("verify", folder / "hostile.wacz", "--trust", folder / "trust.json")
    assert run.returncode == 0
    assert "\x1b" not in run.stdout


def test_trust_export_is_made_from_public_files_alone(tmp_path):
    missing = wangjian("trust", "export", home=tmp_path)
    assert missing.returncode == 2
    assert len(missing.stderr.strip().splitlines()) == 1
    for name in ("capture-worker", "sealing-service", "log"):
        load_or_create_ed25519(tmp_path / "keys" / f"{name}.key")
    make_tsa(tmp_path / "tsa")
    make_custodian(tmp_path / "custodian")
    for secret in tmp_path.rglob("*.key"):
        secret.unlink()
    out = tmp_path / "trust.json"
    run = wangjian("trust", "export", "--out", out, home=tmp_path)
    assert run.returncode == 0, run.stderr
    trust = read_trust(out.read_bytes())
    assert trust["development"] is True
    printed = wangjian("trust", "export", home=tmp_path)
    assert printed.stdout == out.read_text()
    assert wangjian("trust", "export", "--out", tmp_path / "no" / "such" / "x", home=tmp_path).returncode == 2
