"""Use cases of changing keys. Both can be stopped at any moment and go on when they are called again."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.common.database import Database
from services.common.personal import PersonalData, PersonalDataError
from services.common.personal_keys import (
    REFRESH_SECONDS,
    SEAL,
    key_file,
    make_wrapping_key,
    personal_data,
    wrapping_key,
)
from services.registry.imports.reading.kept import KeptFiles
from services.registry.rekey import repository
from services.registry.rekey.files import key_of_file, keys_of_files, sealed_files
from services.registry.rekey.rules import SEALED, SealedColumn

Progress = Callable[[str, int, int], None]
NAME_BYTES = 8


@dataclass
class Resealed:
    """What a change of the data key did."""

    current: int
    rows: int = 0
    files: int = 0
    unreadable: int = 0
    destroyed: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


async def rewrap(database: Database) -> int:
    """Wrap every data key under a new key-encryption key and remove the old file; gives the number of keys.

    The new file is on disk before the transaction, the old one goes after it: at any moment the file that the
    rows name is there. Raises KeyUnreadableError.
    """
    async with database.transaction() as session:
        rows = await repository.wrapped(session)
        new = await asyncio.to_thread(make_wrapping_key)
        old = {bytes(row.wrapped[:NAME_BYTES]) for row in rows}
        for row in rows:
            blob = bytes(row.wrapped)
            key = wrapping_key(blob[:NAME_BYTES]).unwrap(blob, row.id, row.purpose)
            await repository.rewrap(session, row.id, new.wrap(key, row.id, row.purpose))
    for name in old:
        key_file(name).unlink(missing_ok=True)
    return len(rows)


async def reseal(
    database: Database,
    folder: Path,
    progress: Progress,
    *,
    fresh: bool = True,
    wait: float = 2 * REFRESH_SECONDS,
) -> Resealed:
    """Seal every personal value anew under a new data key, in the tables and in the imported files.

    folder: of the imported files; fresh: begin with a new key, unless a change under way was interrupted
    (then that one is finished); wait: seconds until every running process has read the new key. Old keys are
    retired, and destroyed by a later call once nothing can still be sealed with them. Raises
    KeyUnreadableError.
    """
    await personal_data(database)
    await _begin(database, fresh=fresh, wait=wait)
    personal = await _when_active(database, progress)
    done = Resealed(current=personal.ring.current)
    for column in SEALED:
        changed, unreadable = await _reseal_column(database, personal, column, progress)
        done.rows, done.unreadable = done.rows + changed, done.unreadable + unreadable
    await asyncio.to_thread(_reseal_files, personal, folder, progress, done)
    async with database.transaction() as session:
        used = await asyncio.to_thread(keys_of_files, folder)
        for column in SEALED:
            used |= await repository.keys_in_use(session, column)
        await repository.retire(session, done.current)
        unused = [number for number in personal.ring.data if number not in used | {done.current}]
        done.destroyed = await repository.destroy_retired(session, unused)
        done.kept = sorted(set(personal.ring.data) - {done.current} - set(done.destroyed))
    return done


async def _begin(database: Database, *, fresh: bool, wait: float) -> None:
    async with database.transaction() as session:
        rows = [row for row in await repository.wrapped(session) if row.purpose == SEAL]
        under_way = sum(row.retired_at is None for row in rows) > 1
        if under_way or not fresh:
            return
        every = await repository.wrapped(session)
        under = wrapping_key(bytes(every[-1].wrapped[:NAME_BYTES]))
        number = max(row.id for row in every) + 1
        await repository.add_key(await session.connection(), under, number, wait)


async def _when_active(database: Database, progress: Progress) -> PersonalData:
    while True:
        async with database.transaction() as session:
            left = await repository.waiting(session)
        if not left:
            return await personal_data(database)
        progress("wait", 0, round(left))
        await asyncio.sleep(min(left, 1.0) + 0.05)


async def _reseal_column(
    database: Database, personal: PersonalData, column: SealedColumn, progress: Progress
) -> tuple[int, int]:
    """One pass over a table; rows written by others meanwhile are sealed under the new key by them.

    Gives the number of rows sealed anew and of those that do not open, which stay as they are.
    """
    async with database.transaction() as session:
        length = await repository.blocks(session, column)
    changed = unreadable = 0
    for first in range(0, length, repository.BLOCKS):
        async with database.transaction() as session:
            rows = await repository.reseal_rows(session, column, first, personal.head)
            anew = [(ctid, sealed) for ctid, sealed in _anew(personal, rows) if sealed]
            if anew:
                await repository.write_back(session, column, anew)
        changed, unreadable = changed + len(anew), unreadable + len(rows) - len(anew)
        progress(column.table, min(first + repository.BLOCKS, length), length)
    return changed, unreadable


def _reseal_files(personal: PersonalData, folder: Path, progress: Progress, done: Resealed) -> None:
    kept = KeptFiles(folder, personal)
    names = sealed_files(folder)
    for number, (import_id, part) in enumerate(names, start=1):
        if key_of_file(kept.path(import_id, part)) != personal.ring.current:
            try:
                kept.seal_anew(import_id, part)
                done.files += 1
            except (OSError, PersonalDataError):
                done.unreadable += 1
        progress("imports", number, len(names))


def _anew(
    personal: PersonalData, rows: Sequence[tuple[str, str, bytes]]
) -> Iterator[tuple[str, bytes | None]]:
    for ctid, about, old in rows:
        try:
            yield ctid, personal.seal(personal.open(old, about), about)
        except PersonalDataError:
            yield ctid, None
