"""Signing keys in files: made once, encrypted, mode 600, never overwritten; public keys in `.pub` beside."""

from pathlib import Path

from services.common.suites import pkcs8
from services.common.suites.algorithms import KeyHolder, PublicKey
from services.common.suites.passphrase import KeyUnreadableError, passphrases
from services.common.suites.software import SoftwareSigner, generate
from services.common.suites.writing import replace, write_once

_Mark = tuple[int, int, int]
_opened: dict[tuple[Path, str], tuple[_Mark, SoftwareSigner]] = {}


def load_or_create_signer(path: Path, algorithm: str) -> SoftwareSigner:
    """The signer whose key is kept in `path` (PKCS#8 PEM), made there if missing, with its `.pub` beside it.

    Safe when several processes start at once: the first complete file wins. A file is opened once and again
    only when it has changed. Raises KeyUnreadableError when it holds no key that opens, or another kind's.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, pkcs8.encrypt(generate(algorithm), passphrases(path.parent)[0]), 0o600)
    mark = _mark(path)
    known = _opened.get((path, algorithm))
    if known is None or known[0] != mark:
        known = (mark, _open(path, algorithm))
        _opened[path, algorithm] = known
    return known[1]


def install(path: Path, signer: SoftwareSigner) -> None:
    """Make `signer` the key of `path`, at once for every reader. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(path, pkcs8.encrypt(signer, passphrases(path.parent)[0]), 0o600)
    replace(path.with_suffix(".pub"), public_pem(signer), 0o644)


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file, its algorithm found out. Raises OSError and ValueError."""
    body = pkcs8.body_of("PUBLIC KEY", path.read_text("ascii", errors="replace"))
    if body is None:
        raise ValueError(f"{path.name} is not a PEM file with a public key")
    return PublicKey.of_der(body)


def public_pem(key: KeyHolder) -> bytes:
    """The public key as PEM, for OpenSSL and people."""
    return pkcs8.pem("PUBLIC KEY", key.public_der)


def _mark(path: Path) -> _Mark:
    now = path.stat()
    return now.st_ino, now.st_mtime_ns, now.st_size


def _open(path: Path, algorithm: str) -> SoftwareSigner:
    text = path.read_text("ascii", errors="replace")
    try:
        sealed, plain = pkcs8.body_of(pkcs8.ENCRYPTED, text), pkcs8.body_of(pkcs8.PLAIN, text)
        if sealed is not None:
            signer = _unlocked(path, sealed, algorithm)
        elif plain is not None:
            signer = _taken_over(path, pkcs8.decrypt(plain, None, algorithm))
        else:
            raise ValueError("no PKCS#8 PEM")
    except ValueError as error:
        raise KeyUnreadableError(
            f"密钥文件 {path} 已损坏或不是 PKCS#8 / the key file is damaged or no PKCS#8: {error}"
        ) from error
    if signer.algorithm != algorithm:
        raise KeyUnreadableError(
            f"密钥文件 {path} 的算法是 {signer.algorithm},应为 {algorithm} / the key is of another algorithm"
        )
    if not path.with_suffix(".pub").exists():
        write_once(path.with_suffix(".pub"), public_pem(signer), 0o644)
    return signer


def _unlocked(path: Path, body: bytes, algorithm: str) -> SoftwareSigner:
    tried = passphrases(path.parent)
    for position, passphrase in enumerate(tried):
        try:
            signer = pkcs8.decrypt(body, passphrase.value, algorithm)
        except ValueError:
            continue
        if position:
            replace(path, pkcs8.encrypt(signer, tried[0]), 0o600)
        return signer
    raise KeyUnreadableError(
        f"口令({tried[0].source})打不开密钥文件 {path}:请核对口令;系统不会另造密钥 / "
        f"the passphrase does not open this key file of {algorithm}; no new key is made in its place"
    )


def _taken_over(path: Path, signer: SoftwareSigner) -> SoftwareSigner:
    """A key file from before keys were encrypted: written again, encrypted."""
    replace(path, pkcs8.encrypt(signer, passphrases(path.parent)[0]), 0o600)
    return signer
