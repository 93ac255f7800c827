"""What is told at the end: each month's figures, each decision with its reason, and where to look next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample_project.story import months
from sample_project.story.terminal import Terminal, say


@dataclass(frozen=True)
class Month:
    """How the frozen model and the one that was serving did in a month; `served_by` is that one's version."""

    month: int
    frozen: float
    served_by: int
    loop: float


def load_told(facts: dict[str, Any]) -> str:
    """What the client has seen so far, in a line."""
    by = ", ".join(f"v{version} {count:,}" for version, count in facts["versions"].items())
    return (
        f"{facts['answered']:,} requests answered ({by}), {facts['failed']} failed, {facts['truths']:,} truths posted; "
        f"p50 {facts['p50_ms']:.1f} ms, p99 {facts['p99_ms']:.1f} ms"
    )


def tell(terminal: Terminal, folder: Path, told: Sequence[Month], facts: dict[str, Any], seconds: float) -> None:
    """The end of the story."""
    say(
        "\nAUROC of each month's flights: the model frozen after August, and the one that was serving",
        style="1",
    )
    say("  month       frozen  loop           difference")
    for each in told:
        ours = f"{each.loop:.4f} (v{each.served_by})"
        say(f"  {months.name(each.month):<10}  {each.frozen:.4f}  {ours:<13}  {each.loop - each.frozen:+.4f}")
    later = [each for each in told if each.served_by > 1]
    if later:
        frozen, loop = (sum(getattr(m, name) for m in later) / len(later) for name in ("frozen", "loop"))
        say(f"  {'mean later':<10}  {frozen:.4f}  {loop:<13.4f}  {loop - frozen:+.4f}")
    say("\nWhat was decided, and why", style="1")
    lines = terminal.type("triggers", "history", quietly=True)
    for line in reversed([line for line in lines if line["event"] == "firing"]):
        came = f" → {line['outcome']}" if line["outcome"] else ""
        say(f"  {line['trigger']}: {line['decision']}: {line['why']}{came}")
    say("\nThe client", style="1")
    for why, count in facts["failures"].items():
        say(f"  failed {count} times: {why}")
    say(f"  {load_told(facts)}")
    say(f"\nAll of it took {seconds:.0f} s. To look at next:", style="1")
    say(f"  export TRAINSHED_HOME={folder / 'shed'}")
    say(f"  trainshed lineage {facts['last_id']}      # one prediction, back to the file that led to its model")
    say("  trainshed digest --since 1h")
    say("  trainshed triggers history")
    say("  trainshed models show flight-delay")
    say("  trainshed                                              # and all of it on screens")
