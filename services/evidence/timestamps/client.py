"""Asking RFC 3161 authorities for time stamps: any number of them, counted by operator."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from services.common.clock import utc_now
from services.common.problems import Problem
from services.common.settings import Settings
from services.evidence.timestamps.answers import DIGEST_OIDS, Question, RefusedAnswerError
from services.evidence.timestamps.authority import LIMIT_SECONDS, AuthorityClient, AwayError, Stamp
from services.evidence.timestamps.batches import make_batch
from services.evidence.timestamps.breaker import SLOW_SECONDS
from services.evidence.timestamps.clock import clock_disagreement_ms, clock_disagrees
from services.evidence.timestamps.rules import PinnedAuthority, authority_urls, read_authorities

__all__ = ["Stamp", "StampClient", "open_client"]

log = structlog.get_logger()

GRACE_SECONDS = 1.0
"""How much longer the others are waited for once enough operators have answered."""


class StampClient:
    """Stamps at every configured authority.

    urls: `http(s)://…` or `unix:/path`, one for each authority; quorum: how many different operators must
    answer; limit_seconds: how long one authority is waited for; grace_seconds: how much longer the others,
    once enough operators have answered.
    """

    def __init__(
        self,
        urls: Sequence[str],
        authorities: Sequence[PinnedAuthority],
        *,
        quorum: int = 1,
        limit_seconds: float = LIMIT_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        if len(urls) != len(authorities) or not urls:
            raise ValueError("WANGJIAN_TSA_URL must name one URL for each pinned authority")
        operators = {pinned.operator for pinned in authorities}
        if not 1 <= quorum <= len(operators):
            raise ValueError(f"the quorum is {quorum}, but there are {len(operators)} operators")
        self._authorities = [
            AuthorityClient(url.strip(), pinned, limit_seconds)
            for url, pinned in zip(urls, authorities, strict=True)
        ]
        self._quorum, self._grace = quorum, grace_seconds
        self._late: set[asyncio.Task[Stamp]] = set()

    async def close(self) -> None:
        """Give up what is still asked and close the connections."""
        late = list(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for authority in self._authorities:
            await authority.close()

    @property
    def pinned(self) -> list[PinnedAuthority]:
        """The authorities asked, in order."""
        return [authority.pinned for authority in self._authorities]

    def states(self) -> list[dict[str, str | float | None]]:
        """What each authority last did; see `AuthorityClient.state`."""
        return [authority.state() for authority in self._authorities]

    def require_clock(self) -> None:
        """Raise Problem 503 `evidence.clock_disagrees` when the authorities lately said another time."""
        excess = clock_disagreement_ms((a.record.sighting for a in self._authorities), utc_now())
        if excess is not None:
            raise clock_disagrees(excess)

    async def stamp(self, message: bytes) -> list[Stamp]:
        """Stamps over SHA-256(message), in the configured order, of at least `quorum` different operators.

        Authorities that are away or too slow are left out and noted. Raises Problem 503
        `evidence.tsa_unavailable`, or 502 `evidence.tsa_refused` when an answer that was needed is bad.
        """
        return await self._ask_all(Question.fresh(message))

    async def stamp_many(self, messages: Sequence[bytes]) -> list[list[Stamp]]:
        """The stamps of each message, asked for with one question to each authority over all of them.

        One message is stamped by itself, without a path. Raises as `stamp`.
        """
        if not messages:
            return []
        if len(messages) == 1:
            return [await self.stamp(messages[0])]
        batch = make_batch(messages)
        stamps = await self.stamp(batch.text)
        return [[replace(stamp, path=path) for stamp in stamps] for path in batch.paths]

    async def stamp_digest(self, algorithm: str, digest: bytes) -> list[Stamp]:
        """Stamps over a digest as it is (archive time stamps). algorithm: sha256, sha384, sha512.

        Raises as `stamp`, and ValueError for another algorithm.
        """
        if algorithm not in DIGEST_OIDS:
            raise ValueError(f"no such imprint algorithm: {algorithm}")
        # 63 bits: positive in eight bytes, so that every parser takes it.
        return await self._ask_all(Question(algorithm, digest, secrets.randbits(63)))

    async def _ask_all(self, asked: Question) -> list[Stamp]:
        now = time.monotonic()
        trials = [a for a in self._authorities if a.breaker.state(now) == "half-open"]
        asking = {
            asyncio.create_task(authority.ask(asked)): authority
            for authority in self._authorities
            if authority.breaker.admit(now)
        }
        try:
            await self._wait(asking, [task for task, asked_of in asking.items() if asked_of not in trials])
        except asyncio.CancelledError:
            for task in asking:
                task.cancel()
            raise
        found = {authority: task for task, authority in asking.items() if task.done()}
        for task, authority in asking.items():
            if not task.done():
                self._keep_late(task, authority)
        return self._judge(found)

    async def _wait(
        self, asking: dict[asyncio.Task[Stamp], AuthorityClient], trusted: list[asyncio.Task[Stamp]]
    ) -> None:
        """Until all have answered, or enough have and the grace is over; trials get no grace."""
        pending, until = set(asking), None
        while pending:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return
            if until is None and self._enough(asking, pending):
                until = time.monotonic() + self._grace
            if until is not None and not pending & set(trusted):
                return

    def _enough(
        self, asking: dict[asyncio.Task[Stamp], AuthorityClient], pending: set[asyncio.Task[Stamp]]
    ) -> bool:
        good = (task for task in asking if task not in pending and not task.exception())
        return len({asking[task].pinned.operator for task in good}) >= self._quorum

    def _keep_late(self, task: asyncio.Task[Stamp], authority: AuthorityClient) -> None:
        """Let a question nobody waits for end by itself; until it does, its authority counts as slow."""
        if not authority.breaker.trying:
            authority.breaker.failed(SLOW_SECONDS, time.monotonic())
        self._late.add(task)
        task.add_done_callback(self._ended_late)

    def _ended_late(self, task: asyncio.Task[Stamp]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # read it: asyncio would otherwise complain that nobody did

    def _judge(self, found: dict[AuthorityClient, asyncio.Task[Stamp]]) -> list[Stamp]:
        """The stamps when there are enough; else the Problem. Notes who was absent."""
        stamps, absent, refused = [], [], []
        for authority in self._authorities:
            task = found.get(authority)
            error = task.exception() if task else None
            if task and error is None:
                stamps.append(task.result())
                continue
            if error is not None and not isinstance(error, AwayError | RefusedAnswerError):
                raise error
            absent.append(authority.pinned.name)
            if isinstance(error, RefusedAnswerError):
                log.error("timestamp.refused", authority=authority.pinned.name, reason=str(error))
                refused.append((authority.pinned.name, str(error)))
        operators = {stamp.operator for stamp in stamps}
        if len(operators) < self._quorum:
            raise _refused(*refused[0]) if refused else _unavailable(absent, len(operators), self._quorum)
        if absent:
            log.warning("timestamp.absent", authorities=absent, operators=len(operators))
        return stamps


def open_client(settings: Settings, pinned_file: Path, quorum: int) -> StampClient:
    """The client these settings name. Raises OSError, ValueError, KeyError for an unusable file or quorum."""
    authorities = read_authorities(pinned_file)
    return StampClient(authority_urls(settings, authorities), authorities, quorum=quorum)


def _unavailable(names: list[str], answered: int, quorum: int) -> Problem:
    absent = "、".join(names)
    return Problem(
        "evidence.tsa_unavailable",
        503,
        zh=f"可信时间戳服务 {absent} 暂时不可用,证据已签名并排队等待",
        en=f"time-stamping authorities not available: {', '.join(names)}; the evidence is signed and waits",
        todo_zh="无需操作,恢复后系统自动继续",
        todo_en="nothing to do: sealing goes on by itself once they are back",
        extra={"absent": names, "operators_answered": answered, "operators_needed": quorum},
    )


def _refused(name: str, reason: str) -> Problem:
    return Problem(
        "evidence.tsa_refused",
        502,
        zh=f"可信时间戳服务 {name} 的应答未通过核验",
        en=f"the answer of the time-stamping authority {name} did not pass its checks: {reason}",
        todo_zh="请通知系统管理员核对时间戳证书与策略",
        todo_en="ask the system administrator to check the pinned certificate and policy",
    )
