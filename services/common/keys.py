"""The key files of a process: who signs with which file, for what."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_public_key

from services.common.settings import Settings
from services.common.suites import (
    DEFAULT_ALGORITHM,
    PublicKey,
    Signer,
    load_or_create_signer,
    read_public_key,
)

_STEMS = {"worker": "capture-worker", "sealing": "sealing-service"}
_SUFFIXES = {"international": "", "national": ".sm2"}
ROLES = tuple(_STEMS)


def key_path(settings: Settings, role: str, suite: str) -> Path:
    """The file of a role's key in a suite: `capture-worker.key`, `capture-worker.sm2.key`, …"""
    return settings.keys_dir / f"{_STEMS[role]}{_SUFFIXES[suite]}.key"


def load_signers(settings: Settings, role: str) -> list[Signer]:
    """The role's signers, one in each suite of the policy; key files are made at first use.

    Cheap to call again: a file is opened anew only when it has changed. Raises KeyUnreadableError.
    """
    return [load_signer(settings, role, suite) for suite in settings.suites]


def load_signer(settings: Settings, role: str, suite: str) -> Signer:
    """The role's signer of one suite: in the token its URI names, else in its file."""
    uri = token_uri(settings, role, suite)
    if uri is not None:
        from services.common.suites.token import open_token_signer

        return open_token_signer(uri, suite)
    return load_or_create_signer(key_path(settings, role, suite), DEFAULT_ALGORITHM[suite])


def token_uri(settings: Settings, role: str, suite: str) -> str | None:
    """The `pkcs11:` URI (RFC 7512) of a role's key when it lies in a token: `WANGJIAN_SEALING_KEY_…`."""
    given: str | None = getattr(settings, f"{role}_key_{suite}")
    return given


def prepare_successor(settings: Settings, role: str, suite: str) -> Signer:
    """The key that is to follow the role's one, in a file of its own; the same one until it is installed.

    Raises KeyUnreadableError.
    """
    return load_or_create_signer(_next(key_path(settings, role, suite)), DEFAULT_ALGORITHM[suite])


def successor_waits(settings: Settings, role: str, suite: str) -> bool:
    """Whether a prepared key was not installed yet."""
    return token_uri(settings, role, suite) is None and _next(key_path(settings, role, suite)).exists()


def install_successor(settings: Settings, role: str, suite: str) -> None:
    """Put the prepared key in the place of the old one, whose private part ends with that. Raises OSError."""
    path = key_path(settings, role, suite)
    _next(path).replace(path)
    _next(path).with_suffix(".pub").replace(path.with_suffix(".pub"))


def _next(path: Path) -> Path:
    return path.with_name(f"{path.stem}.next.key")


def read_public_keys(settings: Settings, role: str) -> list[PublicKey]:
    """The role's public keys, one in each suite of the policy. Raises OSError and ValueError."""
    return [read_public_key(key_path(settings, role, suite).with_suffix(".pub")) for suite in settings.suites]


def load_or_create_ed25519(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key kept in `path`, made there if missing, with its `.pub` beside it.

    For what is always Ed25519: tokens between processes, the log, witnesses. Raises ValueError when the file
    holds another kind of key.
    """
    signer = load_or_create_signer(path, "ed25519")
    key = load_der_private_key(signer.pkcs8(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} does not hold an Ed25519 key")
    return key


def load_ed25519_public(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key in a PEM file. Raises ValueError for another kind of key."""
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path.name} does not hold an Ed25519 public key")
    return key
