"""Sorting records while earlier batches are written."""

from typing import Any

import pytest

from services.common.clock import utc_now
from services.common.personal import KeyRing, PersonalData
from services.registry.imports.reading.tables import Record
from services.registry.imports.taking import repository
from services.registry.imports.taking.batches import Setting
from services.registry.imports.taking.sorting import Sorted, Sorter

RING = KeyRing({1: b"\x01" * 32}, 1, b"\x03" * 32)
LICENCE = "91330106673959654P"


async def test_a_subject_written_while_the_database_is_asked_is_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mapping = ("id", "name", "licence")
    setting = Setting("i", "s", mapping, "360100-SJ", "360100", "u", "u", utc_now(), {}, RING)
    sorter = Sorter(setting, PersonalData(RING))
    written: list[Sorted] = []

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    async def none_yet(*_: Any) -> dict[str, str]:
        for batch in written:  # committed after the question was answered, before the answer is here
            sorter.written(batch)
        return {}

    async def numbers(_: Any, table: str, count: int) -> list[int]:
        return list(range(1, count + 1))

    monkeypatch.setattr(repository, "by_index", nothing)
    monkeypatch.setattr(repository, "fingerprints", nothing)
    monkeypatch.setattr(repository, "subject_ids", none_yet)
    monkeypatch.setattr(repository, "numbers", numbers)
    session: Any = None
    made = []
    for number in (1, 2):
        items = sorter.items([Record(number, 1, [str(number), f"店{number}", LICENCE])])
        known, batch = await sorter.sort(session, items, number - 1)
        made.append(batch)
        written.append(known)
    assert made[0].subjects == made[1].subjects
    assert (made[0].shared, made[1].shared) == (set(), {LICENCE})
