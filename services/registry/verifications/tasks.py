"""Running verification plans in the background of the registry: due checks are written down once a day."""

from typing import Final

from services.common.database import Database
from services.common.recurring import Recurring
from services.registry.verifications import planning

EVERY_SECONDS: Final = 60.0


class VerificationPlans(Recurring):
    """Runs plans that are due or were asked for; a round cut short goes on where it stopped."""

    def __init__(self, database: Database) -> None:
        super().__init__("verifications.plans", self.run, lambda: EVERY_SECONDS)
        self._database = database

    async def run(self) -> None:
        """Run all plans that are due, chunk by chunk."""
        while await planning.run_chunk(self._database):
            pass
