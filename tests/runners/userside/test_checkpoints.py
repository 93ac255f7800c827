"""Checkpoints: the last whole one always comes back, and nothing else than data is ever read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.userside.checkpoints import Checkpoints
from runners.userside.events import Events

KEYS = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.text(max_size=2))
STATES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


@pytest.fixture
def place(tmp_path: Path) -> Checkpoints:
    return Checkpoints(str(tmp_path / "checkpoints"), Events(str(tmp_path / "events.jsonl")))


def save(checkpoints: Checkpoints, state: Any, step: int) -> None:
    checkpoints.save(state, step, rows={"0": step}, counted=step)


def restored(checkpoints: Checkpoints) -> tuple[Any, int] | None:
    found = checkpoints.restore(keep_damaged=False)
    return None if found is None else (found[0], found[1].step)


def told(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def test_a_run_without_checkpoints_has_none(place: Checkpoints) -> None:
    assert restored(place) is None


@given(state=STATES)
@settings(deadline=None, max_examples=60)
def test_a_state_without_torch_comes_back_as_it_was(state: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    checkpoints = Checkpoints(str(folder), Events(str(folder / "events.jsonl")))
    save(checkpoints, state, 3)
    assert restored(checkpoints) == (state, 3)


def test_arrays_and_the_state_of_chance_come_back_without_torch(place: Checkpoints) -> None:
    chance = np.random.default_rng(3)
    state: dict[str, Any] = {
        "weights": np.arange(6, dtype="float16").reshape(2, 3),
        "best": np.float64(0.5),
        "count": np.int32(7),
        "text": np.array(["a", "bc"]),
        "random": random.getstate(),
        "numpy": chance.bit_generator.state,
    }
    save(place, state, 1)
    found = place.restore(keep_damaged=False)
    assert found is not None and found[1].file == "000001.zip"
    kept = found[0]
    assert kept["weights"].dtype == np.float16 and np.array_equal(kept["weights"], state["weights"])
    assert (type(kept["count"]), kept["count"], kept["best"]) == (np.int32, 7, 0.5)
    assert kept["text"].tolist() == ["a", "bc"]
    random.setstate(kept["random"])
    chance.bit_generator.state = kept["numpy"]


def test_models_optimizers_schedules_and_numpy_beside_them_come_back_with_torch(place: Checkpoints) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    model(torch.ones(4, 3, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    schedule.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
        "chance": torch.get_rng_state(),
        "best": np.float64(0.25),
        "at": np.datetime64("2013-01-01"),
        "history": np.arange(3),
        "numpy": np.random.get_state(),
    }
    save(place, state, 5)
    found = place.restore(keep_damaged=False)
    assert found is not None and found[1].file == "000001.pt"
    kept = found[0]
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    schedule.load_state_dict(kept["schedule"])
    torch.set_rng_state(kept["chance"])
    np.random.set_state(kept["numpy"])
    assert kept["best"] == 0.25
    assert kept["history"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"schedule": {"fn": len}}, r"state\['schedule'\]\['fn'\] is a builtins.builtin_function_or_method"),
        ([1, object()], r"state\[1\] is a builtins.object"),
        ({"rows": np.array([object()])}, r"state\['rows'\] is a numpy.ndarray"),
        (defaultdict(list), "state is a collections.defaultdict"),
        ({Path("x"): 1}, "a key of state is a pathlib"),
    ],
)
def test_what_could_not_be_read_back_is_refused_by_its_place(place: Checkpoints, state: Any, says: str) -> None:
    save(place, {"step": 1}, 1)
    with pytest.raises(TypeError, match=says):
        save(place, state, 2)
    assert restored(place) == ({"step": 1}, 1)


def test_a_module_instead_of_its_state_is_refused(place: Checkpoints) -> None:
    import torch

    with pytest.raises(TypeError, match=r"state\['model'\] is a torch.nn.modules.linear.Linear"):
        save(place, {"model": torch.nn.Linear(1, 1)}, 1)


def test_the_last_two_are_kept_and_told(place: Checkpoints, tmp_path: Path) -> None:
    for step in range(5):
        save(place, OrderedDict(step=step), step)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "000004.zip",
        "000005.zip",
        "latest.json",
    ]
    assert restored(place) == ({"step": 4}, 4)
    assert [event["step"] for event in told(tmp_path, "checkpoint")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_says_so(
    place: Checkpoints, tmp_path: Path, damage: str
) -> None:
    save(place, {"step": 1}, 1)
    save(place, {"step": 2}, 2)
    newest = tmp_path / "checkpoints" / "000002.zip"
    content = newest.read_bytes()
    if damage == "cut":
        newest.write_bytes(content[:-10])
    elif damage == "changed":
        newest.write_bytes(content.replace(b'"step": 2', b'"step": 7'))
    else:
        newest.unlink()
    assert restored(place) == ({"step": 1}, 1)
    (warning,) = told(tmp_path, "warning")
    assert "the checkpoint at step 2 is damaged" in warning["text"]
    assert "going on from the one at step 1" in warning["text"]
    save(place, {"step": 3}, 3)
    save(place, {"step": 4}, 4)
    assert restored(place) == ({"step": 4}, 4)


def test_where_all_are_damaged_the_run_starts_over_and_says_so(place: Checkpoints, tmp_path: Path) -> None:
    save(place, {"step": 1}, 1)
    (tmp_path / "checkpoints" / "000001.zip").write_bytes(b"")
    assert restored(place) is None
    assert "starting over" in told(tmp_path, "warning")[0]["text"]


def test_a_damaged_list_of_checkpoints_is_said(place: Checkpoints, tmp_path: Path) -> None:
    save(place, {"step": 1}, 1)
    (tmp_path / "checkpoints" / "latest.json").write_text("{")
    assert restored(place) is None
    assert "the list of checkpoints is damaged" in told(tmp_path, "warning")[0]["text"]


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_full_disk_leaves_the_checkpoint_before_whole(tmp_path: Path, kind: str) -> None:
    source = f"""
