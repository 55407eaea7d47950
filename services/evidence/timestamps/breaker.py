"""The circuit breaker of one authority: a slow or hung one costs an item its time-out once, not every item.

Pure: times are given in, in seconds of any clock that never goes back. An authority that fails at once
(connection refused, a bad answer) is asked again each time, because asking costs nothing.
"""

from dataclasses import dataclass

SLOW_SECONDS = 0.5
"""A failure that took longer opens the breaker."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0


@dataclass
class Breaker:
    """Closed: asked. Open: left alone until its pause is over; then one question at a time tries it."""

    pause: float = 0.0
    until: float = 0.0
    trying: bool = False

    def state(self, now: float) -> str:
        """`closed`, `open` or `half-open`."""
        if not self.pause:
            return "closed"
        return "open" if now < self.until or self.trying else "half-open"

    def admit(self, now: float) -> bool:
        """Whether a question may go out now; when half-open, this one is the trial."""
        state = self.state(now)
        if state == "half-open":
            self.trying = True
        return state != "open"

    def succeeded(self) -> None:
        """An answer came in time."""
        self.pause, self.until, self.trying = 0.0, 0.0, False

    def failed(self, took: float, now: float) -> None:
        """No answer after `took` seconds."""
        if took >= SLOW_SECONDS or self.pause:
            longer = self.pause * 2 if self.trying or not self.pause else self.pause
            self.pause = min(max(longer, FIRST_PAUSE), LONGEST_PAUSE)
            self.until = now + self.pause
        self.trying = False

    def abandoned(self) -> None:
        """A trial was cancelled before anything came of it."""
        self.trying = False
