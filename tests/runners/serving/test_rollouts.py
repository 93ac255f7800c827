"""A second version beside an endpoint's own: taken when it is as good, given up by itself when it is not."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from runners.actions import canaries, endpoints, home, models
from runners.serving import following, standing
from runners.serving.predictionlog import Answered
from runners.serving.samples import Samples, together
from runners.serving.session import Loaded
from runners.serving.shadowing import MOST_REQUESTS, Shadow
from runners.serving.state import Serving
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage import predictions
from storage.errors import GateRefused, UsageError
from storage.read import alerts as read_alerts
from storage.read import audit
from storage.read import models as read_models
from storage.serve_section import ServeSection
from storage.shed import Shed, open_shed
from storage.tables import Alert, ModelVersion
from tests.asking import RECORDS, Asking
from tests.served import RECORD, endpoint, model_bytes, version_of
from tests.waiting import until

QUICK: dict[str, Any] = {"percent": 40.0, "minutes": 0.01, "min_requests": 60, "override": "a test"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shed, httpx.Client, ModelVersion]]:
    """An endpoint of v1; each test puts it back there."""
    shed = open_shed(tmp_path_factory.mktemp("rollouts") / "shed")
    first = version_of(shed, 0.0)
    with endpoint(shed) as (_, client):
        yield shed, client, first


def _ended(shed: Shed, verdict: str) -> canaries.Standing:
    found = until(lambda: (now := canaries.standing(shed, "delays")) and now.verdict != "going" and now)
    assert found.verdict == verdict, found
    return found


def _alert(shed: Shed, standing: canaries.Standing) -> Alert:
    return until(lambda: next((a for a in read_alerts.every(shed) if f"rollout {standing.id} " in a.key), None))


def test_a_good_canary_is_promoted_by_itself(served: tuple[Shed, httpx.Client, ModelVersion]) -> None:
    shed, client, first = served
    second = version_of(shed, 0.01, alias="candidate")
    with Asking(client, {first.digest: 0.0, second.digest: 0.01}) as asking:
        begun = canaries.start(shed, "delays", **QUICK)
        assert (begun.verdict, begun.production.version, begun.version, begun.until) == ("going", 1, 2, None)
        with pytest.raises(UsageError, match="has a canary already"):
            canaries.start(shed, "delays", **QUICK)
        found = _ended(shed, "promoted")
        until(lambda: client.get("/health").json()["version"] == 2)
    assert set(asking.answers) == {(1, True), (2, True)} and not asking.failed
    assert found.second.requests >= 60 and found.second.errors == 0 and found.production.p50_ms is not None
    assert "requests beside" in found.reason
    production = read_models.aliased(shed, "delays", "production")
    assert production is not None and production.number == 2
    assert read_models.history(shed, "delays")[-1].kind == "override"
    assert _alert(shed, found).severity == "info"
    actions = [entry.action for entry in audit.of(shed, "endpoint delays")]
    assert {"canary started", "canary promoted"} <= set(actions)
    folder = shed.endpoint_dir("delays") / "log"
    until(lambda: predictions.count(folder) >= sum(asking.answers.values()))
    with predictions.connect(folder) as con:
        routes = dict(
            con.execute('select route, list_sort(list(distinct "version")) from predictions group by 1').fetchall()
        )
    assert routes == {"production": [1, 2], "canary": [2]}
    models.promote(shed, "delays", "v1", override="a test")
    until(lambda: client.get("/health").json()["version"] == 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (model_bytes(0.02, turns=15000), "p50 is"),
        (model_bytes(0.02, last_day=2), "requests failed"),
        (model_bytes(3.0), "predictions are distributed otherwise"),
        (b"no model at all", "cannot load"),
    ],
    ids=["slower", "errs", "shifts", "no model"],
)
def test_a_bad_canary_is_given_up_by_itself(
    served: tuple[Shed, httpx.Client, ModelVersion], data: bytes, why: str
) -> None:
    shed, client, first = served
    second = version_of(shed, data=data, alias="candidate")
    with Asking(client, {first.digest: 0.0, second.digest: 3.0 if "distributed" in why else 0.02}) as asking:
        begun = canaries.start(shed, "delays", **{**QUICK, "minutes": 10})
        found = _ended(shed, "aborted")
        until(lambda: _only_production(client))
    assert why in found.reason and found.production.errors == 0
    assert {right for _, right in asking.answers} == {True}
    assert bool(asking.failed) == (why == "requests failed")
    alert = _alert(shed, found)
    assert alert.severity == "warning" and found.reason in alert.title
    morning = home.home(shed, since=begun.started_at)
    assert any(need.kind == "alert" and found.reason in need.text for need in morning.needs)
    lines = [line.text for line in morning.digest.lines if line.kind == "taken back"]
    assert lines[0].startswith(f"canary v{second.number} of delays was given up: ") and why in lines[0]
    production = read_models.aliased(shed, "delays", "production")
    assert production is not None and production.number == 1


def test_a_canary_goes_on_after_a_kill_of_worker_and_supervisor(
    served: tuple[Shed, httpx.Client, ModelVersion],
) -> None:
    shed, client, _ = served
    version_of(shed, 0.04, alias="candidate")
    canaries.start(shed, "delays", **{**QUICK, "minutes": 10, "header": "X-Canary", "percent": None})
    chosen = {"X-Canary": "always"}
    until(lambda: _version(client, chosen) != 1)
    before, asked = standing.read(shed.endpoint_dir("delays")), canaries.standing(shed, "delays")
    assert before is not None and asked is not None
    killed = [Identity.from_json(process) for process in (before.workers[0].process, before.supervisor)]
    assert all(processes.signal(process, signal.SIGKILL) for process in killed) and processes.wait_gone(killed, 10)
    endpoints.start(shed, "delays")
    again = canaries.standing(shed, "delays")
    assert again is not None and again.verdict == "going" and again.routed_at == asked.routed_at
    until(lambda: _version(client, chosen) != 1)
    until(lambda: _version(client, {}) == 1)
    assert _version(client, {"X-Canary": "never"}) == 1
    now = canaries.abort(shed, "delays", "enough")
    assert now.verdict == "aborted" and now.reason.endswith(": enough")
    assert now.second.requests > asked.second.requests  # those before the kill count too
    until(lambda: _version(client, chosen) == 1)


def test_a_key_always_reaches_the_same_half(served: tuple[Shed, httpx.Client, ModelVersion]) -> None:
    shed, client, _ = served
    version_of(shed, 0.05, alias="candidate")
    with pytest.raises(UsageError, match="no input column"):
        canaries.start(shed, "delays", kind="ab", key="customer")
    canaries.start(shed, "delays", kind="ab", key="distance")
    keys = [float(key) for key in range(40)]
    until(lambda: canaries.standing(shed, "delays").routed_at)  # type: ignore[union-attr]
    halves = [[_version(client, {}, distance=key) for key in keys] for _ in range(2)]
    assert halves[0] == halves[1] and 8 <= halves[0].count(1) <= 32
    as_lists = [client.post("/predict", json=[{**RECORD, "distance": key}]).json()["version"] for key in keys[:9]]
    columns = {"carrier": ["UA"], "day": [3]}
    as_columns = [client.post("/predict", json={**columns, "distance": [key]}).json()["version"] for key in keys[:9]]
    assert as_lists == as_columns == [_inferred(client, key) for key in keys[:9]] == halves[0][:9]
    assert canaries.abort(shed, "delays").verdict == "ended"


def test_a_shadow_answers_the_same_for_the_log_alone(served: tuple[Shed, httpx.Client, ModelVersion]) -> None:
    shed, client, first = served
    second = version_of(shed, 0.06, alias="candidate")
    begun = canaries.start(shed, "delays", kind="shadow")
    until(lambda: canaries.standing(shed, "delays").routed_at)  # type: ignore[union-attr]
    asked = [client.post("/predict", json=[RECORD, RECORDS[0]] if n % 2 else RECORD).json() for n in range(10)]
    assert {each["digest"] for each in asked} == {first.digest}
    found = until(lambda: (now := canaries.standing(shed, "delays")) and now.second.requests == 10 and now)
    assert found.second.errors == 0 and found.id == begun.id
    folder = shed.endpoint_dir("delays") / "log"
    with predictions.connect(folder) as con:
        query = (
            "select s.digest, p.digest, abs((s.output->>'probability')::double - (p.output->>'probability')::double)"
            ' from shadows s join predictions p using (id, "row") where s.inputs::varchar = p.inputs::varchar'
        )
        rows = until(lambda: (rows := con.execute(query).fetchall()) and len(rows) == 15 and rows)
    assert {row[:2] for row in rows} == {(second.digest, first.digest)}
    assert all(0 < difference < 0.02 for *_, difference in rows)
    canaries.abort(shed, "delays")


def test_what_cannot_be_asked_the_same_is_refused(served: tuple[Shed, httpx.Client, ModelVersion]) -> None:
    shed, _, _ = served
    version_of(shed, 0.07, alias="candidate")
    with pytest.raises(GateRefused, match="has not passed the gate"):
        canaries.start(shed, "delays")
    with pytest.raises(UsageError, match="serves already"):
        canaries.start(shed, "delays", version="v1", override="a test")
    with pytest.raises(UsageError, match="below 100"):
        canaries.start(shed, "delays", percent=100, override="a test")
    with pytest.raises(UsageError, match="serves nothing beside"):
        canaries.abort(shed, "delays")


def test_a_shadow_that_cannot_keep_up_drops_requests_and_counts_them(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    slow = version_of(shed, data=model_bytes(turns=20_000))
    version, _ = following.described(shed, "delays", slow)
    (tmp_path / "e" / "log").mkdir(parents=True)
    serving = Serving("delays", tmp_path / "e", ServeSection(), 8123, 0)
    shadow = Shadow(Loaded(replace(version, example=RECORD)), serving, Samples(tmp_path / "samples", 0))
    found = Answered("a" * 24, 1.0, 1.0, 1, "d", "production", json.dumps(RECORD).encode(), [{"probability": 0.5}])
    for _ in range(MOST_REQUESTS + 1000):
        shadow.offer(found, 60, logged=True)
    second = until(lambda: next((each for each in [together(tmp_path / "samples")[1]] if each.requests), None))
    shadow.close()
    serving.log.close()
    assert second.dropped > 900 and second.errors == 0


def _inferred(client: httpx.Client, distance: float) -> int:
    given = [("distance", "FP64", distance), ("carrier", "BYTES", "UA"), ("day", "INT64", 3)]
    inputs = [{"name": name, "shape": [1, 1], "datatype": kind, "data": [value]} for name, kind, value in given]
    return int(client.post("/v2/models/delays/infer", json={"inputs": inputs}).json()["model_version"])


def _only_production(client: httpx.Client) -> bool:
    return {_version(client, {}) for _ in range(20)} == {1}


def _version(client: httpx.Client, headers: dict[str, str], **values: Any) -> int:
    try:
        found = client.post("/predict", json={**RECORD, **values}, headers=headers)
    except httpx.TransportError:
        return 0
    return int(found.json().get("version", 0))
