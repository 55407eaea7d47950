"""The keys this process signs with and accepts, kept in step with the table and the key files."""

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.database import Database
from services.common.keys import (
    install_successor,
    load_signer,
    load_signers,
    prepare_successor,
    read_public_keys,
    successor_waits,
    token_uri,
)
from services.common.settings import Settings
from services.common.suites import KeyUnreadableError, PublicKey, Signer
from services.common.suites.writing import replace
from services.evidence.keys import changes, repository
from services.evidence.keys.rules import OVERLAP, KnownKey, current, none_valid
from services.evidence.verification.trust import SIGNING_KEYS

log = structlog.get_logger()

# A change made by another process is seen after this many seconds at the latest.
STALE_SECONDS = 5.0
_SELF = "service:evidence"


class KeyRing:
    """All signing keys there ever were, the sealing signers, and the worker keys that are accepted."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._known: dict[str, KnownKey] = {}
        self._signers: list[Signer] = []
        self._read_at = 0.0
        self._refreshing = asyncio.Lock()

    async def start(self) -> None:
        """Register the keys found at a first start, finish a rotation that was cut short, publish the list.

        Raises KeyUnreadableError.
        """
        await asyncio.to_thread(load_signers, self._settings, "sealing")
        async with self._database.transaction() as session:
            await repository.lock(session)
            known = await repository.every(session)
            await self._settle_sealing(session, known)
            await self._first_workers(session, known)
        await self.refresh()

    async def _settle_sealing(self, session: AsyncSession, known: list[KnownKey]) -> None:
        """Make the key at hand the current one of its suite, or take a new one when it is not to be used."""
        by_id = {key.keyid: key for key in known}
        for suite in self._settings.suites:
            if successor_waits(self._settings, "sealing", suite):
                successor = prepare_successor(self._settings, "sealing", suite)
                if successor.keyid in by_id:
                    install_successor(self._settings, "sealing", suite)
            signer = load_signer(self._settings, "sealing", suite)
            row = by_id.get(signer.keyid)
            if row is not None and row.state == "current" and row.role == "sealing":
                continue
            if row is not None:
                signer = self._another(suite, row)
            await self._take(session, signer, current(known, "sealing", suite))

    def _another(self, suite: str, row: KnownKey) -> Signer:
        """A new key in the place of one that has ended or was revoked (an old file was put back, perhaps)."""
        if token_uri(self._settings, "sealing", suite):
            raise KeyUnreadableError(
                f"HSM 中的签名密钥 {row.keyid[:16]}… 已停用,请在 HSM 中新建密钥并更新设置 / "
                "the sealing key in the token has ended or was revoked: make a new one there and name it"
            )
        log.warning("key.ended_key_found", keyid=row.keyid, state=row.state)
        prepare_successor(self._settings, "sealing", suite)
        install_successor(self._settings, "sealing", suite)
        return load_signer(self._settings, "sealing", suite)

    async def _take(self, session: AsyncSession, signer: Signer, before: Sequence[KnownKey]) -> None:
        now, key = utc_now(), PublicKey(signer.algorithm, signer.public_der)
        reason = "found in place of the former key" if before else "first key"
        await changes.introduce(session, "sealing", key, now, reason, _SELF)
        for known in before:
            await changes.end(session, known, now + OVERLAP, reason, _SELF)
        log.info("key.introduced", role="sealing", keyid=key.keyid, reason=reason)

    async def _first_workers(self, session: AsyncSession, known: Iterable[KnownKey]) -> bool:
        """Register this machine's worker keys in suites that never had one; later ones are handed in."""
        try:
            found = await asyncio.to_thread(read_public_keys, self._settings, "worker")
        except (OSError, ValueError):
            return False  # no worker has started yet: asked again when it hands something in
        settled = {key.key.suite for key in known if key.role == "worker"}
        fresh = [key for key in found if key.suite not in settled]
        for key in fresh:
            await changes.introduce(session, "worker", key, utc_now(), "first key", _SELF)
            log.info("key.introduced", role="worker", keyid=key.keyid)
        return bool(fresh)

    async def refresh(self) -> None:
        """Read the table, take up a changed key file, publish the list."""
        async with self._refreshing:
            async with self._database.transaction() as session:
                known = await repository.every(session)
            self._known = {key.keyid: key for key in known}
            self._signers = await asyncio.to_thread(load_signers, self._settings, "sealing")
            self._read_at = time.monotonic()
            await asyncio.to_thread(self._publish)

    async def meet(self, keyids: Iterable[str]) -> None:
        """Be up to date before signatures by these keys are judged."""
        if not set(keyids) <= set(self._known):
            async with self._database.transaction() as session:
                await repository.lock(session)
                await self._first_workers(session, await repository.every(session))
            await self.refresh()
        elif time.monotonic() - self._read_at > STALE_SECONDS:
            await self.refresh()

    def every(self) -> list[KnownKey]:
        """All keys there ever were, the oldest first."""
        return list(self._known.values())

    def find(self, keyid: str) -> KnownKey | None:
        """The key with this id."""
        return self._known.get(keyid)

    def workers(self) -> list[PublicKey]:
        """The worker keys whose signatures are taken now."""
        now = utc_now()
        return [known.key for known in self.every() if known.role == "worker" and known.accepted(now)]

    def sealers(self) -> list[Signer]:
        """The sealing signers, one in each suite. Raises Problem 503 `key.none_valid`."""
        for signer in self._signers:
            known = self._known.get(signer.keyid)
            if known is None or known.state != "current":
                raise none_valid("sealing")
        return list(self._signers)

    def _publish(self) -> None:
        """Write the public list for the trust file and for custodians of the embedded stack."""
        file = self._settings.keys_dir / SIGNING_KEYS
        policies = {tuple(item) for item in _policies(file)} | {tuple(self._settings.suites)}
        document = {
            "keys": [{"role": known.role, **known.as_trust()} for known in self.every()],
            "suites": sorted(policies),
        }
        data = json.dumps(document, indent=1, sort_keys=True).encode()
        if not file.exists() or file.read_bytes() != data:
            replace(file, data, 0o644)


def _policies(file: Path) -> list[list[str]]:
    return list(json.loads(file.read_text("utf-8"))["suites"]) if file.exists() else []
