"""Keys in a PKCS#11 token (HSM), named by RFC 7512 URIs; the private key never leaves the token.

    pkcs11:token=wangjian;object=sealing?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/secrets/pin

`token`, and `object` or `id`, name exactly one key pair; `module-path` is the maker's library; the PIN is the
first line of `pin-source`, or the systemd credential `wangjian-hsm-pin`. ECDSA on P-256 and Ed25519. SM2 has
no mechanism in PKCS#11: modules for it speak SDF (GM/T 0018), so the national suite uses key files.
"""

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from asn1crypto.core import OctetString
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.common.problems import Problem
from services.common.suites.algorithms import ALGORITHMS, key_id, verify
from services.common.suites.passphrase import KeyUnreadableError

CREDENTIAL = "wangjian-hsm-pin"
_PATH = ("token", "object", "id", "type")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True)
class TokenUri:
    """A parsed URI."""

    module: str
    token: str
    label: str | None
    id: bytes | None
    pin_file: Path


def parse_uri(uri: str) -> TokenUri:
    """Read a `pkcs11:` URI. Raises KeyUnreadableError for what it lacks or what is not understood."""
    scheme, _, rest = uri.partition(":")
    path, _, query = rest.partition("?")
    found = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
    if scheme != "pkcs11" or "token" not in found or not {"object", "id"} & set(found):
        raise _unusable("需要 token 与 object(或 id)", "it needs token, and object or id")
    if "module-path" not in found:
        raise _unusable("缺少 module-path", "it needs module-path, the maker's library")
    default = Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull) / CREDENTIAL
    given = unquote(found.get("pin-source", "")).removeprefix("file://").removeprefix("file:")
    return TokenUri(
        unquote(found["module-path"]),
        unquote(found["token"]),
        unquote(found["object"]) if "object" in found else None,
        unquote_to_bytes(found["id"]) if "id" in found else None,
        Path(given) if given else default,
    )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(separator) if item]
    unknown = [name for name, _, _ in pairs if name not in known]
    if unknown:
        raise _unusable(f"不支持的属性 {unknown[0]}", f"attribute {unknown[0]!r} is not supported")
    return {name: value for name, _, value in pairs}


def _unusable(zh: str, en: str) -> KeyUnreadableError:
    # The URI itself is not repeated: people put PINs into it.
    return KeyUnreadableError(f"HSM 密钥设置(pkcs11: URI)有误:{zh} / the pkcs11: URI cannot be used: {en}")


