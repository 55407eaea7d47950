"""How `make test` spreads the tests over processes: by file, and all of tests/e2e together.

Each process has a PostgreSQL, a Redis and a home of its own, because each reads conftest.py for itself.
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadfile import LoadFileScheduling

MOST_PROCESSES = 4
"""Beyond that each further PostgreSQL and Chromium costs more memory than it saves time."""
PLATFORM = "tests/e2e"
"""The tests here use one running platform (tests/stack.py): in one process, so that it starts once."""


class ByFile(LoadFileScheduling):
    """A file goes to one process, so that its module fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return PLATFORM if file.startswith(PLATFORM + "/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """The scheduler of `-n`; it speaks with `--debug` only."""
    return ByFile(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: one process a core; on a machine with one core, the ordinary run."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, MOST_PROCESSES) if cores > 1 else 0
