"""`wangjian keys` against the running platform: both roles rotate, nothing restarts, packages stay VALID."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def keys(stack: Stack, state: str) -> dict[str, str]:
    """Key ids of a state, by role."""
    done = stack.command("keys", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {key["role"]: key["keyid"] for key in json.loads(done.stdout)["items"] if key["state"] == state}


def verdict(stack: Stack, package: Path, folder: Path) -> str:
    trust = folder / "trust.json"
    assert stack.command("trust", "export", "--out", str(trust)).returncode == 0
    return stack.command("verify", str(package), "--trust", str(trust)).stdout.split()[1]


def test_rotation_while_the_platform_runs(stack: Stack, tmp_path: Path) -> None:
    packages = [tmp_path / "before.wacz", tmp_path / "after.wacz"]
    address = f"{stack.market_url}/"
    assert stack.command("capture", address, "--out", str(packages[0])).returncode == 0
    before = keys(stack, "current")
    for role in ("sealing", "worker"):
        done = stack.command("keys", "rotate", role, "--reason", "测试轮换")
        assert done.returncode == 0, done.stderr
        assert before[role] in done.stdout
    assert not set(before.values()) & set(keys(stack, "current").values())
    assert set(before.values()) == set(keys(stack, "ended").values())
    assert stack.command("capture", address, "--out", str(packages[1])).returncode == 0
    assert [verdict(stack, package, tmp_path) for package in packages] == ["VALID", "VALID"]
    for key_file in (stack.home / "keys").glob("*.key"):
        assert b"ENCRYPTED PRIVATE KEY" in key_file.read_bytes()


@pytest.mark.slow
def test_a_worker_key_travels_as_a_request(stack: Stack, tmp_path: Path) -> None:
    """As on a remote capture machine: its own home, no operator's token, only a file carried over."""
    wanted = tmp_path / "request.json"
    far = {**stack.environment, "WANGJIAN_HOME": str(tmp_path / "far")}
    command = [sys.executable, "-m", "wangjian", "keys", "request", "--out", wanted]
    subprocess.run(command, env={**os.environ, **far}, check=True, capture_output=True)
    assert "PRIVATE" not in wanted.read_text()
    for _ in range(2):
        done = stack.command("keys", "register", str(wanted))
        assert done.returncode == 0, done.stderr
    keyid = done.stdout.split()[0]
    done = stack.command("keys", "revoke", keyid[:12], "--reason", "测试", "--since", "2026-01-01T00:00:00Z")
    assert done.returncode == 0, done.stderr
    assert "revoked" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke", "0", "--reason", "x"),
        ("revoke", "00000000", "--reason", "x", "--since", "2026-01-01"),
        ("register", "/etc/hostname"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_two(stack: Stack, arguments: tuple[str, ...]) -> None:
    done = stack.command("keys", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("wangjian: ")
