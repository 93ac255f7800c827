"""Counts in words."""

from __future__ import annotations

import pytest

from storage.counted import counted


@pytest.mark.parametrize(("count", "told"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1204, "1,204 rows")])
def test_a_count_and_its_noun_fit(count: int, told: str) -> None:
    assert counted(count, "row") == told
