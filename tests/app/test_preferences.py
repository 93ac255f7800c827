"""The user's own settings: checked, with the place and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.preferences import THEME_NAMES, preferences
from screens.themes import PLAIN, THEMES
from storage.errors import UsageError


def test_without_a_file_everything_is_as_usual(tmp_path: Path) -> None:
    assert preferences(tmp_path / "none.toml").theme == "dark"


def test_theme_and_keys_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('theme = "light"\n[keymap]\n"marking.mark" = "m"\n')
    found = preferences(path)
    assert (found.theme, found.keymap) == ("light", {"marking.mark": "m"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('thme = "light"', 'did you mean "theme"?'),
        ('theme = "blue"', "dark or light or high-contrast"),
        ('[keymap]\n"marking.mrk" = "m"', 'did you mean "marking.mark"?'),
        ('[keymap]\n"marking.mark" = "/"', "would be both"),
        ('[keymap]\n"marking.mark" = ""', "a key such as"),
        ("theme =", "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        preferences(path)
    assert told in str(caught.value) and str(path) in str(caught.value)


def test_every_theme_can_be_chosen() -> None:
    assert set(THEME_NAMES) == {theme.name for theme in THEMES} - {PLAIN}
