"""An endpoint under load through many swaps: no request fails, and each answer names exactly one digest."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from runners.actions import models
from storage.shed import open_shed
from tests.served import RECORD, endpoint, probability, version_of
from tests.waiting import until

CLIENTS = 32


@pytest.mark.parametrize("swaps", [10, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_no_request_fails_through_many_swaps(tmp_path: Path, swaps: int) -> None:
    shed = open_shed(tmp_path / "shed")
    first, second = version_of(shed, 0.0, alias="other"), version_of(shed, 1.0)
    wanted = {first.digest: probability(RECORD), second.digest: probability(RECORD, 1.0)}
    ended = threading.Event()
    wrong: list[str] = []
    answers = [0] * CLIENTS

    with endpoint(shed) as (started, client):

        def ask(place: int) -> None:
            with httpx.Client(base_url=started.url, headers=client.headers, timeout=20) as own:
                while not ended.is_set():
                    try:
                        found = own.post("/predict", json=RECORD).raise_for_status().json()
                        right = abs(found["prediction"]["probability"] - wanted[found["digest"]]) < 1e-6
                    except (httpx.HTTPError, KeyError) as err:
                        wrong.append(repr(err))
                        continue
                    answers[place] += 1
                    if not right:
                        wrong.append(str(found))

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for swap in range(swaps):
                number = 1 + swap % 2
                if number == 1:
                    models.promote(shed, "delays", "v1", override="a test")
                else:
                    models.roll_back(shed, "delays", "a test")
                until(lambda number=number: client.get("/health").json()["version"] == number)  # type: ignore[misc]
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    assert wrong == [] and min(answers) > 0
