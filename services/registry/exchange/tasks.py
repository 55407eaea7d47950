"""Comparing hashes of other regions in the background of the registry; the table says what is to be done."""

from typing import Final

import structlog

from services.common.database import Database
from services.common.personal import PersonalData, PersonalDataError
from services.common.problems import Problem
from services.common.recurring import Recurring
from services.registry.exchange import comparing, repository
from services.registry.exchange.comparing import Theirs
from services.registry.exchange.models import Exchange

log = structlog.get_logger()

EVERY_SECONDS: Final = 5.0
PARTS_AT_ONCE: Final = 4
"""Parts of an exchange that are compared in one pass over our shops: as many rows lie in memory at most."""


class Comparisons(Recurring):
    """Compares what waits, some thousand shops a transaction; one cut short goes on where it was."""

    def __init__(self, database: Database, personal: PersonalData) -> None:
        super().__init__("exchange.comparisons", self.run, lambda: EVERY_SECONDS)
        self._database, self._personal = database, personal
        self._read: tuple[list[int], Theirs] = ([], {})

    async def run(self) -> None:
        """Compare until nothing is open; an exchange that ended meanwhile ends its comparisons."""
        while await self._step():
            pass
        self._read = ([], {})

    async def _step(self) -> bool:
        async with self._database.transaction() as session:
            parts = await repository.open_together(session, PARTS_AT_ONCE)
            if not parts:
                return False
            numbers = [part.message_id for part in parts]
            exchange = await session.get_one(Exchange, parts[0].exchange_id)
            try:
                if self._read[0] != numbers:
                    self._read = (numbers, comparing.theirs(self._personal, parts))
                await comparing.compare_next(session, self._personal, exchange, parts, self._read[1])
            except (Problem, PersonalDataError) as error:
                # The exchange is over, or its hashes do not open: matches stay, what came in is forgotten.
                log.warning("exchange.comparison_stopped", exchange_id=exchange.id, exc_info=error)
                await repository.stop_comparisons(session, exchange.id)
        return True
