"""The work on imports in the background of the service: dry run, taking in, undoing; one import at a time.

Whoever works on an import renews its lease. After a kill the lease runs out and the next one goes on.
"""

import asyncio
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from services.common.audit import record
from services.common.bulk import Settling, undisturbed
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.personal import PersonalData, PersonalDataError
from services.registry.imports import repository
from services.registry.imports.models import Import
from services.registry.imports.reading.inspection import part_of
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import Layout
from services.registry.imports.rules import FOLLOWED_ROWS, KEPT_REMARKS, LEASE, Links, State
from services.registry.imports.taking import repository as taking
from services.registry.imports.taking.batches import Prepared, Setting
from services.registry.imports.taking.pool import processes_for
from services.registry.imports.taking.run import BATCH, Counts, Run
from services.registry.imports.taking.sorting import Sorted
from services.registry.imports.undoing.service import undo_all
from services.registry.linking import service as linking
from services.registry.regions import repository as regions

log = structlog.get_logger()

_RENEW_SECONDS = 5.0
_ATTEMPTS = 3
_PAUSE = timedelta(seconds=2)
_SAMPLES = 20
_PORTION = 96
"""Batches whose grams are sorted in at once, about 250 MB: a search reads what waits in 0.15 s."""
_SEEN_ANEW = timedelta(hours=20)
"""That a row stood in the list again is noted once a day."""


class ImportRunner:
    """Runs imports. processes: how many prepare rows; None to decide by the length of the list."""

    def __init__(
        self, database: Database, files: KeptFiles, personal: PersonalData, processes: int | None = None
    ) -> None:
        self._database, self._files, self._personal = database, files, personal
        self._processes = processes
        self._failures: dict[str, tuple[int, int]] = {}
        self._finishing: set[asyncio.Task[None]] = set()

    async def run_all(self) -> None:
        """Work until nothing waits."""
        while await self.run_next():
            pass

    async def run_next(self) -> bool:
        """Work on the import that waits longest; False when none does."""
        now = utc_now()
        async with self._database.transaction() as session:
            row = await repository.claim(session, now, now + LEASE)
        if row is None:
            return await self._link_anew()
        await self.work(row)
        return True

    async def finished(self) -> None:
        """Wait for what goes on behind imports that are done."""
        await asyncio.gather(*self._finishing)

    async def stop(self) -> None:
        """End what goes on behind imports that are done; autovacuum does it later."""
        for task in self._finishing:
            task.cancel()
        await asyncio.gather(*self._finishing, return_exceptions=True)

    async def _link_anew(self) -> bool:
        """After long lists links are made anew, once for all of them; True when that was done."""
        if self._finishing:
            return False  # the next look comes soon enough, and finds the statistics it needs
        since = utc_now()
        async with self._database.transaction() as session:
            waiting = await repository.to_be_linked(session)
        if waiting:
            await linking.rebuild(self._database)
            async with self._database.transaction() as session:
                await repository.linked(session, waiting, since)
        return bool(waiting)

    async def work(self, row: Import) -> None:
        """Work on an import whose lease the caller holds, to its end or until something breaks."""
        heartbeat = asyncio.create_task(self._heartbeat(row.id), name="import-lease")
        try:
            await self._work(row)
            self._failures.pop(row.id, None)
        except asyncio.CancelledError:
            with suppress(Exception):  # the service stops: the next one goes on at once
                await asyncio.shield(self._release(row.id, None))
            raise
        except Exception as error:
            await self._failed(row.id, error)
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _heartbeat(self, import_id: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(DBAPIError):
                await self._release(import_id, utc_now() + LEASE)

    async def _release(self, import_id: str, until: Any) -> None:
        async with self._database.transaction() as session:
            await repository.lease(session, import_id, until)

    async def _failed(self, import_id: str, error: Exception) -> None:
        """What broke is tried again from where it was; what breaks thrice at one place ends the import."""
        log.error("import.broke", import_id=import_id, error=type(error).__name__, where=_where(error))
        async with self._database.transaction() as session:
            row = await repository.find(session, import_id)
            if row is None or row.state not in (State.CHECKING, State.RUNNING, State.UNDOING):
                return
            at, times = self._failures.get(import_id, (row.cursor, 0))
            times = times + 1 if at == row.cursor else 1
            self._failures[import_id] = (row.cursor, times)
            lasting = isinstance(error, OSError | PersonalDataError)
            if times < _ATTEMPTS and not lasting:
                row.lease_until = utc_now() + _PAUSE
                return
            row.state = State.UPLOADED if row.state == State.CHECKING else State.FAILED
            row.problem = _problem(error)
            row.finished_at, row.lease_until, row.cancel = utc_now(), None, False
        self._failures.pop(import_id, None)

    async def _work(self, row: Import) -> None:
        claims = claims_of_actor(row.actor or {})
        if row.state == State.UNDOING:
            await undo_all(self._database, self._personal, row, claims)
            return
        setting = await self._setting(row, claims)
        layout = Layout(**row.layout)
        rows = max(row.rows_total - row.cursor, 0) or 1
        processes = processes_for(rows, BATCH) if self._processes is None else self._processes
        run = Run(self._database, self._personal, setting, processes)
        with await asyncio.to_thread(self._files.open, row.id, part_of(layout)) as file:
            if setting.dry:
                check = _Check(self._database, row)
                await check.end(claims, await run.go(file, layout, 0, check.take))
                return
            taker = _Take(self._database, row, setting)
            tables = taking.TABLES if processes else ()
            async with undisturbed(self._database, tables):
                await taker.end(claims, await run.go(file, layout, row.cursor, taker.take))
        # The rows are in and found; what follows makes questions quick, and the next list need not wait.
        finishing = asyncio.create_task(self._finish(taker, tables), name="import-finishing")
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)

    async def _finish(self, taker: "_Take", tables: Sequence[str]) -> None:
        try:
            async with undisturbed(self._database, tables):
                await taker.settle()
            await taker.refresh_statistics()
        except DBAPIError as error:
            log.warning("import.finishing_broke", error=type(error).__name__)  # autovacuum does it later

    async def _setting(self, row: Import, claims: Claims) -> Setting:
        async with self._database.transaction() as session:
            divisions = {r.code: r.name for r in await regions.all_regions(session)}
            if row.state == State.CHECKING:
                await repository.clear_remarks(session, row.id)
        return Setting(
            import_id=row.id,
            source=row.source,
            mapping=tuple(row.mapping),
            org=row.org_code,
            region=row.region_code,
            by=claims.sub,
            by_name=claims.name,
            stamp=row.stamp or utc_now(),
            divisions=divisions,
            ring=self._personal.ring,
            dry=row.state == State.CHECKING,
        )


