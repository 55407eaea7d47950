"""Small rules of services/common: scope, paging, envelopes, settings, keys."""

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st

from services.common.dsse import add_signature, sign_envelope, verify_signature
from services.common.keys import load_or_create_ed25519
from services.common.paging import decode_cursor, encode_cursor
from services.common.problems import Problem
from services.common.scope import region_covers, region_prefix
from services.common.settings import Settings
from services.common.suites import generate

CODES = st.from_regex(r"[1-9]\d{5}", fullmatch=True)


@pytest.mark.parametrize(
    ("outer", "inner", "covers"),
    [
        ("360000", "360121", True),
        ("360100", "360121", True),
        ("360121", "360121", True),
        ("360121", "360122", False),
        ("360100", "360702", False),
        ("360121", "360100", False),
        ("110000", "360121", False),
    ],
)
def test_a_division_covers_its_subtree(outer: str, inner: str, covers: bool) -> None:
    assert region_covers(outer, inner) is covers


@given(CODES, CODES)
def test_covering_both_ways_means_the_same_prefix(a: str, b: str) -> None:
    if region_covers(a, b) and region_covers(b, a):
        assert region_prefix(a) == region_prefix(b)


@pytest.mark.parametrize("code", ["", "36", "36012x", "3601211"])
def test_odd_division_codes_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match="six-digit"):
        region_prefix(code)


@given(st.lists(st.one_of(st.text(), st.integers(-(2**53), 2**53)), min_size=1))
def test_a_cursor_comes_back(values: list[object]) -> None:
    assert decode_cursor(encode_cursor(values)) == values


@given(st.text())
def test_any_other_cursor_is_a_problem_not_a_crash(text: str) -> None:
    try:
        values = decode_cursor(text)
    except Problem as problem:
        assert problem.status == 422
    else:
        assert isinstance(values, list)


def test_both_signers_sign_the_same_payload() -> None:
    worker, sealer = generate("ed25519"), generate("sm2-sm3")
    envelope = add_signature(sign_envelope(worker, b"{}"), sealer)
    assert verify_signature(envelope, worker) == verify_signature(envelope, sealer) == b"{}"
    assert len(add_signature(envelope, sealer)["signatures"]) == 2


def test_a_changed_payload_is_not_signed() -> None:
    worker = generate("ed25519")
    envelope = sign_envelope(worker, b"{}")
    changed = {**envelope, "payload": base64.b64encode(b"[]").decode()}
    with pytest.raises(InvalidSignature):
        verify_signature(changed, worker)
    with pytest.raises(ValueError, match="no signature"):
        verify_signature(envelope, generate("ed25519"))


def test_capture_allow_is_read_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGJIAN_CAPTURE_ALLOW", "127.0.0.1:8081, [::1]:9000,Market.localhost:8081")
    assert Settings().capture_allow == [("127.0.0.1", 8081), ("::1", 9000), ("market.localhost", 8081)]
    monkeypatch.setenv("WANGJIAN_CAPTURE_ALLOW", "127.0.0.1")
    with pytest.raises(ValueError, match="host:port"):
        Settings()


def test_a_long_home_gets_a_short_run_folder(tmp_path: Path) -> None:
    short, long = Settings(home=Path("/h")), Settings(home=tmp_path / ("x" * 120))
    assert short.run_dir == Path("/h/run")
    assert len(str(long.run_dir)) < 70
    assert long.run_dir != Settings(home=tmp_path / ("y" * 120)).run_dir


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    first, second = load_or_create_ed25519(path), load_or_create_ed25519(path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
