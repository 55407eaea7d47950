"""Key files: encrypted, openable only with their passphrase, never replaced by a new key."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from services.common.suites import (
    ALGORITHMS,
    KeyUnreadableError,
    generate,
    install,
    load_or_create_signer,
    read_public_key,
)
from services.common.suites import files as key_files


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A passphrase file in use."""
    file = tmp_path / "given"
    file.write_text("correct horse battery staple\n")
    monkeypatch.setenv("WANGJIAN_KEYS_PASSPHRASE_FILE", str(file))
    return file


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of generated secrets."""
    monkeypatch.setenv("WANGJIAN_SECRETS_DIR", str(tmp_path / "secrets"))
    return tmp_path / "secrets"


def forget() -> None:
    """As in a process that starts."""
    key_files._opened.clear()


def again(path: Path, algorithm: str = "ed25519") -> str:
    forget()
    return load_or_create_signer(path, algorithm).keyid


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_made_once_private_and_encrypted(tmp_path: Path, given: Path, algorithm: str) -> None:
    path = tmp_path / "keys" / "a.key"
    first = load_or_create_signer(path, algorithm)
    assert again(path, algorithm) == first.keyid == read_public_key(path.with_suffix(".pub")).keyid
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in text
    assert first.pkcs8()[-32:] not in text
    # Without the passphrase nothing opens it: not the library, not OpenSSL, not a near miss.
    with pytest.raises(TypeError):
        load_pem_private_key(text, None)
    for phrase, fine in (("correct horse battery staple", True), ("correct horse battery stapl", False)):
        run = subprocess.run(
            ["openssl", "pkey", "-in", path, "-noout", "-passin", f"pass:{phrase}"],
            capture_output=True,
            check=False,
        )
        assert (run.returncode == 0) == fine


def test_a_wrong_passphrase_is_told_and_no_new_key_is_made(tmp_path: Path, given: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    before = load_or_create_signer(path, "ed25519").keyid
    kept = path.read_bytes()
    for wrong in ("another\n", ""):
        given.write_text(wrong)
        forget()
        with pytest.raises(KeyUnreadableError, match=r"passphrase"):
            load_or_create_signer(path, "ed25519")
    given.unlink()
    with pytest.raises(KeyUnreadableError, match="cannot read"):
        again(path)
    assert path.read_bytes() == kept
    given.write_text("correct horse battery staple\nsecond line is not of it")
    assert again(path) == before


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"]
)
def test_a_damaged_file_stays_as_it_is(tmp_path: Path, generated: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    with pytest.raises(KeyUnreadableError, match="damaged"):
        load_or_create_signer(path, "ed25519")
    assert path.read_bytes() == content


def test_another_algorithm_is_refused(tmp_path: Path, generated: Path) -> None:
    load_or_create_signer(tmp_path / "a.key", "ed25519")
    forget()
    for other in ("ecdsa-p256-sha256", "sm2-sm3"):
        with pytest.raises(KeyUnreadableError):
            load_or_create_signer(tmp_path / "a.key", other)


def test_the_generated_secret_lies_outside_and_a_copy_of_the_keys_is_useless(
    tmp_path: Path, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "keys"
    before = load_or_create_signer(home / "a.key", "ed25519").keyid
    [secret] = generated.iterdir()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(generated.stat().st_mode) == 0o700
    assert not any(secret.read_text().strip() in file.read_text() for file in home.iterdir())

    stolen = tmp_path / "stolen"
    shutil.copytree(home, stolen)
    monkeypatch.setenv("WANGJIAN_SECRETS_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(KeyUnreadableError, match="their secret is not there"):
        again(stolen / "a.key")
    assert not (tmp_path / "elsewhere").exists()
    # Negative control: with the secret the moved folder opens, so it was the secret that was missing.
    monkeypatch.setenv("WANGJIAN_SECRETS_DIR", str(generated))
    assert again(stolen / "a.key") == before


def test_an_unencrypted_file_is_taken_over_once(tmp_path: Path, generated: Path) -> None:
    path, key = tmp_path / "a.key", Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o644)
    forget()
    signer = load_or_create_signer(path, "ed25519")
    taken = path.read_bytes()
    assert signer.pkcs8() == key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert b"ENCRYPTED" in taken
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again(path) == signer.keyid
    assert path.read_bytes() == taken


def test_a_passphrase_given_later_takes_over_from_the_generated_one(
    tmp_path: Path, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys" / "a.key"
    before = load_or_create_signer(path, "sm2-sm3").keyid
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "wangjian-keys").write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert again(path, "sm2-sm3") == before
    shutil.rmtree(generated)
    assert again(path, "sm2-sm3") == before
    (credentials / "wangjian-keys").write_text("wrong")
    with pytest.raises(KeyUnreadableError, match="does not open"):
        again(path, "sm2-sm3")


def test_many_processes_at_a_first_start_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from services.common.suites import load_or_create_signer;"
        "print(load_or_create_signer(Path(sys.argv[1]), 'ed25519').keyid)"
    )
    env = {**os.environ, "WANGJIAN_SECRETS_DIR": str(tmp_path / "secrets")}

    def run(number: int) -> str:
        path = tmp_path / "keys" / f"{number % 2}.key"
        done = subprocess.run(
            [sys.executable, "-c", program, path], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return f"{number % 2}:{done.stdout}"

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(run, range(6)))) == 2
    assert len(list((tmp_path / "secrets").iterdir())) == 1


def test_a_replaced_key_is_seen_by_who_holds_the_old_one(tmp_path: Path, generated: Path) -> None:
    path = tmp_path / "a.key"
    old = load_or_create_signer(path, "ed25519")
    assert load_or_create_signer(path, "ed25519") is old
    new = generate("ed25519")
    install(path, new)
    assert load_or_create_signer(path, "ed25519").keyid == new.keyid != old.keyid
    assert read_public_key(path.with_suffix(".pub")).keyid == new.keyid
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_opening_is_quick(tmp_path: Path, given: Path) -> None:
    """Best of five: the bound is the work of scrypt, not what else the machine does."""
    path, took = tmp_path / "a.key", []
    load_or_create_signer(path, "ed25519")
    for _ in range(5):
        forget()
        began = time.perf_counter()
        load_or_create_signer(path, "ed25519")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.15, json.dumps(took)


def test_a_command_and_a_service_stop_at_a_key_that_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("right\n")
    env = {
        **os.environ,
        "WANGJIAN_HOME": str(tmp_path / "home"),
        "WANGJIAN_KEYS_PASSPHRASE_FILE": str(tmp_path / "phrase"),
    }
    request = ["wangjian", "keys", "request", "--out", str(tmp_path / "request.json")]
    service = (
        "from services.common.identity import TokenIssuer; from services.common.settings import get_settings"
    )
    start = f"{service}; TokenIssuer(get_settings().keys_dir, 'gateway')"

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr.strip().splitlines()

    assert run("-m", *request)[0] == 0
    assert run("-c", start) == (0, [])
    kept = {file: file.read_bytes() for file in (tmp_path / "home" / "keys").iterdir()}
    (tmp_path / "phrase").write_text("wrong\n")
    code, lines = run("-m", *request)
    assert (code, len(lines)) == (2, 1) and "does not open" in lines[0]
    code, lines = run("-c", start)
    assert code != 0 and "does not open" in lines[-1]  # what the launcher shows of a log is its last line
    assert {file: file.read_bytes() for file in (tmp_path / "home" / "keys").iterdir()} == kept
