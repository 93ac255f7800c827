"""What a person has set for himself: theme and keys, in `~/.config/trainshed/config.toml`.

theme = "light"
[keymap]
"marking.mark" = "m"       # an action's id; `?` in the app shows which keys there are
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_config_path

from screens.actions import ACTIONS, clashes, keys_of
from storage.errors import UsageError, nearest

THEME_NAMES = ("dark", "light", "high-contrast")
KNOWN = ("theme", "keymap")


@dataclass(frozen=True)
class Preferences:
    """Checked. `keymap` is action id → keys, several with commas."""

    theme: str = "dark"
    keymap: dict[str, str] = field(default_factory=dict)


def default_path() -> Path:
    return user_config_path("trainshed") / "config.toml"


def preferences(path: Path | None = None) -> Preferences:
    """The user's settings; the usual ones where there is no file.

    Raises:
        UsageError: with the file, the key, what was expected and the nearest right word.
    """
    path = path or default_path()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as err:
        raise UsageError(f"cannot be read: {err}", place=str(path)) from None
    for key in found:
        if key not in KNOWN:
            raise UsageError(
                f'unknown key "{key}"', place=str(path), expected=" or ".join(KNOWN), todo=nearest(key, KNOWN)
            )
    theme = found.get("theme", "dark")
    if theme not in THEME_NAMES:
        raise UsageError(f"theme = {theme!r}: no such theme", place=str(path), expected=" or ".join(THEME_NAMES))
    return Preferences(theme, _keymap(found.get("keymap", {}), path))


def _keymap(found: object, path: Path) -> dict[str, str]:
    place = f"{path}, [keymap]"
    if not isinstance(found, dict):
        raise UsageError("not a table", place=place, expected='lines such as "marking.mark" = "m"')
    ids = [action.id for action in ACTIONS]
    for action_id, keys in found.items():
        if action_id not in ids:
            raise UsageError(f'no action "{action_id}"', place=place, todo=nearest(action_id, ids))
        if not isinstance(keys, str) or not keys.strip():
            raise UsageError(f"{action_id} = {keys!r}", place=place, expected='a key such as "m" or "ctrl+x,m"')
    for one, other, key in clashes(found):
        raise UsageError(
            f"{key!r} would be both {one.id} and {other.id}", place=place, todo="give one of them another key"
        )
    return {action_id: ",".join(keys_of(keys)) for action_id, keys in found.items()}
