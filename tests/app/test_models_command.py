from __future__ import annotations

import json
from pathlib import Path

from storage.read import models as read_models
from storage.shed import Shed
from tests.app.conftest import Call
from tests.rivals import rivals
from tests.scenes import dataset_version_of, model_version_of, onnx_bytes, run_of


def aliases(shed: Shed) -> dict[str, int]:
    return read_models.row(shed, "flight-delay").aliases


def damage(shed: Shed, digest: str) -> None:
    path = shed.objects.path(digest)
    path.chmod(0o640)
    path.write_bytes(b"x" + path.read_bytes()[1:])


def test_models_are_listed_with_their_aliases(call: Call, shed: Shed) -> None:
    assert "no models yet" in call("models", "list").err
    run = run_of(shed)
    model_version_of(shed, run)
    model_version_of(shed, run, bias=2.0, passed=False)
    call("models", "promote", "flight-delay", "v1")
    listed = call("models", "list").out.splitlines()
    assert listed[1].split("\t")[:3] == ["flight-delay", "v2", "rejected"]
    assert "production v1" in listed[1] and "candidate v2" in listed[1]
    assert call("models", "list", "--json").lines[0]["aliases"] == {"candidate": 2, "production": 1}


def test_a_version_is_shown_with_metrics_and_the_gates_rules(call: Call, shed: Shed) -> None:
    data = dataset_version_of(shed, "flights", {"a.csv": b"1"})
    model_version_of(shed, run_of(shed, dataset_version_id=data.id), passed=False, auroc=0.5)
    told = call("models", "show", "flight-delay").out
    for part in ("flight-delay v1", "rejected", "candidate", "flights v1", "auroc", "0.5000", "the gate refused it"):
        assert part in told
    assert "✗ min: auroc 0.72, at least 0.6" in told
    assert call("models", "show", "flight-delay@v1", "--json").lines[0]["gate"]["passed"] is False
    assert call("models", "show", "flight-delay@v9").code == 2
    assert 'did you mean "flight-delay"' in call("models", "show", "flight-dely").err
    assert call("models", "show", "flight-delay@").code == 2


