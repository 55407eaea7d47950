"""Rotating, registering and revoking signing keys."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC

from sqlalchemy.ext.asyncio import AsyncSession

from services.common import audit
from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.keys import install_successor, prepare_successor, token_uri
from services.common.problems import Problem, not_found
from services.common.suites import PublicKey, Signer
from services.evidence.items import repository as items
from services.evidence.keys import changes, repository, rules
from services.evidence.keys.rules import KnownKey
from services.evidence.keys.schemas import RegisterIn, RevokeIn, RotateIn
from services.evidence.runtime import Runtime


async def rotate(runtime: Runtime, given: RotateIn, claims: Claims) -> list[KnownKey]:
    """New sealing keys; the former ones count a day longer, their private parts are gone at once.

    Gives the keys touched. Raises Problem 409 `key.held_elsewhere` and `key.backlog`.
    """
    suites = runtime.settings.suites
    if given.role == "worker":
        raise rules.held_elsewhere(
            "采集节点的私钥不在本服务",
            "this service does not hold the capture worker's key",
            "请在采集节点所在机器上执行 wangjian keys rotate worker",
            "run `wangjian keys rotate worker` on the worker's machine",
        )
    _check_in_files(runtime, suites)
    async with runtime.database.transaction() as session:
        await repository.lock(session)
        await _check_backlog(session)
        touched = await _succeed(runtime, session, suites, given.reason, claims)
    await _install(runtime, suites)
    return _now(runtime, touched)


def _check_in_files(runtime: Runtime, suites: tuple[str, ...]) -> None:
    if any(token_uri(runtime.settings, "sealing", suite) for suite in suites):
        raise rules.held_elsewhere(
            "签名密钥在 HSM 中,由其管理员更换",
            "the sealing key lies in an HSM, whose officers make the new one",
            "请在 HSM 中新建密钥,更新 WANGJIAN_SEALING_KEY_… 后重启固证服务,系统自动登记并停用旧密钥",
            "make a new key there, name it in WANGJIAN_SEALING_KEY_… and restart: it is then registered",
        )


async def _check_backlog(session: AsyncSession) -> None:
    oldest = await items.oldest_unstamped(session)
    if oldest is not None and utc_now() - oldest > rules.BACKLOG:
        raise rules.backlog()


async def _succeed(
    runtime: Runtime, session: AsyncSession, suites: tuple[str, ...], reason: str, claims: Claims
) -> list[str]:
    """Introduce the successors and end the current keys, in this transaction; gives the ids touched."""
    known, now, touched = await repository.every(session), utc_now(), []
    for suite in suites:
        signer = await asyncio.to_thread(prepare_successor, runtime.settings, "sealing", suite)
        key = _public(signer)
        await changes.introduce(session, "sealing", key, now, reason, claims.sub)
        for former in rules.current(known, "sealing", suite):
            await changes.end(session, former, now + rules.OVERLAP, reason, claims.sub)
            touched.append(former.keyid)
        touched.append(key.keyid)
    await _audit(session, claims, "key.rotate", touched[-1], {"role": "sealing", "reason": reason})
    return touched


async def _install(runtime: Runtime, suites: tuple[str, ...]) -> None:
    """After the commit: the prepared keys take their places, which destroys the former private parts."""
    for suite in suites:
        await asyncio.to_thread(install_successor, runtime.settings, "sealing", suite)
    await runtime.keys.refresh()
    runtime.log.wake()


async def register(runtime: Runtime, given: RegisterIn, claims: Claims) -> list[KnownKey]:
    """A capture worker's new key, in the place of `replaces` if that is given.

    Repeating it changes nothing. Raises Problem 422 `key.malformed` and `key.proof_invalid`, 404,
    409 `key.exists` and `key.backlog`.
    """
    key = _parsed(given)
    rules.check_possession(key, base64.b64decode(given.proof))
    async with runtime.database.transaction() as session:
        await repository.lock(session)
        known = {item.keyid: item for item in await repository.every(session)}
        before = known.get(key.keyid)
        if before is not None and (before.role, before.state) != ("worker", "current"):
            raise rules.key_exists(key.keyid)
        touched = [key.keyid]
        if before is None:
            await changes.introduce(session, "worker", key, utc_now(), given.reason, claims.sub)
        if given.replaces:
            former = known.get(given.replaces)
            if former is None or former.role != "worker" or former.key.suite != key.suite:
                raise not_found("被替换的密钥", "key to be replaced")
            if former.state == "current":
                await _check_backlog(session)
                at = utc_now() + rules.OVERLAP
                await changes.end(session, former, at, given.reason, claims.sub)
            touched.insert(0, former.keyid)
        after = {"role": "worker", "reason": given.reason, "replaces": given.replaces}
        await _audit(session, claims, "key.register", key.keyid, after)
    await runtime.keys.refresh()
    runtime.log.wake()
    return _now(runtime, touched)


def _parsed(given: RegisterIn) -> PublicKey:
    try:
        return PublicKey(given.algorithm, base64.b64decode(given.public_key))
    except ValueError as error:
        raise Problem(
            "key.malformed",
            422,
            zh="公钥与算法不符或无法识别",
            en=f"not a usable public key: {error}",
            todo_zh="算法应为 ed25519、ecdsa-p256-sha256 或 sm2-sm3,公钥为 DER SubjectPublicKeyInfo",
            todo_en="ed25519, ecdsa-p256-sha256 or sm2-sm3, and a DER SubjectPublicKeyInfo",
        ) from error


async def revoke(runtime: Runtime, keyid: str, given: RevokeIn, claims: Claims) -> tuple[list[KnownKey], int]:
    """Revoke a key from a moment on; a sealing key that signs now is followed by a new one at once.

    Gives the keys touched and how many items still wait for a time stamp (what they were signed with may have
    been this key: such items do not become valid). Raises Problem 404, 409 `key.already_revoked`,
    422 `key.since_future`.
    """
    since = given.since.astimezone(UTC)
    async with runtime.database.transaction() as session:
        await repository.lock(session)
        known = {item.keyid: item for item in await repository.every(session)}.get(keyid)
        if known is None:
            raise not_found("密钥", "key")
        rules.check_revocation(known, since, utc_now())
        touched, suites = [keyid], _to_follow(runtime, known)
        if suites:
            touched += await _succeed(runtime, session, suites, "the former key was revoked", claims)
        await changes.revoke(session, known, since, given.reason, claims.sub)
        waiting = await items.count_unstamped(session)
        after = {"revoked_at": rfc3339(since), "reason": given.reason}
        await _audit(session, claims, "key.revoke", keyid, after)
    await _install(runtime, suites)
    return _now(runtime, touched), waiting


def _to_follow(runtime: Runtime, known: KnownKey) -> tuple[str, ...]:
    """The suite in which a new sealing key must be made when this key is revoked."""
    suite = known.key.suite
    signs = known.role == "sealing" and known.state == "current" and suite in runtime.settings.suites
    return (suite,) if signs and not token_uri(runtime.settings, "sealing", suite) else ()


def _public(signer: Signer) -> PublicKey:
    return PublicKey(signer.algorithm, signer.public_der)


def _now(runtime: Runtime, keyids: list[str]) -> list[KnownKey]:
    return [known for known in runtime.keys.every() if known.keyid in keyids]


async def _audit(
    session: AsyncSession, claims: Claims, event: str, keyid: str, after: Mapping[str, str | None]
) -> None:
    await audit.record(session, claims, event=event, object_type="key", object_id=keyid, after={**after})
