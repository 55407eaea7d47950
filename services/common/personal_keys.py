"""The keys of personal values: made, loaded, wrapped anew. The key-encryption key is a file, never a row."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, text

from services.common.database import Database
from services.common.personal import KeyRing, PersonalData
from services.common.suites.passphrase import KeyUnreadableError, secrets_folder
from services.common.suites.writing import write_once

SEAL: Final = "seal"
INDEX: Final = "index"
# Any fixed number: whoever makes or changes keys of one database waits for the other.
_LOCK: Final = 7_420_002
# A running process looks for changed keys this often (seconds).
REFRESH_SECONDS: Final = 15.0
_ID_BYTES, _NONCE, _KEY_BITS = 8, 12, 256

_ROWS = text(
    "SELECT id, purpose, wrapped, active_at <= clock_timestamp() AS active, retired_at FROM data_keys"
    " ORDER BY id"
)
_ADD = text(
    "INSERT INTO data_keys (id, purpose, wrapped, active_at)"
    " VALUES (:id, :purpose, :wrapped, now() + make_interval(secs => :delay))"
)


@dataclass(frozen=True)
class WrappingKey:
    """A key-encryption key and its name; `personal-<name>.key` in the secrets folder holds it."""

    name: bytes
    value: bytes

    def wrap(self, key: bytes, number: int, purpose: str) -> bytes:
        """A data key wrapped: name of this key · nonce · ciphertext."""
        nonce = os.urandom(_NONCE)
        return self.name + nonce + AESGCM(self.value).encrypt(nonce, key, _about(number, purpose))

    def unwrap(self, wrapped: bytes, number: int, purpose: str) -> bytes:
        """The data key. Raises KeyUnreadableError when the row was changed."""
        nonce = wrapped[_ID_BYTES : _ID_BYTES + _NONCE]
        try:
            return AESGCM(self.value).decrypt(nonce, wrapped[_ID_BYTES + _NONCE :], _about(number, purpose))
        except InvalidTag as error:
            raise KeyUnreadableError(
                f"个人信息数据密钥 {number} 已损坏 / data key {number} of personal values is damaged"
            ) from error


def _about(number: int, purpose: str) -> bytes:
    return f"wangjian data key {number} {purpose}".encode()


def key_file(name: bytes) -> Path:
    """Where the key-encryption key of this name lies."""
    return secrets_folder() / f"personal-{name.hex()}.key"


def make_wrapping_key() -> WrappingKey:
    """A new key-encryption key, in its file before this returns. Raises KeyUnreadableError."""
    key = WrappingKey(secrets.token_bytes(_ID_BYTES), AESGCM.generate_key(_KEY_BITS))
    file = key_file(key.name)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(file, key.value.hex().encode() + b"\n", 0o600)
    except OSError as error:
        raise KeyUnreadableError(
            f"无法保存个人信息密钥 {file}:{error.strerror};请设置 WANGJIAN_SECRETS_DIR /"
            " cannot keep the key of personal values: set WANGJIAN_SECRETS_DIR"
        ) from error
    return key


def wrapping_key(name: bytes) -> WrappingKey:
    """The key-encryption key of this name. Raises KeyUnreadableError; never makes one in its place."""
    file = key_file(name)
    try:
        value = bytes.fromhex(file.read_text("ascii").strip())
        AESGCM(value)
    except (OSError, ValueError) as error:
        raise KeyUnreadableError(
            f"无法读取个人信息密钥文件 {file}:请从备份恢复该文件,否则已加密的信息无法打开 /"
            " the key file of personal values cannot be read: restore it from the backup; no new key is made"
        ) from error
    return WrappingKey(name, value)


def load(connection: Connection) -> KeyRing:
    """The keys of this database, made when it has none yet. Raises KeyUnreadableError."""
    rows = connection.execute(_ROWS).all()
    if not rows:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        rows = connection.execute(_ROWS).all()
    if not rows:
        first = make_wrapping_key()
        add(connection, first, 1, SEAL)
        add(connection, first, 2, INDEX)
        rows = connection.execute(_ROWS).all()
    opened = {
        row.id: wrapping_key(bytes(row.wrapped[:_ID_BYTES])).unwrap(bytes(row.wrapped), row.id, row.purpose)
        for row in rows
    }
    current = [row.id for row in rows if row.purpose == SEAL and row.active and row.retired_at is None]
    return KeyRing(
        data={row.id: opened[row.id] for row in rows if row.purpose == SEAL},
        current=max(current),
        index=next(opened[row.id] for row in rows if row.purpose == INDEX),
    )


def add(connection: Connection, under: WrappingKey, number: int, purpose: str, delay: float = 0.0) -> None:
    """Add a new data key, wrapped; it is used `delay` seconds later, when every process has read it."""
    wrapped = under.wrap(AESGCM.generate_key(_KEY_BITS), number, purpose)
    connection.execute(_ADD, {"id": number, "purpose": purpose, "wrapped": wrapped, "delay": delay})


async def personal_data(database: Database) -> PersonalData:
    """The personal values of a database: loads its keys, or makes them. Raises KeyUnreadableError."""
    async with database.transaction() as session:
        connection = await session.connection()
        return PersonalData(await connection.run_sync(load))


async def refresh(database: Database, personal: PersonalData) -> None:
    """Take over keys that were changed since they were loaded."""
    personal.adopt((await personal_data(database)).ring)
