"""settings.toml: every key optional, every fault told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import ShedError, UsageError
from storage.settings import settings, usual_cpu_slots


def test_a_shed_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.queue.cpu_slots == usual_cpu_slots() >= 1
    assert (found.queue.per_user, found.queue.half_life_hours, found.queue.patience_minutes) == (None, 24.0, 10.0)
    assert found.agent.idle_minutes == 10.0


def test_what_is_set_holds_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[queue]\ncpu_slots = 4\nper_user = 2\nhalf_life_hours = 1\n")
    found = settings(tmp_path)
    assert (found.queue.cpu_slots, found.queue.per_user, found.queue.half_life_hours) == (4, 2, 1.0)
    assert found.queue.patience_minutes == 10.0


def test_an_empty_file_is_a_file_without_wishes(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("")
    assert settings(tmp_path) == settings(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[queue]\n\ncpu_slot = 4\n", 3, 'did you mean "cpu_slots"?'),
        ("[qeue]\ncpu_slots = 4\n", 1, 'did you mean "queue"?'),
        ("[agent]\nidle_minutes = 5\n[queue]\ncpu_slots = 0\n", 4, "expected 1 or more"),
        ('[queue]\nper_user = "two"\n', 2, "queue.per_user"),
        ("[queue]\nhalf_life_hours = inf\n", 2, "finite"),
        ("[queue]\nhalf_life_hours = 0\n", 2, "expected a number above 0"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_nearest_word(tmp_path: Path, text: str, line: int, words: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        settings(tmp_path)
    assert caught.value.place == f"{tmp_path / 'settings.toml'}:{line}"
    assert words in caught.value.message


def test_broken_toml_and_other_encodings_are_told(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[queue\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        settings(tmp_path)
    (tmp_path / "settings.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        settings(tmp_path)


def test_a_file_that_cannot_be_read_is_no_reason_to_take_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(ShedError, match="cannot be read"):
        settings(tmp_path)
