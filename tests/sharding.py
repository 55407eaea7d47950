"""How `make test` spreads the tests over processes: by file, and all tests of the shared platform together.

Each process has a PostgreSQL, a Redis and a home of its own, because each reads conftest.py for itself.
"""

import os

import pytest
from xdist.scheduler.loadgroup import LoadGroupScheduling

MOST_PROCESSES = 4
"""Beyond that each further PostgreSQL and Chromium costs more memory than it saves time."""


class ByFile(LoadGroupScheduling):
    """A marked group goes to one process, and so does every file, whose module fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        group = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if group == nodeid else group


def pytest_xdist_make_scheduler(config: pytest.Config) -> ByFile:
    """The scheduler of `-n`."""
    return ByFile(config)


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: one process a core; on a machine with one core, the ordinary run."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, MOST_PROCESSES) if cores > 1 else 0


@pytest.hookimpl(tryfirst=True)  # the scheduler reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the shared platform form one group, those of the S3 server another: each starts once."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()) and _is_shared(item):
            item.add_marker(pytest.mark.xdist_group("platform"))
        elif item.get_closest_marker("s3"):
            item.add_marker(pytest.mark.xdist_group("s3"))


def _is_shared(item: pytest.Item) -> bool:
    """Whether its `stack` is the platform of tests/stack.py, not a fixture of its own file by that name."""
    found = item.session._fixturemanager.getfixturedefs("stack", item)
    return bool(found) and found[-1].scope == "session"
