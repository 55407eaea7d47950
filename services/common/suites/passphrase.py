"""Where the passphrase of the key files comes from.

1. `WANGJIAN_KEYS_PASSPHRASE_FILE`: a file whose first line it is.
2. `$CREDENTIALS_DIRECTORY/wangjian-keys`: a systemd credential (LoadCredential= or LoadCredentialEncrypted=).
3. Else a generated secret, one for each folder of keys, in `WANGJIAN_SECRETS_DIR` (default
   `~/.config/wangjian/secrets`): outside of WANGJIAN_HOME, so that a copy of it holds no usable key.

The third keeps nothing from who may read this account's files; docs/security.md says so.
"""

import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.suites.writing import write_once

CREDENTIAL = "wangjian-keys"
_NAME = "passphrase.id"
# RFC 7914: cost 2^14 is what a person's passphrase gets (about 40 ms); 256 random bits need no stretching.
_COST_GIVEN, _COST_GENERATED = 1 << 14, 1 << 10


class KeyUnreadableError(Exception):
    """A key file cannot be opened as things are; the message says which, why and what to do (zh / en).

    Nothing is ever made in its place: a new key would end the chain of trust without anyone's decision.
    """


@dataclass(frozen=True)
class Passphrase:
    """The bytes, the scrypt cost for files written with them, and where they are from."""

    value: bytes
    cost: int
    source: str


class _Sources(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WANGJIAN_", extra="ignore", frozen=True)

    keys_passphrase_file: Path | None = None
    secrets_dir: Path | None = None


def secrets_folder() -> Path:
    """Folder of the secrets that never lie beside what they open: `WANGJIAN_SECRETS_DIR`."""
    return _secrets_dir(_Sources())


def passphrases(folder: Path) -> list[Passphrase]:
    """The passphrases to try on key files in `folder`; the first is the one to write with.

    A second is there when a passphrase was given to an installation that began with a generated one.
    Makes the generated secret at first use. Raises KeyUnreadableError.
    """
    sources = _Sources()
    given = _given(sources)
    if given is None:
        return [_generated(folder, sources)]
    known = _secret_file(folder, sources)
    return [given, *([_read(known, _COST_GENERATED)] if known and known.exists() else [])]


def _given(sources: _Sources) -> Passphrase | None:
    if sources.keys_passphrase_file:
        return _read(sources.keys_passphrase_file, _COST_GIVEN)
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull) / CREDENTIAL
    return _read(credential, _COST_GIVEN) if credential.is_file() else None


def _read(file: Path, cost: int) -> Passphrase:
    try:
        value = file.read_bytes().partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise KeyUnreadableError(
            f"无法读取密钥口令文件 {file}:{error.strerror} / cannot read the passphrase of the key files"
        ) from error
    if not value:
        raise KeyUnreadableError(f"密钥口令文件 {file} 为空 / the passphrase file is empty")
    return Passphrase(value, cost, str(file))


def _secrets_dir(sources: _Sources) -> Path:
    if sources.secrets_dir:
        return sources.secrets_dir.expanduser().absolute()
    given = os.environ.get("XDG_CONFIG_HOME")
    home = Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    return (Path(given) if given else home / ".config") / "wangjian" / "secrets"


def _secret_file(folder: Path, sources: _Sources) -> Path | None:
    """The file with the generated secret of a folder; None when none was ever made."""
    try:
        name = (folder / _NAME).read_text("ascii").strip()
    except FileNotFoundError:
        return None
    if not name.isalnum():
        raise KeyUnreadableError(f"{folder / _NAME} 内容有误 / is damaged")
    return _secrets_dir(sources) / name


def _generated(folder: Path, sources: _Sources) -> Passphrase:
    file = _secret_file(folder, sources)
    if file is None or not file.exists():
        # In this order: another process that starts now makes name and secret before any encrypted key.
        encrypted = _has_encrypted(folder)
        file = _secret_file(folder, sources)
        if encrypted and (file is None or not file.exists()):
            raise KeyUnreadableError(
                f"密钥已加密,但找不到口令文件 {file or folder / _NAME}:请恢复该文件,或设置 "
                "WANGJIAN_KEYS_PASSPHRASE_FILE / the key files are encrypted and their secret is not there: "
                "restore it, or set WANGJIAN_KEYS_PASSPHRASE_FILE"
            )
        file = _make(folder, sources)
    return _read(file, _COST_GENERATED)


def _has_encrypted(folder: Path) -> bool:
    return any(b"ENCRYPTED PRIVATE KEY" in file.read_bytes() for file in folder.glob("*.key"))


def _make(folder: Path, sources: _Sources) -> Path:
    """Make name and secret; when several processes do it at once, the first of each stays for all."""
    try:
        write_once(folder / _NAME, f"{secrets.token_hex(8)}\n".encode(), 0o600)
        file = _secret_file(folder, sources)
        assert file is not None  # noqa: S101 - just written
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(file, f"{secrets.token_urlsafe(32)}\n".encode(), 0o600)
    except OSError as error:
        raise KeyUnreadableError(
            f"无法保存密钥口令 {error.filename}:{error.strerror};请设置 WANGJIAN_SECRETS_DIR 或 "
            "WANGJIAN_KEYS_PASSPHRASE_FILE / cannot keep the secret of the key files: set one of these"
        ) from error
    return file
