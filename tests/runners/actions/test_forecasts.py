"""When a run starts, as whoever has just launched it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions.forecasts import starts_in
from storage.shed import open_shed
from tests.scenes import run_of


@pytest.mark.parametrize("status", ["running", "done"])
def test_a_run_that_the_agent_has_taken_already_starts_now(tmp_path: Path, status: str) -> None:
    shed = open_shed(tmp_path / "shed")
    found = starts_in(shed, run_of(shed, status=status).id or 0)
    assert found is not None and found.low == found.likely == found.high == 0.0
