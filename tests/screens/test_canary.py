"""A canary of a real endpoint, from the keys that begin it to its end: given up by a person, promoted by itself."""

from __future__ import annotations

import httpx
import pytest

from runners.actions import canaries
from screens.serving import Serving
from storage.shed import Shed
from storage.write import models as write_models
from tests.asking import RECORDS, Asking
from tests.screens.driving import driving
from tests.served import endpoint, version_of

QUICK = {"percent": 40.0, "minutes": 0.01, "min_requests": 60, "max_slower": 1000.0, "max_shift": 0.9}


@pytest.mark.parametrize("size", [(80, 24)])
async def test_a_canary_is_begun_watched_given_up_and_the_next_one_promotes_itself(
    shed: Shed, size: tuple[int, int]
) -> None:
    first = version_of(shed)
    second = version_of(shed, 0.01, alias="candidate")
    with endpoint(shed, settings={"canary": QUICK}) as (_, client):
        async with driving(shed, size=size) as driven:
            await driven.press("6")
            assert isinstance(driven.app.screen, Serving)
            await driven.sees("● serving", "delays v1")
            await driven.press("c")
            await driven.sees("try another version", "candidate", "as [serve.canary] says")
            await driven.press("enter")
            await driven.sees("V2 has not passed the gate")  # and nothing has begun
            write_models.judge(shed, second.id or 0, None, passed=True, evidence={})
            await driven.press("c")
            await driven.sees("try another version")
            await driven.press("enter")
            await driven.sees("● canary v2", "40 %")
            await driven.until(lambda: _versions(client) == {1, 2})
            await driven.sees("v1 its own", "v2 canary", "0 errors", "p50", "p99", "apart, at most 0.9")
            await driven.press("A")
            await driven.sees("give up v2", "It is asked nothing any more", "why, for the history")
            await driven.type("enough")
            await driven.press("ctrl+y")
            await driven.sees("✗ canary v2", "aborted just now", ": enough")
            await driven.until(lambda: _versions(client) == {1})
            with Asking(client, {first.digest: 0.0, second.digest: 0.01}) as asking:
                await driven.press("c")
                await driven.sees("try another version")
                await driven.press("enter")
                await driven.sees("✓ canary v2", "promoted just now", "requests beside", "delays v2")
            assert not asking.failed and {right for _, right in asking.answers} == {True}
            assert all(len(text.rstrip()) <= size[0] for text in driven.lines)
    assert [each.verdict for each in canaries.history(shed, "delays")] == ["promoted", "aborted"]


def _versions(client: httpx.Client) -> set[int]:
    """Who answers: few enough requests that nothing can be judged by them."""
    return {client.post("/predict", json=RECORDS[place % 9]).json()["version"] for place in range(12)}
