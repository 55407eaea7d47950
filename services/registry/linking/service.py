"""Use cases of the linking: follow a change, follow a ruling, catch up with what was put off."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Database
from services.registry.linking import rebuilding, repository
from services.registry.linking.following import follow
from services.registry.linking.rebuilding import Progress, Rebuilt, Tell

__all__ = ["Keeper", "Progress", "Rebuilt", "catch_up", "changed", "rebuild", "values_changed", "warm"]

_AT_ONCE = 200
"""Shops followed in one transaction when catching up."""
_MANY = 5_000
"""With more changes than this waiting, everything is rebuilt: it takes less time than following them."""


async def changed(session: AsyncSession, presence_nos: Sequence[int]) -> None:
    """Let values and clusters follow what changed at these shops, in the caller's transaction.

    Call it last in the transaction: it takes its turn among all who change something. While everything is
    being rebuilt the shops are marked instead, and the rebuild ends by looking at them.
    """
    nos = sorted({int(no) for no in presence_nos})
    if not nos:
        return
    await session.flush()
    if not await follow(session, nos):
        await repository.later(session, nos)


async def values_changed(session: AsyncSession, values: Sequence[tuple[int, int]]) -> None:
    """Let values and clusters follow officers' rulings on these (kind, key), in the caller's transaction."""
    if not values:
        return
    await session.flush()
    given = [(int(kind), int(key)) for kind, key in values]
    if not await follow(session, (), given):
        await repository.later_values(session, given)


async def rebuild(database: Database, tell: Tell = lambda progress: None) -> Rebuilt:
    """Judge every value and group every shop anew, then follow what changed meanwhile.

    Cancel the task to stop: nothing is changed then.
    """
    rebuilt = await rebuilding.rebuild(database, tell)
    await catch_up(database)
    return rebuilt


async def catch_up(database: Database) -> int:
    """Follow the changes nobody followed yet, a few shops at a time; gives how many shops that were."""
    done = 0
    while True:
        async with database.transaction() as session:
            nos = await repository.waiting(session, _AT_ONCE)
            if not nos or not await follow(session, nos):
                return done
        done += len(nos)


async def warm(database: Database) -> None:
    """Have the database read once what following a change reads here and there: until then pages come from
    files, one by one, and a change beside many shops takes twice as long. Seconds at ten million shops."""
    async with database.transaction() as session:
        await repository.read_through(session)


class Keeper:
    """Looks now and again for changes nobody followed, such as a list that was imported."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = 0
        self._current = False

    async def look(self) -> None:
        """Follow what waits; when much does, rebuild once no more comes; and first when the rule is new.

        The first time, and after a rebuild, everything is read once.
        """
        async with self._database.transaction() as session:
            waiting, last = await repository.backlog(session, _MANY)
            outdated = not self._current and await repository.outdated(session)
        rebuilt = outdated or (waiting >= _MANY and last == self._last)
        if rebuilt:
            await rebuild(self._database)
        elif 0 < waiting < _MANY:
            await catch_up(self._database)
        if rebuilt or not self._current:
            await warm(self._database)
        self._last, self._current = last, True
