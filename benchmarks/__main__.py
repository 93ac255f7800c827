"""Run every benchmark, or the named ones, and print one table."""

from __future__ import annotations

import importlib
import json
import platform
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import Row
from benchmarks.peers import absent

NAMES = (
    "log_call", "bare_loop", "overlay", "run_table", "dataset_version", "profile_table", "submit", "triggers",
    "serving", "predict_rows", "tui",
)  # fmt: skip


def main(names: list[str]) -> None:
    console = Console()
    if absent():
        console.print(f"not installed, so not measured: {', '.join(absent())}; `make bench` installs the peers")
    rows: list[Row] = []
    for name in names or NAMES:
        console.print(f"[dim]{name} …[/dim]")
        rows += importlib.import_module(f"benchmarks.{name}").measure()
    table = Table(
        title=f"{platform.processor() or platform.machine()}, {platform.python_version()}", title_justify="left"
    )
    for heading in ("what", "ours", "floor", "ours / floor", "peers (× ours)", "goal"):
        table.add_column(heading, justify="left" if heading in ("what", "peers (× ours)", "goal") else "right")
    for row in rows:
        table.add_row(
            row["what"],
            _figure(row["ours"], row["unit"]),
            _figure(row["floor"], row["unit"]),
            f"{row['ours'] / row['floor']:.2f}" if row["floor"] else "–",
            "\n".join(_beside(peer, value, row) for peer, value in row["peers"].items()),
            row["goal"],
        )
    console.print(table)
    for row in rows:
        print(json.dumps(row), file=sys.stderr)


def _beside(peer: str, value: float, row: Row) -> str:
    times = f" ({value / row['ours']:.1f}×)" if row["ours"] else ""
    return f"{peer} {_figure(value, row['unit'])}{times}"


def _figure(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


if __name__ == "__main__":
    main(sys.argv[1:])