def _linked_anew(row: Import, touched: int) -> bool:
    """Whether all links are made anew at the end: they follow at once while a list changes little."""
    return touched > FOLLOWED_ROWS or row.links == Links.WANTED


class _Take:
    """Writes batches, each in one transaction with the import's cursor and counts."""

    def __init__(self, database: Database, row: Import, setting: Setting) -> None:
        self._database, self._id, self._setting = database, row.id, setting
        self._settling = Settling(database, taking.SEARCH_INDEXES, _PORTION)
        self._counts = Counts(
            row.rows, row.created, row.updated, row.unchanged, row.doubled, row.error_count,
            row.warning_count, dict(row.tallies),
        )  # fmt: skip

    async def take(self, batch: Sorted, prepared: Prepared) -> bool:
        """Write a batch; False when the import was stopped, or somebody else is further already."""
        room = KEPT_REMARKS - self._counts.error_count - self._counts.warning_count
        stamp = self._setting.stamp
        self._counts.add(batch, prepared)
        async with self._database.transaction() as session:
            row = await repository.working(session, self._id, State.RUNNING)
            if row is None or row.cancel:
                return False
            if row.cursor > batch.after:
                raise RuntimeError("another process took these records in")
            linked_anew = _linked_anew(row, self._counts.created + self._counts.updated)
            await taking.write(session, stamp, prepared, linked_anew=linked_anew)
            stale = [row for row in batch.unchanged if row.last_seen < stamp - _SEEN_ANEW]
            if stale:
                await taking.seen(session, stamp, [row.id for row in stale], [row.no for row in stale])
            await taking.add_remarks(session, self._id, prepared.remarks[: max(room, 0)])
            if linked_anew:
                row.links = Links.WANTED
            else:
                await linking.changed(session, prepared.nos)
            await repository.advance(
                session,
                self._id,
                State.RUNNING,
                {**asdict(self._counts), "cursor": batch.last, "updated_at": utc_now()},
            )
        if prepared.nos:
            self._settling.written()
        return True

    async def end(self, claims: Claims, whole: bool) -> None:
        """The file is at its end, or the import was stopped."""
        state = State.DONE if whole else State.CANCELLED
        async with self._database.transaction() as session:
            row = await repository.working(session, self._id, State.RUNNING)
            if row is None:
                return
            row.state, row.cancel, row.lease_until, row.problem = state, False, None, None
            row.finished_at = row.updated_at = utc_now()
            row.rows_total = max(row.cursor, row.rows_total) if whole else row.rows_total
            after = {
                name: getattr(row, name)
                for name in ("rows", "created", "updated", "unchanged", "error_count")
            }
            await record(
                session, claims, event=f"import.{state}", object_type="import", object_id=row.id, after=after
            )

    async def settle(self) -> None:
        """Sort in the grams that wait."""
        await self._settling.end()

    async def refresh_statistics(self) -> None:
        """After a long list, let the planner know it."""
        if self._counts.created + self._counts.updated > FOLLOWED_ROWS:
            async with self._database.transaction() as session:
                await taking.refresh_statistics(session)