import resource, sys
import {kind} as lib
from runners.userside.checkpoints import Checkpoints, CheckpointFailed
from runners.userside.events import Events
checkpoints = Checkpoints(sys.argv[1], Events(sys.argv[1] + ".jsonl"))
checkpoints.save({{"w": lib.ones(10)}}, 1, rows={{}}, counted=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    checkpoints.save({{"w": lib.ones(1_000_000)}}, 2, rows={{}}, counted=0)
except OSError as error:
    assert type(error) is CheckpointFailed
    print(error)
state, entry = checkpoints.restore(keep_damaged=False)
print(entry.step, len(state["w"]))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
checkpoints.save({{"w": lib.ones(1_000_000)}}, 3, rows={{}}, counted=0)
print(checkpoints.restore(keep_damaged=False)[1].step)
"""
    folder = tmp_path / "checkpoints"
    done = subprocess.run([sys.executable, "-c", source, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the checkpoint at step 2 was not written: File too large; the one before, at step 1, is whole",
        "1 10",
        "3",
    ]
    assert len(list(folder.iterdir())) == 3


def test_a_checkpoint_that_holds_code_is_not_run(place: Checkpoints, tmp_path: Path) -> None:
    import torch

    save(place, {"w": torch.ones(1)}, 1)

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "trapped",))

    file = tmp_path / "checkpoints" / "000001.pt"
    torch.save({"w": Trap()}, file)
    import zlib

    listing = tmp_path / "checkpoints" / "latest.json"
    entry = json.loads(listing.read_text())[0]
    content = file.read_bytes()
    listing.write_text(json.dumps([{**entry, "size": len(content), "crc32": zlib.crc32(content)}]))
    assert restored(place) is None
    assert not (tmp_path / "trapped").exists()
