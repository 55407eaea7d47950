"""Renewal by itself: the evidence process looks every few hours for what is due."""

import structlog

from services.common.problems import Problem
from services.common.recurring import Recurring
from services.evidence.renewals.service import Renewer
from services.evidence.runtime import Runtime

log = structlog.get_logger()

EVERY_SECONDS = 6 * 3600.0
_FIRST_SECONDS = 60.0


class RenewalJobs(Recurring):
    """Runs the renewer, first a minute from the start: sealing that was interrupted goes before it.

    days: how long before its end a proof of time is renewed.
    """

    def __init__(self, runtime: Runtime, days: int) -> None:
        super().__init__("renewal", self.run_once, lambda: EVERY_SECONDS, first=_FIRST_SECONDS)
        self._runtime, self._days = runtime, days

    async def run_once(self) -> int:
        """Renew what is due; gives how many. What no authority answers for waits for the next time."""
        try:
            outcome = await Renewer.of(self._runtime).run(self._days)
        except Problem as problem:
            log.warning("renewal.waits", code=problem.code, error=problem.en)
            return 0
        if outcome.count:
            self._runtime.log.wake(urgent=False)
            log.info("renewal.done", **{kind: len(ids) for kind, ids in outcome.renewed.items()})
        for evidence_id, reason in outcome.failed.items():
            log.error("renewal.not_possible", evidence_id=evidence_id, reason=reason)
        return outcome.count
