"""How numbers, sizes, times and durations are written for people, and times for programs."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

_SPANS = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))


def number(value: float) -> str:
    """`219,910`, `0.7213`, `1e-05`, `NaN`: enough digits to compare, none for show."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.1f}"
    return f"{value:.4g}" if size >= 1 or size < 1e-2 else f"{value:.4f}"


def signed(value: float) -> str:
    """`+0.0120`, `-3`: a difference."""
    return ("+" if value > 0 else "") + number(value)


def size(count: int) -> str:
    """`5.2 MB`: decimal units, as disks are sold and `df -H` counts."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """`85 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """`~40 s`, `~4 min`, `~2 h`: as exactly as one can foresee."""
    if seconds < 55:
        return f"~{max(10, round(seconds / 10) * 10)} s"
    if seconds < 3570:
        return f"~{round(seconds / 60)} min"
    return f"~{round(seconds / 3600)} h" if seconds < 47.5 * 3600 else f"~{round(seconds / 86400)} d"


def ago(at: float, now: float | None = None) -> str:
    """`4 min ago`; `just now` for the last seconds and for clocks that run ahead."""
    amount = (time.time() if now is None else now) - at
    if amount < 5:
        return "just now"
    for limit, unit in _SPANS:
        if amount < limit:
            return f"{int(amount)} {unit} ago"
        amount /= limit
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def iso(at: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, for programs; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
