"""Searches for duplicates in the background of the registry: one an authority at a time."""

import asyncio
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.common.database import Database
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.registry.duplicates.proposing import Progress, search
from services.registry.duplicates.schemas import DuplicateSearch

log = structlog.get_logger()


@dataclass(slots=True)
class _Run:
    task: asyncio.Task[None]
    progress: Progress = field(default_factory=Progress)


class DuplicateSearches:
    """Starts, tells of and cancels searches. What one found is in the table; a restart loses its count."""

    def __init__(self, database: Database, personal: PersonalData) -> None:
        self._database, self._personal = database, personal
        self._runs: dict[str, _Run] = {}

    def start(self, claims: Claims) -> DuplicateSearch:
        """Start a search of the caller's region, unless one of his authority is under way."""
        run = self._runs.get(claims.org)
        if run is None or run.task.done():
            progress = Progress()
            task = asyncio.create_task(self._search(claims, progress), name="duplicates.search")
            self._runs[claims.org] = _Run(task, progress)
        return self.state(claims)

    def state(self, claims: Claims) -> DuplicateSearch:
        """How far the latest search of the caller's authority is."""
        run = self._runs.get(claims.org)
        if run is None:
            return DuplicateSearch(state="none")
        told = run.progress
        state = "running"
        if run.task.done():
            state = "cancelled" if run.task.cancelled() else "failed" if run.task.exception() else "done"
        return DuplicateSearch(
            state=state, done=told.done, steps=told.steps, found=told.found, new=told.new, capped=told.capped
        )

    async def cancel(self, claims: Claims) -> DuplicateSearch:
        """Stop the search of the caller's authority; what it found stays."""
        run = self._runs.get(claims.org)
        if run is not None and not run.task.done():
            run.task.cancel()
            await asyncio.gather(run.task, return_exceptions=True)
        return self.state(claims)

    async def stop(self) -> None:
        """Stop all searches; the next ones find the rest."""
        tasks = [run.task for run in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _search(self, claims: Claims, progress: Progress) -> None:
        try:
            await search(self._database, self._personal, claims, progress)
        except SQLAlchemyError as error:
            log.error("duplicates.search_failed", exc_info=error)
            raise