class _Check:
    """The dry run: counts and samples, and nothing written but the remarks."""

    def __init__(self, database: Database, row: Import) -> None:
        self._database, self._id = database, row.id
        self._counts, self._samples = Counts(), list[dict[str, Any]]()

    async def take(self, batch: Sorted, prepared: Prepared) -> bool:
        """Count a batch; False when the dry run was stopped."""
        room = KEPT_REMARKS - self._counts.error_count - self._counts.warning_count
        self._counts.add(batch, prepared)
        self._samples += prepared.samples[: _SAMPLES - len(self._samples)]
        async with self._database.transaction() as session:
            await taking.add_remarks(session, self._id, prepared.remarks[: max(room, 0)])
            plan = {"rows": self._counts.rows, "at": batch.last}
            stop = await repository.advance(session, self._id, State.CHECKING, {"plan": plan})
        return stop is False

    async def end(self, claims: Claims, whole: bool) -> None:
        """Keep what was found."""
        async with self._database.transaction() as session:
            row = await repository.working(session, self._id, State.CHECKING)
            if row is None:
                return
            row.state = State.CHECKED if whole else State.UPLOADED
            row.plan = {**asdict(self._counts), "samples": self._samples} if whole else None
            row.cancel, row.lease_until, row.problem = False, None, None
            row.updated_at = utc_now()


def claims_of_actor(actor: dict[str, Any]) -> Claims:
    """Who started the work, as kept with the import: for the rows, the history and the audit."""
    return Claims(
        sub=actor.get("sub", "service:registry"),
        name=actor.get("name", "registry"),
        org=actor.get("org", ""),
        org_name=actor.get("org_name", ""),
        region=actor.get("region", "000000"),
        roles=frozenset(actor.get("roles", ())),
        request_id=actor.get("request_id", ""),
        client_ip=actor.get("client_ip", ""),
    )


def actor_of(claims: Claims) -> dict[str, Any]:
    """What is kept of who starts the work."""
    return {
        "sub": claims.sub,
        "name": claims.name,
        "org": claims.org,
        "org_name": claims.org_name,
        "region": claims.region,
        "roles": sorted(claims.roles),
        "request_id": claims.request_id,
        "client_ip": claims.client_ip,
    }


def _problem(error: Exception) -> dict[str, Any]:
    number = new_id()
    log.error("import.failed", number=number, error=type(error).__name__)
    if isinstance(error, OSError | PersonalDataError):
        zh, en = "保存的原始文件已损坏或无法读取", "the kept file is damaged or cannot be read"
        return {"code": "import.file_damaged", "zh": zh, "en": en, "number": number}
    zh, en = (
        "多次尝试后仍未完成，已入库的行保持不变，可继续或撤销",
        "it kept failing; rows taken stay, go on or undo",
    )
    return {"code": "import.failed", "zh": zh, "en": en, "number": number}


def _where(error: Exception) -> list[str]:
    """Where it broke, for the log. Never the message: it may name a value of the list."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return [*places, f"SQLSTATE {state}"] if state else places
