"""Which series belong on one chart."""

from __future__ import annotations

from collections.abc import Sequence

SPLITS = ("train", "val", "valid", "validation", "test", "eval", "dev", "step")


def grouped(names: Sequence[str], first: str | None = None) -> list[tuple[str, list[str]]]:
    """Titles and the series under each: `train/loss` and `val/loss` are one chart, `loss`.

    The chart with the metric `first` (the one that the gate looks at) leads, losses follow, then the rest as they came.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        head, slash, tail = name.partition("/")
        found.setdefault(tail if slash and head in SPLITS else name, []).append(name)

    def order(title: str) -> int:
        if first and (title == first or title.endswith("/" + first)):
            return 0
        return 1 if "loss" in title else 2

    return [(title if len(found[title]) > 1 else found[title][0], found[title]) for title in sorted(found, key=order)]


def short(name: str, title: str) -> str:
    """What tells a series from the others of its chart: `train` of `train/loss` under `loss`."""
    return name.removesuffix("/" + title) if name != title else name


def systems(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Titles and the series of what a run costs the machine, those of one unit together."""
    plan = (
        ("processor %", ("cpu/percent", "cpu/system_percent")),
        ("memory", ("memory/rss_bytes", "memory/system_used_bytes")),
        ("disk per second", ("disk/read_bytes_per_s", "disk/write_bytes_per_s")),
    )
    known = set(names)
    charts = [(title, [name for name in wanted if name in known]) for title, wanted in plan]
    gpus = sorted({name.partition("/")[0] for name in names if name.startswith("gpu")})
    for gpu in gpus:
        charts.append((f"{gpu} %", [f"{gpu}/utilization_percent"]))
        charts.append((f"{gpu} memory", [f"{gpu}/memory_used_bytes", f"{gpu}/memory_ours_bytes"]))
        charts.append((f"{gpu} watts and °C", [f"{gpu}/power_w", f"{gpu}/temperature_c"]))
    gpu_first = sorted(charts, key=lambda chart: not chart[0].startswith("gpu"))
    return [(title, present) for title, wanted in gpu_first if (present := [name for name in wanted if name in known])]
