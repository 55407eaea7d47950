"""Imports in the background of the service."""

from services.common.recurring import Recurring
from services.registry.imports.runner import ImportRunner

EVERY_SECONDS = 2.0


class ImportJobs(Recurring):
    """Looks for imports that wait or were cut short; one under way goes on after a restart."""

    def __init__(self, runner: ImportRunner) -> None:
        super().__init__("import", runner.run_all, lambda: EVERY_SECONDS)
        self._runner = runner

    async def stop(self) -> None:
        """Stop; what was cut short goes on at the next start."""
        await super().stop()
        await self._runner.stop()
