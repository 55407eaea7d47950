"""Signing keys in files: made once, mode 600, never overwritten; the public key beside it in `.pub` (PEM)."""

import base64
import contextlib
import os
from pathlib import Path

from services.common.suites.algorithms import KeyHolder, PublicKey
from services.common.suites.software import SoftwareSigner, from_pkcs8, generate


def load_or_create_signer(path: Path, algorithm: str) -> SoftwareSigner:
    """The signer whose key is kept in `path` (PKCS#8 PEM), made there if missing, with its `.pub` beside it.

    Safe when several processes start at once: the first complete file wins. Raises ValueError when the file
    holds no key, or one of another algorithm.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, _pem("PRIVATE KEY", generate(algorithm).pkcs8()), 0o600)
    signer = from_pkcs8(_body("PRIVATE KEY", path))
    if signer.algorithm != algorithm:
        raise ValueError(f"{path.name} holds a key of {signer.algorithm}, not of {algorithm}")
    public = path.with_suffix(".pub")
    if not public.exists():
        write_once(public, public_pem(signer), 0o644)
    return signer


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file, its algorithm found out. Raises OSError and ValueError."""
    return PublicKey.of_der(_body("PUBLIC KEY", path))


def public_pem(key: KeyHolder) -> bytes:
    """The public key as PEM, for OpenSSL and people."""
    return _pem("PUBLIC KEY", key.public_der)


def _pem(label: str, der: bytes) -> bytes:
    lines = base64.encodebytes(der).replace(b"\n", b"")
    body = b"\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label.encode(), body, label.encode())


def _body(label: str, path: Path) -> bytes:
    begin, end = f"-----BEGIN {label}-----", f"-----END {label}-----"
    text = path.read_text("ascii", errors="replace")
    _, found, rest = text.partition(begin)
    inside, ended, _ = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{path.name} is not a PEM file with a {label.lower()}")
    return base64.b64decode("".join(inside.split()), validate=True)


def write_once(path: Path, data: bytes, mode: int) -> None:
    """Write a complete, synced file and link it into place; an existing one stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
