"""Signs that mean something without colour, and what stands for them where the terminal has only ASCII."""

from __future__ import annotations

from screens.ink import Span

STATUS = {
    "running": ("●", "running"),
    "done": ("✓", "done"),
    "cached": ("✓", "done"),
    "passed": ("✓", "done"),
    "failed": ("✗", "failed"),
    "invalid": ("✗", "failed"),
    "refused": ("✗", "failed"),
    "rejected": ("✗", "failed"),
    "pruned": ("‖", "waiting"),
    "stopped": ("‖", "waiting"),
    "queued": ("◌", "waiting"),
    "skipped": ("·", "faint"),
    "waiting": ("!", "attention"),
    "left alone": ("!", "attention"),
    "production": ("●", "done"),
    "candidate": ("!", "attention"),
    "previous": ("·", "dim"),
}
LEVELS = "▁▂▃▄▅▆▇█"
ASCII = str.maketrans(
    {
        **dict(zip("●✓✗◌‖·★▸▾▲▼→←↑↓│┤├─━╸╺…×Δ≈≥≤°█▌–—“”’", '*+xo=.*>v^v><^v||+-==-.xd~>< #|--""\'', strict=True)),
        **dict(zip(LEVELS, "_.:-=+*#", strict=True)),
        **dict(zip("└►◄▏±░", "`><|~:", strict=True)),
    }
)


def glyph(status: str) -> Span:
    """The sign of a status; a word that is none gets a quiet dot."""
    sign, role = STATUS.get(status, ("·", "dim"))
    return Span(sign, role)


def role_of(status: str) -> str:
    return STATUS.get(status, ("·", "dim"))[1]


def bar(share: float, width: int, role: str = "running") -> list[Span]:
    """A progress bar: `━━━━━╸─────`."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    body = "━" * full + ("╸" if half else "")
    return [Span(body, role), Span("─" * (width - len(body)), "faint")]


def gauge(share: float, width: int, role: str = "accent") -> list[Span]:
    """How full something is: `▇▇▇▅   `."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    body = "▇" * full + (LEVELS[rest - 1] if rest else "")
    return [Span(body, role), Span("▁" * (width - len(body)), "faint")]
