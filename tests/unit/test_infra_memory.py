"""How much memory the embedded PostgreSQL reckons with."""

import os
from pathlib import Path

import pytest

from infra.embedded import postgres

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("536870912\n", 536_870_912),
        ("max\n", MACHINE),
        ("9223372036854771712\n", MACHINE),  # control groups version 1 without a limit
        (None, MACHINE),
    ],
)
def test_a_container_has_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, expected: int
) -> None:
    file = tmp_path / "memory.max"
    if told is not None:
        file.write_text(told)
    monkeypatch.setattr(postgres, "_CONTAINER_LIMITS", (tmp_path / "none", file))
    assert postgres.memory() == expected