def test_promotion_moves_the_alias_once(call: Call, shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    first = call("models", "promote", "flight-delay", "v1", "--json").finished
    assert (first["moved"], first["before"], first["model"]) == (True, None, "flight-delay v1")
    assert call("models", "promote", "flight-delay", "1", "--json").finished["moved"] is False
    assert call("models", "promote", "flight-delay", "production", "--alias", "stable").code == 0
    assert aliases(shed) == {"candidate": 1, "production": 1, "stable": 1}
    assert call("models", "promote", "flight-delay", "v1", "--alias", "no/slash").code == 2


def test_nobody_passes_a_gate_that_refused_without_a_reason(call: Call, shed: Shed) -> None:
    model_version_of(shed, run_of(shed), passed=False)
    refused = call("models", "promote", "flight-delay", "v1", "--json")
    assert (refused.code, refused.finished["status"]) == (4, "refused")
    assert "production" not in aliases(shed)
    assert call("models", "promote", "flight-delay", "v1", "--override", " ").code == 2
    assert call("models", "promote", "flight-delay", "v1", "--override", "demo tonight").code == 0
    assert "demo tonight" in call("models", "history", "flight-delay").out
    assert aliases(shed)["production"] == 1


def test_a_damaged_model_is_never_promoted_exported_or_rolled_back_to(call: Call, shed: Shed, tmp_path: Path) -> None:
    run = run_of(shed)
    first = model_version_of(shed, run)
    model_version_of(shed, run, bias=2.0)
    call("models", "promote", "flight-delay", "v1")
    call("models", "promote", "flight-delay", "v2")
    damage(shed, first.digest)
    rolled = call("models", "rollback", "flight-delay", "--yes")
    assert rolled.code == 1 and "damaged" in rolled.err
    assert aliases(shed) == {"candidate": 2, "previous": 1, "production": 2}
    for args in (["promote", "flight-delay", "v1"], ["verify", "flight-delay@v1"]):
        assert call("models", *args).code == 1
    assert call("models", "export", "flight-delay@v1", "--output", tmp_path / "out").code == 1
    assert not (tmp_path / "out").exists()


def test_a_rollback_and_back_again(call: Call, shed: Shed) -> None:
    run = run_of(shed)
    model_version_of(shed, run)
    assert call("models", "rollback", "flight-delay").code == 2
    model_version_of(shed, run, bias=2.0)
    call("models", "promote", "flight-delay", "v1")
    call("models", "promote", "flight-delay", "v2")
    rolled = call("models", "rollback", "flight-delay", "--reason", "late nights", "--json").finished
    assert (rolled["model"], rolled["before"]) == ("flight-delay v1", 2)
    assert aliases(shed) == {"candidate": 2, "previous": 2, "production": 1}
    assert "late nights" in call("models", "history", "flight-delay").out


def test_people_approve_and_reject(call: Call, shed: Shed) -> None:
    run = run_of(shed)
    model_version_of(shed, run)
    assert call("models", "approve", "flight-delay", "v1", "--yes").code == 0
    assert aliases(shed)["production"] == 1
    model_version_of(shed, run, bias=2.0)
    assert call("models", "reject", "flight-delay", "v2").code == 2  # a reason is asked for
    assert call("models", "reject", "flight-delay", "v2", "--reason", "smells").code == 0
    refused = call("models", "approve", "flight-delay", "v2")
    assert refused.code == 4 and "smells" in refused.err
    kinds = [line["kind"] for line in call("models", "history", "flight-delay", "--json").lines[:-1]]
    assert kinds == ["gate", "approve", "gate", "reject"]


def test_an_export_holds_all_that_another_runtime_needs(call: Call, shed: Shed, tmp_path: Path) -> None:
    model_version_of(shed, run_of(shed))
    out = tmp_path / "out" / "deep"
    assert call("models", "export", "flight-delay", "-o", out).code == 0
    assert (out / "model.onnx").read_bytes() == onnx_bytes(1.0)
    assert json.loads((out / "signature.json").read_text())["inputs"] == [{"name": "x"}]
    assert (out / "card.md").read_text() == "# flight-delay v1\n"
    assert sorted(path.name for path in out.iterdir()) == ["card.md", "model.onnx", "signature.json"]
    again = call("models", "export", "flight-delay", "-o", out)
    assert again.code == 2 and "would overwrite" in again.err
    (tmp_path / "file").write_text("")
    assert call("models", "export", "flight-delay", "-o", tmp_path / "file").code == 2


def test_a_bundle_is_a_folder_of_its_own(call: Call, shed: Shed, tmp_path: Path) -> None:
    rivals(shed)
    done = call("models", "export", "delays", "--bundle", tmp_path / "out", "--json")
    assert done.code == 0 and "serve.py" in done.lines[-1]["files"]
    assert call("models", "export", "delays", "--bundle", tmp_path / "out").code == 2
    assert "--output DIR or --bundle DIR" in call("models", "export", "delays").err
    assert (
        'did you mean "open-inference"'
        in call("models", "export", "delays", "--bundle", tmp_path / "b", "--layout", "open-inferenc").err
    )


def test_a_prediction_is_explained_by_column(call: Call, shed: Shed, tmp_path: Path) -> None:
    rivals(shed)
    row = tmp_path / "row.json"
    row.write_text(json.dumps({"distance": 1900, "carrier": "B6", "day": 0}))
    told = call("models", "explain", "delays@v2", "--input", row, "--json").lines
    assert told[0]["column"] == "distance"  # the rows differ in nothing else
    total = sum(line["contribution"] for line in told[:-1])
    assert abs(told[-1]["prediction"] - told[-1]["base"] - total) < 1e-9
    assert "distance" in call("models", "explain", "delays@v2", "--input", row).out
    row.write_text("[]")
    assert "no record" in call("models", "explain", "delays@v2", "--input", row).err
    row.write_text(json.dumps({"distance": "far", "carrier": "B6", "day": 0}))
    assert call("models", "explain", "delays@v2", "--input", row).code == 3


def test_a_version_is_verified_by_its_bytes_and_by_loading_it(call: Call, shed: Shed) -> None:
    run = run_of(shed)
    model_version_of(shed, run)
    found = call("models", "verify", "flight-delay", "--json").finished
    assert found["inputs"] == ["x: tensor(float)['n']"]
    assert "whole and loads" in call("models", "verify", "flight-delay@candidate").out


def test_the_card_is_printed_as_it_is(call: Call, shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    assert call("models", "card", "flight-delay").out == "# flight-delay v1\n"


def test_flips_tells_which_rows_change_their_answer(call: Call, shed: Shed) -> None:
    rivals(shed)
    ended = call("models", "flips", "delays", "--json")
    events = {line["event"]: line for line in ended.lines}
    assert (
        events["finished"] | {"model": "delays v2", "rows": 6, "flips": 1, "better": 1, "worse": 0}
        == events["finished"]
    )
    assert (events["flip"]["row"], events["flip"]["before"], events["flip"]["after"]) == (1, "false", "true")
    told = call("models", "flips", "delays@v2", "--slice", "airport=EWR", "--which", "better", "--sort", "row")
    assert "v2 answers 1 of 6 test rows otherwise than v1 (17 %)" in told.out
    assert "airport = EWR" in told.out
    assert "right now" in told.out


def test_flips_says_what_is_wrong_with_a_choice(call: Call, shed: Shed) -> None:
    rivals(shed)
    for options in (("--slice", "airport"), ("--slice", "airport=XX"), ("--which", "worst"), ("--sort", "sure")):
        assert call("models", "flips", "delays", *options).code == 2