class _Session:
    """A logged-in session of one token, used by one thread at a time."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        self._module, self._token, self._pin = module, token, pin
        self.lock = threading.Lock()
        self.open: Any = None
        self.reopen()

    def reopen(self) -> None:
        """Log in anew. Raises KeyUnreadableError."""
        import pkcs11

        if self.open is not None:
            _close(self.open.close)
        try:
            self.open = pkcs11.lib(self._module).get_token(token_label=self._token).open(user_pin=self._pin)
        except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
            raise KeyUnreadableError(
                f"无法打开 HSM 令牌 {self._token}({type(error).__name__}):请核对驱动、令牌名与 PIN / "
                "the token does not open: compare driver, token name and PIN"
            ) from error


def _close(close: Any) -> None:
    """Close what may be gone already."""
    import pkcs11
    import structlog

    try:
        close()
    except pkcs11.exceptions.PKCS11Error as error:
        structlog.get_logger().info("token.close_failed", error=type(error).__name__)


@lru_cache(maxsize=8)
def _session(module: str, token: str, pin_file: Path) -> _Session:
    try:
        import pkcs11  # noqa: F401 - said here, before anything else fails
    except ImportError as error:
        raise KeyUnreadableError(
            "未安装 python-pkcs11:pip install 'wangjian[hsm]' / python-pkcs11 is not installed"
        ) from error
    try:
        pin = pin_file.read_text("utf-8").partition("\n")[0]
    except OSError as error:
        raise KeyUnreadableError(
            f"无法读取 HSM 的 PIN 文件 {pin_file}:{error.strerror} / cannot read the token's PIN"
        ) from error
    return _Session(module, token, pin)


class TokenSigner:
    """A key pair in a token. Raises KeyUnreadableError unless there is exactly one that signs."""

    def __init__(self, uri: str) -> None:
        self._uri = parse_uri(uri)
        self._session = _session(self._uri.module, self._uri.token, self._uri.pin_file)
        with self._session.lock:
            self._key = self._find("PRIVATE_KEY")
            self.algorithm, self.public_der = _described(self._find("PUBLIC_KEY"))
        self.suite, self.keyid = ALGORITHMS[self.algorithm], key_id(self.public_der)
        try:
            verify(self.algorithm, self.public_der, self.sign(b"self-test"), b"self-test")
        except InvalidSignature as error:
            raise _unusable("私钥与公钥不成对", "private and public key are no pair") from error

    def _find(self, kind: str) -> Any:
        import pkcs11

        wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass[kind]}
        if self._uri.label is not None:
            wanted[pkcs11.Attribute.LABEL] = self._uri.label
        if self._uri.id is not None:
            wanted[pkcs11.Attribute.ID] = self._uri.id
        # The whole list: the library leaves a search that is broken off open, and the next one fails.
        found = list(self._session.open.get_objects(wanted))
        if len(found) != 1:
            raise KeyUnreadableError(
                f"HSM 令牌 {self._uri.token} 中没有唯一的密钥对 {self._uri.label or ''} / "
                f"the token has no such key pair, or more than one ({len(found)} {kind})"
            )
        return found[0]

    def sign(self, message: bytes) -> bytes:
        """The signature in the suite's form. Raises Problem 503 `key.token_unavailable`."""
        import pkcs11

        with self._session.lock:
            try:
                return self._sign(message)
            except pkcs11.exceptions.PKCS11Error:
                # A token that was unplugged or restarted has forgotten the session: once more with a new one.
                return self._sign_anew(message)

    def _sign_anew(self, message: bytes) -> bytes:
        import pkcs11

        try:
            self._session.reopen()
            self._key = self._find("PRIVATE_KEY")
            return self._sign(message)
        except (pkcs11.exceptions.PKCS11Error, KeyUnreadableError) as error:
            raise Problem(
                "key.token_unavailable",
                503,
                zh="签名设备(HSM)暂时不可用,固证已排队等待",
                en=f"the signing token is not available ({type(error).__name__}); sealing waits",
                todo_zh="请检查 HSM 的连接与状态,恢复后系统自动继续",
                todo_en="look after the HSM; sealing goes on by itself once it is back",
            ) from error

    def _sign(self, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        if self.algorithm == "ed25519":
            return bytes(self._key.sign(message, mechanism=Mechanism.EDDSA))
        digest = Hash(SHA256())
        digest.update(message)
        raw = bytes(self._key.sign(digest.finalize(), mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))


def _described(public: Any) -> tuple[str, bytes]:
    """Algorithm and SubjectPublicKeyInfo of a public key object. Raises KeyUnreadableError."""
    from pkcs11 import Attribute, KeyType

    point, form = bytes(public[Attribute.EC_POINT]), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # Makers differ: the point stands bare or in an OCTET STRING.
    bare = point if len(point) in (32, 65) else bytes(OctetString.load(point).native)
    try:
        if public.key_type == KeyType.EC_EDWARDS:
            return "ed25519", ed25519.Ed25519PublicKey.from_public_bytes(bare).public_bytes(*form)
        if public.key_type == KeyType.EC:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
            return "ecdsa-p256-sha256", key.public_bytes(*form)
    except ValueError as error:
        raise _unusable("仅支持 P-256 与 Ed25519", "only P-256 and Ed25519 keys are used") from error
    raise _unusable("仅支持 P-256 与 Ed25519", "only P-256 and Ed25519 keys are used")


@lru_cache(maxsize=8)
def open_token_signer(uri: str, suite: str) -> TokenSigner:
    """The signer of a URI, opened once a process. Raises KeyUnreadableError, also for another suite's key."""
    signer = TokenSigner(uri)
    if signer.suite != suite:
        raise _unusable(f"该密钥不属于 {suite}", f"the key is not of the suite {suite}")
    return signer
