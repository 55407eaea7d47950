"""Running sweeps inside the evidence service, which is where the objects are; the table says when."""

from services.common.recurring import Recurring
from services.evidence.sweeps.runner import SweepRunner

EVERY_SECONDS = 5.0


class SweepJobs(Recurring):
    """Looks for sweeps that were asked for or were cut short; one under way goes on after a restart."""

    def __init__(self, runner: SweepRunner) -> None:
        super().__init__("sweep", runner.run_next, lambda: EVERY_SECONDS)
