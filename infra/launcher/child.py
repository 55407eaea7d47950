"""What the launcher knows about one child process: how to start it, when it is ready, how to stop it."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from infra.launcher.probes import Probe


@dataclass(frozen=True)
class Child:
    """One process of the platform. Stages start upwards and stop downwards; within a stage all at once."""

    name: str
    zh: str
    argv: Callable[[], Sequence[str]]
    """Asked at every start, after `prepare`."""
    env: Mapping[str, str]
    stage: int
    ready: Probe
    prepare: Callable[[], None] | None = None
    """Called in a thread before every start; may raise Refused."""
    ready_seconds: float = 600.0
    """How long it may take to become ready before it is killed and started again."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    """How long it may take to stop before it is killed."""
    bare: bool = False
    """Whether `argv` already asks for a signal at its parent's death (databases do it themselves)."""

    def command(self) -> tuple[str, ...]:
        """Command line that ends with its parent: PR_SET_PDEATHSIG by util-linux's setpriv."""
        argv = tuple(self.argv())
        return argv if self.bare else ("setpriv", "--pdeathsig", "TERM", "--", *argv)


@dataclass
class Status:
    """What happens to one child at the moment."""

    state: str = "waiting"
    """waiting, starting, ready, restarting, stopping, stopped."""
    pid: int | None = None
    restarts: int = 0
    since: float = 0.0
    """Seconds since the epoch of the last change of state."""
    log: str = ""
