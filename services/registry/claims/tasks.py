"""Running jobs over many presences in the background of the registry; the table says what is to be done."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Database
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.problems import Problem
from services.common.recurring import Recurring
from services.registry.claims import bulk, matching, repository
from services.registry.claims.models import ClaimJob
from services.registry.claims.rules import Held

EVERY_SECONDS: Final = 5.0
log = structlog.get_logger()


class ClaimJobs(Recurring):
    """Looks for jobs that were ordered or were cut short; one under way goes on after a restart."""

    def __init__(self, database: Database, personal: PersonalData) -> None:
        super().__init__("claims.jobs", self.run, lambda: EVERY_SECONDS)
        self._database, self._personal = database, personal
        self._settling = bulk.settling_of(database)
        self._ahead: asyncio.Task[matching.Places] | None = None

    async def run(self) -> None:
        """Do all open jobs, chunk by chunk; a job that is refused in the middle ends as failed."""
        while True:
            try:
                if not await bulk.run_chunk(self._database, self._chunk, self._settling):
                    return
            except (Problem, RuntimeError, LookupError, ValueError, TypeError) as error:
                # A database that is away is not caught here: the job waits for it.
                log.warning("claims.job_failed", exc_info=error)
                reason = f"{error.zh} · {error.en}" if isinstance(error, Problem) else type(error).__name__
                await bulk.fail_job(self._database, reason)

    async def stop(self) -> None:
        """Stop after the statement under way; the job goes on at the next start."""
        await super().stop()
        if self._ahead:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)

    async def _chunk(
        self,
        session: AsyncSession,
        job: ClaimJob,
        claims: Claims,
        rows: list[tuple[Held, Mapping[str, Any]]],
    ) -> bulk.Judged:
        if job.kind == "match":
            return await self._match(session, job, rows)
        return await bulk.judge_order(session, job, claims, rows)

    async def _match(
        self, session: AsyncSession, job: ClaimJob, rows: list[tuple[Held, Mapping[str, Any]]]
    ) -> bulk.Judged:
        held = {one.no: one for one, _ in rows}
        known = matching.directory(
            await repository.authorities(session),
            await repository.zone_areas(session),
            await repository.successors(session),
        )
        sealed = await repository.addresses(session, list(held))
        ahead, self._ahead = self._ahead, None
        places = await asyncio.to_thread(
            matching.read, self._personal, sealed, await ahead if ahead else None
        )
        if rows and rows[-1][0].no < job.upto:
            self._ahead = asyncio.create_task(self._read_ahead(rows[-1][0].no), name="claims.ahead")
        steps = await asyncio.to_thread(matching.steps, places, known, held, sealed)
        left = len(rows) - len(steps)
        return bulk.Judged(steps=steps, skipped=Counter({"unplaced": left} if left else {}))

    async def _read_ahead(self, after: int) -> matching.Places:
        """Read addresses of the presences that probably come next, while this chunk is written.

        A guess that saves time: each chunk reads what was not among them, or has changed since.
        """
        try:
            async with self._database.transaction() as session:
                sealed = await repository.addresses_after(session, after, bulk.CHUNK)
            return await asyncio.to_thread(matching.read, self._personal, sealed)
        except DBAPIError:
            return {}
