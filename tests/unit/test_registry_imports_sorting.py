"""Sorting records while earlier batches are written."""

from collections.abc import Callable
from typing import Any

import pytest

from services.common.clock import utc_now
from services.common.personal import KeyRing, PersonalData
from services.registry.imports.reading.tables import Record
from services.registry.imports.taking import repository
from services.registry.imports.taking.batches import Batch, Setting
from services.registry.imports.taking.sorting import Sorted, Sorter

RING = KeyRing({1: b"\x01" * 32}, 1, b"\x03" * 32)
LICENCE = "91330106673959654P"


@pytest.fixture
def sorter() -> Sorter:
    mapping = ("id", "name", "licence")
    setting = Setting("i", "s", mapping, "360100-SJ", "360100", "u", "u", utc_now(), {}, RING)
    return Sorter(setting, PersonalData(RING))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the database is asked for subjects; it has none."""
    meanwhile: list[Callable[[], None]] = []

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    async def none_yet(*_: Any) -> dict[str, str]:
        for happens in meanwhile:
            happens()
        return {}

    async def numbers(_: Any, table: str, count: int) -> list[int]:
        return list(range(1, count + 1))

    monkeypatch.setattr(repository, "by_index", nothing)
    monkeypatch.setattr(repository, "fingerprints", nothing)
    monkeypatch.setattr(repository, "subject_ids", none_yet)
    monkeypatch.setattr(repository, "numbers", numbers)
    return meanwhile


async def sort(sorter: Sorter, number: int) -> tuple[Sorted, Batch]:
    """A batch of one shop with the licence."""
    session: Any = None
    items = sorter.items([Record(number, 1, [str(number), f"店{number}", LICENCE])])
    return await sorter.sort(session, items, number - 1)


async def test_a_subject_written_while_the_database_is_asked_is_the_same_one(
    sorter: Sorter, asked: list[Callable[[], None]]
) -> None:
    first, one = await sort(sorter, 1)
    # Committed after the question was answered, before the answer is here.
    asked.append(lambda: sorter.written(first))
    _, other = await sort(sorter, 2)
    assert one.subjects == other.subjects
    assert (one.shared, other.shared) == (set(), {LICENCE})


async def test_a_subject_its_first_batch_did_not_make_is_that_of_the_next(
    sorter: Sorter, asked: list[Callable[[], None]]
) -> None:
    assert not asked
    first, one = await sort(sorter, 1)  # its row turns out to be unusable: it makes no subject
    second, other = await sort(sorter, 2)
    sorter.written(first)
    third, another = await sort(sorter, 3)
    assert one.subjects == other.subjects == another.subjects
    assert other.shared == another.shared == {LICENCE}
    sorter.written(second)
    sorter.written(third)
    _, last = await sort(sorter, 4)  # nothing under way names it, and the database has none
    assert last.subjects != one.subjects and not last.shared
