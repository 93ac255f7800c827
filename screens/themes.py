"""Colours by their meaning. A screen names what a text is (`failed`, `dim`, `accent`); a theme says how that looks."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

# What a text may be, besides `bold`, `italic` and `underline`.
ROLES = (
    "dim",
    "faint",
    "accent",
    "running",
    "done",
    "failed",
    "waiting",
    "attention",
    *(f"curve{number}" for number in range(8)),
)
WORDS = ("bold", "italic", "underline", "reverse", "strike")
PLAIN = "no-color"


def _theme(name: str, *, dark: bool, ground: tuple[str, str, str, str], text: str, roles: tuple[str, ...]) -> Theme:
    """`ground` is background, surface, cursor and border; `roles` the colours of ROLES in their order."""
    background, surface, cursor, border = ground
    inks = dict(zip(ROLES, roles, strict=True))
    return Theme(
        name,
        primary=inks["accent"],
        secondary=inks["running"],
        accent=inks["accent"],
        warning=inks["attention"],
        error=inks["failed"],
        success=inks["done"],
        foreground=text,
        background=background,
        surface=surface,
        panel=surface,
        dark=dark,
        variables={
            **{f"ink-{role}": colour for role, colour in inks.items()},
            "cursor": cursor,
            "edge": border,
            "border": inks["accent"],
            "border-blurred": border,
            "scrollbar": border,
            "scrollbar-hover": inks["dim"],
            "scrollbar-active": inks["accent"],
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
            "input-cursor-background": text,
            "input-selection-background": f"{inks['accent']} 30%",
        },
    )


THEMES = (
    _theme(
        "dark",
        dark=True,
        ground=("#15171c", "#1b1e25", "#272c37", "#363c49"),
        text="#d3d7df",
        roles=(
            *("#868d9c", "#4c5362", "#c3a6ec", "#78a9f5", "#8cc38a", "#ee7c7c", "#8d95a5", "#e7b562"),
            *("#78a9f5", "#e99f5f", "#8cc38a", "#de88b4", "#62c3c6", "#d6c467", "#b194ec", "#e57f73"),
        ),
    ),
    _theme(
        "light",
        dark=False,
        ground=("#fcfcfa", "#f3f3f0", "#e4e4ee", "#c9c9c4"),
        text="#26292f",
        roles=(
            *("#666c78", "#b3b7be", "#6f42c1", "#1f5fc4", "#23762b", "#c02b2b", "#6f7582", "#9a5c00"),
            *("#1f5fc4", "#c45d00", "#23762b", "#b02a76", "#00757a", "#857000", "#6f42c1", "#c02b2b"),
        ),
    ),
    _theme(
        "high-contrast",
        dark=True,
        ground=("#000000", "#000000", "#00408a", "#ffffff"),
        text="#ffffff",
        roles=(
            *("#e0e0e0", "#b0b0b0", "#ffff00", "#5ad1ff", "#54ff54", "#ff8080", "#d8d8d8", "#ffc400"),
            *("#5ad1ff", "#ffb347", "#54ff54", "#ff9ed8", "#00ffff", "#ffff00", "#d6b3ff", "#ff8080"),
        ),
    ),
    Theme(
        PLAIN,
        primary="ansi_default",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        ansi=True,
        variables={
            **{f"ink-{role}": "ansi_default" for role in ROLES},
            **dict.fromkeys(("cursor", "edge", "border", "border-blurred"), "ansi_default"),
            **dict.fromkeys(("ansi-background", "ansi-foreground"), "ansi_default"),
            **dict.fromkeys(("scrollbar", "scrollbar-hover", "scrollbar-active"), "ansi_default"),
            **dict.fromkeys(("scrollbar-background", "scrollbar-corner-color"), "ansi_default"),
            **dict.fromkeys(("input-cursor-background", "input-cursor-foreground"), "ansi_default"),
            "input-cursor-text-style": "reverse",
        },
    ),
)


class Inks:
    """The styles of one theme. `inks("failed bold")` is a style to lay over a widget's own."""

    def __init__(self, theme: Theme) -> None:
        self.plain = theme.name == PLAIN
        self._colours = {role: theme.variables.get(f"ink-{role}", "") for role in ROLES}
        self._cursor = theme.variables.get("cursor", "")
        self.style = lru_cache(maxsize=512)(self._style)

    def __call__(self, what: str) -> Style:
        return self.style(what)

    @property
    def cursor(self) -> Style:
        """What lies under the line with the cursor."""
        return Style(reverse=True) if self.plain or not self._cursor else Style(bgcolor=self._cursor)

    def _style(self, what: str) -> Style:
        style = Style()
        for word in what.split():
            if word in WORDS:
                style += Style.parse(word)
            elif "#" in word:  # a pixel: `#102030`, or `on#102030` behind it
                colour = word.removeprefix("on")
                style += Style(bgcolor=colour) if word.startswith("on") else Style(color=colour)
            elif not self.plain:
                style += Style(color=self._colours[word])
            elif word in ("dim", "faint"):
                style += Style(dim=True)
            elif word in ("accent", "failed", "attention"):
                style += Style(bold=True)
        return style
