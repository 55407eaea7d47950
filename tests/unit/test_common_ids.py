"""Identifiers made one by one and many at once."""

import pytest
from ulid import ULID

from services.common.ids import new_id, new_ids


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_many_ids_are_ulids_of_this_moment_in_order(count: int) -> None:
    before = ULID.from_str(new_id())
    made = new_ids(count)
    after = ULID.from_str(new_id())
    assert len(set(made)) == count and made == sorted(made)
    for one in map(ULID.from_str, made):
        assert before.milliseconds <= one.milliseconds <= after.milliseconds
    if count > 1:  # every random digit varies: none is filled up
        assert all(len({one[place] for one in made}) == 32 for place in range(10, 26))
