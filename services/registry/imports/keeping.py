"""保存期限 how long files as received are kept: a list of shops is a list of people's telephone numbers.

What was taken from a file, its SHA-256, the remarks and the history stay; undoing needs no file. One that was
never taken in, or was stopped, can then only be uploaded again.
"""

from datetime import timedelta
from typing import Final

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.recurring import Recurring
from services.registry.imports import repository
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.runner import claims_of_actor

EVERY_SECONDS: Final = 24 * 3600.0
FIRST_SECONDS: Final = 60.0
_AT_ONCE: Final = 200


class FileKeeping(Recurring):
    """Removes once a day the files whose time is over. days: since the last work on an import; 0: never."""

    def __init__(self, database: Database, files: KeptFiles, days: int) -> None:
        super().__init__("import.files", self.run, lambda: EVERY_SECONDS, FIRST_SECONDS)
        self._database, self._files, self._days = database, files, days

    async def run(self) -> int:
        """Remove what is overdue now; gives how many imports lost their file."""
        removed = 0
        while self._days:
            now = utc_now()
            async with self._database.transaction() as session:
                overdue = await repository.take_overdue(
                    session, now - timedelta(days=self._days), now, _AT_ONCE
                )
                for import_id, org, region in overdue:
                    keeper = claims_of_actor({"org": org, "region": region})
                    await record(
                        session,
                        keeper,
                        event="import.file_removed",
                        object_type="import",
                        object_id=import_id,
                        after={"days": self._days},
                    )
                    # Before the commit: what is marked as removed is gone, and removing twice does no harm.
                    self._files.remove(import_id)
            removed += len(overdue)
            if len(overdue) < _AT_ONCE:
                break
        return removed
