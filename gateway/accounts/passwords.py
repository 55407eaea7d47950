"""Hashing and checking of passwords with argon2id (RFC 9106, second recommended option: 64 MiB, 3 passes).

The work runs in threads, two at a time, so that a wave of sign-ins costs time, not memory.
"""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_AT_ONCE = 2


class Passwords:
    """Hashes and checks passwords; one a process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        # Checked when there is no such user, so that the answer takes the same time.
        self._nobodys = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The argon2id hash to store, with its own salt and parameters inside."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None (no such user) costs the same and is False."""
        async with self._turn:
            right = await asyncio.to_thread(self._verify, stored or self._nobodys, password)
        return right and stored is not None

    async def used_before(self, remembered: list[str], password: str) -> bool:
        """Whether the password is one of those remembered."""
        for stored in remembered:
            if await self.matches(stored, password):
                return True
        return False

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
