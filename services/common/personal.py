"""Personal values at rest: sealed a row with AES-256-GCM, compared and searched by keyed hash only.

Envelope encryption (NIST SP 800-57 part 1, key wrapping): data keys lie in the table `data_keys`, wrapped by
a key-encryption key that is never in the database but in a file of the secrets folder (mode 600, made at the
first start). A sealed value is bound to the row it belongs to: moved to another row it does not open.

Sealed form: version (1 byte) · number of the data key (2) · nonce (12) · ciphertext with tag (16).
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = 1
_NONCE: Final = 12
_HEAD: Final = 3
_BETWEEN: Final = "\0"  # no text of ours holds NUL: neither the wire nor PostgreSQL takes it
_GRAM: Final = b"\xff"  # no kind of identifier has this number
_KINDS: Final = [bytes([number]) for number in range(256)]


def _halves(key: bytes) -> list[Any]:
    """The two hashes of HMAC-SHA256 (RFC 2104) with the key in them: half the work of `hmac` a message."""
    block = hashlib.sha256().block_size
    padded = (hashlib.sha256(key).digest() if len(key) > block else key).ljust(block, b"\0")
    return [hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C)]


class PersonalDataError(Exception):
    """A sealed value does not open: damaged, moved from another row, or sealed under a key unknown here."""


@dataclass(frozen=True)
class KeyRing:
    """The unwrapped keys: data keys by number, the one to seal with, and the key of the hashes."""

    data: Mapping[int, bytes] = field(repr=False)
    current: int
    index: bytes = field(repr=False)


class PersonalData:
    """Seals, opens and hashes personal values; thread-safe, and picklable for process pools."""

    def __init__(self, ring: KeyRing) -> None:
        self._take(ring)

    def _take(self, ring: KeyRing) -> None:
        self.ring = ring
        self._head = _VERSION.to_bytes(1, "big") + ring.current.to_bytes(2, "big")
        self._open = {number: AESGCM(key) for number, key in ring.data.items()}
        self._seal = self._open[ring.current]
        self._inner, self._outer = _halves(ring.index)
        self.gram = lru_cache(maxsize=1 << 16)(self._gram)

    def adopt(self, ring: KeyRing) -> None:
        """Go on with these keys; for a process that runs while keys change."""
        if ring != self.ring:
            self._take(ring)

    @property
    def head(self) -> bytes:
        """The first bytes of everything sealed under the current data key."""
        return self._head

    def seal(self, values: Mapping[str, str], about: str) -> bytes:
        """The values sealed for the row `about`. Raises ValueError for a value with NUL."""
        return self.seal_many([(values, about)])[0]

    def seal_many(self, rows: Iterable[tuple[Mapping[str, str], str]]) -> list[bytes]:
        """The same for many rows `(values, about)`: their nonces are drawn at once (imports)."""
        given = list(rows)
        head, encrypt, nonces = self._head, self._seal.encrypt, os.urandom(_NONCE * len(given))
        sealed = []
        for at, (values, about) in enumerate(given):
            plain = _BETWEEN.join(chain.from_iterable(values.items()))
            if plain.count(_BETWEEN) != max(2 * len(values) - 1, 0):
                raise ValueError("NUL in a personal value")
            nonce = nonces[_NONCE * at : _NONCE * (at + 1)]
            sealed.append(head + nonce + encrypt(nonce, plain.encode(), about.encode()))
        return sealed

    def seal_each(self, rows: Iterable[tuple[str, str, str]]) -> list[bytes]:
        """The same for many rows of one value each: `(name, value, about)`, sealed as {name: value}."""
        given = list(rows)
        head, encrypt, nonces = self._head, self._seal.encrypt, os.urandom(_NONCE * len(given))
        sealed, at = [], 0
        for name, value, about in given:
            plain = f"{name}{_BETWEEN}{value}"
            if plain.count(_BETWEEN) != 1:
                raise ValueError("NUL in a personal value")
            nonce = nonces[at : (at := at + _NONCE)]
            sealed.append(head + nonce + encrypt(nonce, plain.encode(), about.encode()))
        return sealed

    def open(self, sealed: bytes, about: str) -> dict[str, str]:
        """The values sealed for the row `about`. Raises PersonalDataError."""
        key = self._open.get(int.from_bytes(sealed[1:_HEAD], "big"))
        if not sealed or sealed[0] != _VERSION or key is None:
            raise PersonalDataError("sealed under a key that is not known here")
        nonce = sealed[_HEAD : _HEAD + _NONCE]
        try:
            plain = key.decrypt(nonce, sealed[_HEAD + _NONCE :], about.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise PersonalDataError("damaged, or sealed for another row") from error
        parts = plain.split(_BETWEEN) if plain else []
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def seal_block(self, block: bytes, about: str) -> bytes:
        """A block of a file that holds personal values, sealed for its place `about`."""
        nonce = os.urandom(_NONCE)
        return self._head + nonce + self._seal.encrypt(nonce, block, about.encode())

    def open_block(self, sealed: bytes, about: str) -> bytes:
        """The block sealed for the place `about`. Raises PersonalDataError."""
        key = self._open.get(int.from_bytes(sealed[1:_HEAD], "big"))
        if not sealed or sealed[0] != _VERSION or key is None:
            raise PersonalDataError("sealed under a key that is not known here")
        try:
            return key.decrypt(sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :], about.encode())
        except InvalidTag as error:
            raise PersonalDataError("damaged, or sealed for another place") from error

    def key(self, kind: int, norm: str) -> int:
        """Keyed hash of an identifier's normal form, a signed 64-bit integer: tells equality, nothing else.

        First 8 bytes of HMAC-SHA256(index key, kind · norm); kind: `identifiers.kinds.Kind`, one byte.
        """
        return int.from_bytes(self._hmac(_KINDS[kind] + norm.encode())[:8], "big", signed=True)

    def _gram(self, text: str) -> int:
        """Keyed hash of a gram, a signed 32-bit integer, for substring search in sealed values."""
        return int.from_bytes(self._hmac(_GRAM + text.encode())[:4], "big", signed=True)

    def _hmac(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        digest: bytes = outer.digest()
        return digest

    def __reduce__(self) -> tuple[Any, ...]:
        return PersonalData, (self.ring,)

    def __repr__(self) -> str:
        return f"PersonalData(current={self.ring.current})"
