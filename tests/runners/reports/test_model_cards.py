"""Model cards and dataset cards, word for word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runners.evaluation.bootstrap import Difference
from runners.evaluation.calibration import Bin
from runners.evaluation.rules import Verdict
from runners.evaluation.slices import SliceRow
from runners.reports.dataset_cards import CheckFacts, ColumnFacts, DatasetCardFacts, dataset_card
from runners.reports.markdown import inert, table
from runners.reports.model_cards import (
    Compared,
    DataFacts,
    LineageFacts,
    ModelCardFacts,
    PackageFacts,
    SplitPart,
    Tensor,
    model_card,
)

GOLDEN = Path(__file__).parent / "golden"

MODEL = ModelCardFacts(
    model="flight-delay",
    version=3,
    created_at=1_700_000_000.0,
    created_by="ana",
    task="binary",
    target="late",
    classes=("on time", "late"),
    numeric=("distance", "wind_speed"),
    categorical=("carrier", "origin"),
    data=DataFacts(
        dataset="flights",
        version=2,
        files=9,
        rows=218_000,
        split="by time, on time_hour",
        parts=(
            SplitPart("train", 174_000, "2013-01-01 05:00", "2013-07-11 09:00"),
            SplitPart("validation", 21_800, "2013-07-11 10:00", "2013-08-05 17:00"),
            SplitPart("test", 21_800, "2013-08-05 18:00", "2013-08-31 23:00"),
        ),
        dropped=400,
    ),
    params={"lr": 0.001, "hidden": [128, 64], "note": "a|b\n*c*"},
    metric="auroc",
    metrics={"auroc": 0.7231, "logloss": 0.4012, "base_rate": 0.2034},
    undefined={"precision": "there are no predicted positives"},
    production=Compared("production (v2)", {"auroc": 0.7102, "logloss": 0.4103, "base_rate": 0.2034}),
    yardstick=Compared("HistGradientBoosting", {"auroc": 0.7229}),
    difference=Difference(0.0129, 0.0051, 0.0208),
    slices=(
        SliceRow("carrier", "UA", 6000, 0.72, 0.70, 0.02),
        SliceRow("carrier", "O|O", 1204, 0.612, 0.655, -0.043),
        SliceRow("carrier", "YV", 150, None, None, None, "all 150 rows are negative"),
        SliceRow("carrier", "HA", 40, 0.4, 0.9, -0.5),
    ),
    calibration=(Bin(0.01, 0.11, 0.0712, 0.0689, 10_900), Bin(0.11, 0.93, 0.3301, 0.3379, 10_900)),
    confusion={"labels": ["on time", "late"], "matrix": [[16_000, 1_366], [3_400, 1_034]]},
    verdicts=(
        Verdict("min", True, 0.7231, 0.62, "auroc 0.7231, at least 0.62 is asked for"),
        Verdict("max_slice_drop", False, 0.043, 0.03, "worst: carrier = O|O (1,204 rows)"),
    ),
    package=PackageFacts(
        digest="ab12cd34",
        bytes=81_234,
        inputs=(Tensor("distance", "DOUBLE", ("n", 1)), Tensor("carrier", "STRING", ("n", 1))),
        outputs=(Tensor("probability", "FLOAT", ("n",)),),
        parity=3.1e-7,
        latency_p50_ms=0.0312,
        latency_p99_ms=0.0844,
    ),
    lineage=LineageFacts(
        run=142,
        commit="0123abc",
        dirty=True,
        code="cd34ef56",
        environment={"python": "3.11.2", "torch": "2.13.0"},
        parent="flight-delay v2",
    ),
    limits=("Says nothing of cancelled flights.",),
)

DATASET = DatasetCardFacts(
    dataset="flights",
    version=2,
    kind="table",
    files=9,
    rows=218_000,
    bytes=5_123_456,
    content="ab12cd34",
    created_at=1_700_000_000.0,
    created_by="ana",
    note="September added",
    tables={
        "flights": (
            ColumnFacts("distance", "integer", 0, 214, "17", 1039.9127, "4983", (("2475", 9_000), ("762", 8_000))),
            ColumnFacts("carrier", "text", 12, 16, "9E", None, "YV", (("UA", 40_000), ("a|b", 3))),
            ColumnFacts("blob", "other"),
        ),
        "weather": (ColumnFacts("temp", "number", 1, 180, "10.94", 55.2, "100.04"),),
    },
    checks=(
        CheckFacts("distance min", "stop", True),
        CheckFacts("arrival after departure", "warn", False, 17, "17 rows returned"),
    ),
    previous=1,
    changes=("1 file added: data/flights-2013-09.parquet", "19,000 rows more"),
)


def _is_golden(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_a_model_card_says_it_all() -> None:
    _is_golden("model_card.md", model_card(MODEL))


def test_a_model_card_of_a_first_regression_has_no_empty_sections() -> None:
    facts = replace(
        MODEL,
        version=1,
        task="regression",
        target="arr_delay",
        classes=(),
        metric="mae",
        metrics={"rmse": 12_345.678, "mae": 9.5},
        undefined={},
        params={},
        data=replace(MODEL.data, split="at random", parts=(SplitPart("train", 90), SplitPart("test", 10)), dropped=0),
        production=None,
        yardstick=None,
        difference=None,
        slices=(SliceRow("origin", "JFK", 500, 9.0), SliceRow("origin", "LGA", 400, 11.0)),
        calibration=(Bin(-3.0, 40.0, 10.0, 11.0, 10),),
        residuals={"1 %": -30.0, "50 %": 0.25, "99 %": 120.0},
        confusion=None,
        verdicts=(),
        limits=(),
        lineage=replace(MODEL.lineage, commit=None, dirty=False, parent="", environment={}),
    )
    _is_golden("first_regression_card.md", model_card(facts))


def test_a_dataset_card_says_it_all() -> None:
    _is_golden("dataset_card.md", dataset_card(DATASET))


def test_a_dataset_card_of_files_counts_the_classes() -> None:
    facts = replace(
        DATASET,
        version=1,
        kind="files",
        rows=None,
        tables={},
        checks=(),
        previous=None,
        note="",
        by_reference=True,
        classes={"cat": 1200, "dog": 800},
    )
    _is_golden("files_dataset_card.md", dataset_card(facts))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a|b", "a\\|b"),
        ("first\nsecond\r\n\tthird", "first second   third"),
        ("\x1b[31mred\x07", "�\\[31mred�"),
        ("\u202eevil\u200b", "�evil�"),
        ("<script>&amp;", "\\<script\\>\\&amp;"),
        ("*bold* `code` [link](http://x) $x$", "\\*bold\\* \\`code\\` \\[link\\](http://x) \\$x\\$"),
        ("sched_dep_time and _this_", "sched_dep_time and \\_this\\_"),
        ("back\\slash", "back\\\\slash"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_strings_from_outside_are_only_text(raw: str, shown: str) -> None:
    assert inert(raw) == shown


def test_no_name_can_break_out_of_its_cell_or_line() -> None:
    evil = "x | y\n# Gate\n| rule | holds |\x1b]0;title\x07"
    card = model_card(
        replace(
            MODEL,
            created_by=evil,
            target=evil,
            classes=(evil, evil),
            numeric=(evil,),
            params={evil: evil},
            undefined={evil: evil},
            slices=(SliceRow(evil, evil, 500, 0.5, 0.5, 0.0, evil),),
            verdicts=(Verdict("min", False, 0.1, 0.2, evil),),
            limits=(evil,),
        )
    )
    assert "\x1b" not in card and "\x07" not in card
    assert [line for line in card.splitlines() if line.startswith("# ")] == ["# flight-delay v3"]
    for line in card.splitlines():
        cells = line.replace("\\|", "").count("|") - 1 if line.startswith("|") else 0
        assert cells in (0, 2, 3, 4, 5)


def test_many_classes_are_told_by_their_most_frequent_mistakes() -> None:
    k = 25
    matrix = [[100 if i == j else 0 for j in range(k)] for i in range(k)]
    matrix[3][4], matrix[4][3] = 7, 9
    card = model_card(replace(MODEL, confusion={"labels": [f"c{i}" for i in range(k)], "matrix": matrix}))
    assert "| c4   | c3        |    9 |\n| c3   | c4        |    7 |\n\n" in card
    assert "Of 25 classes, the most frequent mistakes." in card


def test_a_table_reads_as_plain_text_too() -> None:
    assert table(["name", "rows"], [["a", "1,000"], ["long name", "5"]]) == (
        "| name      |  rows |\n| --------- | ----: |\n| a         | 1,000 |\n| long name |     5 |"
    )
