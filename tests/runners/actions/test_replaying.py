"""What would change with another version is told from logged requests, by slice, with the rows that change most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runners.actions import halves, replaying
from runners.evaluation import replayed
from runners.evaluation.replayed import Pair
from runners.packaging.signature import Signature
from storage.errors import UsageError
from storage.shed import Shed, open_shed
from storage.tables import ModelVersion
from storage.write import endpoints as write_endpoints
from storage.write import rollouts as write_rollouts
from tests.served import SIGNATURE, probability, version_of


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shed, ModelVersion, ModelVersion]:
    """An endpoint that was asked 60 rows, half of them of AA, the last of them of nothing that v2 knows."""
    shed = open_shed(tmp_path_factory.mktemp("replaying") / "shed")
    first, second = version_of(shed, -2.0), version_of(shed, -1.5, alias="candidate")
    write_endpoints.want(shed, "delays", "delays", "production", 8123, {})
    lines = []
    for number in range(60):
        record: dict[str, Any] = {"distance": number * 10.0, "carrier": ["AA", "UA"][number % 2], "day": 1 + number % 3}
        said = probability(record, -2.0)
        given = record if number < 59 else {**record, "day": "monday"}
        lines.append(_line(number, first, given, said))
        if number == 5:
            lines.append(_line(number, second, given, said, route="ab"))
    log = shed.make_dir(shed.make_dir(shed.endpoint_dir("delays")) / "log")
    (log / "p-1-1.jsonl").write_text("".join(lines))
    truths = [{"id": f"{number:024x}", "row": 0, "truth": number % 2, "at": 1.0} for number in range(59)]
    (log / "t-1-1.jsonl").write_text("".join(json.dumps(truth) + "\n" for truth in truths))
    return shed, first, second


def _line(number: int, version: ModelVersion, record: dict[str, Any], said: float, route: str = "production") -> str:
    head = {"id": f"{number:024x}", "at": 1e9 + number, "ms": 1.0, "version": version.number, "digest": version.digest}
    return json.dumps({**head, "route": route, "out": [{"probability": said}], "rows": [record]}) + "\n"


def test_logged_requests_are_answered_again(logged: tuple[Shed, ModelVersion, ModelVersion]) -> None:
    shed, _, _ = logged
    found = replaying.replay(shed, "delays", "v2")
    assert (found.asked, found.unanswerable, found.why) == (61, 1, "day: expected an integer, got a text")
    assert found.before == {1: 59, 2: 1} and found.after == 2
    rows = [_record(number) for number in [*range(59), 5]]
    changed = [r for r in rows if (probability(r, -2.0) >= 0.5) != (probability(r, -1.5) >= 0.5)]
    assert 0 < found.whole.changed == len(changed) < 60
    assert found.whole.better + found.whole.worse == found.whole.changed
    of_carrier = {each.value: each for each in found.slices if each.column == "carrier"}
    assert of_carrier["AA"].rows + of_carrier["UA"].rows == 60
    assert of_carrier["UA"].changed == sum(r["carrier"] == "UA" for r in changed)
    rates = [each.changed / each.rows for each in found.slices]
    assert rates == sorted(rates, reverse=True)
    example = found.examples[0]
    assert example.after == pytest.approx(probability(dict(example.inputs), -1.5), abs=1e-6)


def test_only_the_newest_are_replayed_and_by_the_columns_one_names(
    logged: tuple[Shed, ModelVersion, ModelVersion],
) -> None:
    shed, _, _ = logged
    found = replaying.replay(shed, "delays", "v2", last=10, slices=["day"])
    assert found.asked == 10 and {each.column for each in found.slices} == {"day"}


def test_what_the_log_does_not_hold_is_told(logged: tuple[Shed, ModelVersion, ModelVersion], tmp_path: Path) -> None:
    shed, _, _ = logged
    with pytest.raises(UsageError, match="no model"):
        replaying.replay(shed, "elsewhere")
    with pytest.raises(UsageError, match="had no shadow"):
        replaying.shadowed(shed, "delays")
    empty = open_shed(tmp_path / "shed")
    version_of(empty)
    write_endpoints.want(empty, "delays", "delays", "production", 8123, {"log": {"hash": ["carrier"]}})
    with pytest.raises(UsageError, match="does not keep carrier as it was"):
        replaying.replay(empty, "delays", "v1")


def test_several_classes_are_compared_by_the_likeliest() -> None:
    signature = Signature.from_json({**SIGNATURE, "task": "multiclass", "classes": ["a", "b", "c"]})
    said = [{"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.5, "b": 0.4, "c": 0.1}]
    other = [{"a": 0.3, "b": 0.6, "c": 0.1}, {"a": 0.5, "b": 0.2, "c": 0.2, "d": 0.1}]
    pairs = [Pair(str(n), 0, {"carrier": "AA"}, said[n], other[n], "b") for n in range(2)]
    found = replayed.difference(signature, pairs, ["carrier"])
    assert (found.whole.changed, found.whole.better, found.whole.worse) == (1, 1, 0)
    assert found.whole.apart == pytest.approx(0.25) and found.whole.before is None


def test_a_split_tells_which_half_is_right_more_often(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    first, second = version_of(shed, 0.0), version_of(shed, 1.0, alias="candidate")
    write_endpoints.want(shed, "delays", "delays", "production", 8123, {})
    with pytest.raises(UsageError, match="had no split"):
        halves.halves(shed, "delays")
    row = write_rollouts.begin(shed, "delays", "ab", "delays", version=second, against=first, rules={})
    log = shed.make_dir(shed.make_dir(shed.endpoint_dir("delays")) / "log")
    lines, truths = [], []
    for number in range(200):
        version = (first, second)[number % 2]
        right = number % 4 < 2 if version is first else number % 20 != 1
        line = json.loads(_line(number, version, _record(number), 0.9))
        lines.append(json.dumps({**line, "at": row.started_at + 1}) + "\n")
        truths.append(json.dumps({"id": line["id"], "row": 0, "truth": right, "at": 1.0}) + "\n")
    (log / "p-1-1.jsonl").write_text("".join(lines))
    (log / "t-1-1.jsonl").write_text("".join(truths))
    found = halves.halves(shed, "delays")
    assert (found.production.rows, found.production.score, found.second.score) == (100, 0.5, 0.9)
    assert found.difference is not None and found.difference[1] > 0.25 and found.better == "second"


def _record(number: int) -> dict[str, Any]:
    return {"distance": number * 10.0, "carrier": ["AA", "UA"][number % 2], "day": 1 + number % 3}
