"""Notes, tags, and what surrounded the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult

from screens import figures
from screens.ink import Line, Span, line, span, wrapped
from screens.sections import Section
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.runs import RunDetails
    from screens.run import Seen
    from storage.shed import Shed
    from storage.tables import Audit


class Notes(Section):
    """People's remarks first, then the run's own facts."""

    NAME, LETTER = "notes", "n"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Lines()

    def answer(self, shed: Shed, run_id: int, question: None) -> list[Audit]:
        from storage.read import audit

        return audit.of(shed, f"run {run_id}")

    def show(self, details: Seen, answer: list[Audit]) -> None:
        self.query_one(Lines).flow(lambda width: told(details.run, answer, width))


def told(details: RunDetails, happened: list[Audit], width: int) -> list[Line]:
    """Remarks, facts, and what happened to the run."""
    run = details.row.run
    lines: list[Line] = []
    for note in details.notes:
        lines.append(line(span(note.user, "accent"), Span(f"  {figures.ago(note.at)}", "dim")))
        lines += [[Span("  "), *part] for part in wrapped(note.text, width - 2)]
    if not details.notes:
        lines.append(line(Span("No notes yet; ", "dim"), Span("N", "accent"), Span(" adds one.", "dim")))
    lines.append([])
    tags = ", ".join(details.row.tags)
    facts = [
        ("tags", tags or "none"),
        ("project", f"{run.project}  {run.project_dir}"),
        ("by", f"{run.user} on {run.host}"),
        ("created", _moment(run.created_at)),
        ("started", _moment(run.started_at)),
        ("ended", _moment(run.ended_at)),
        ("attempt", str(run.attempt)),
        ("seed", str(run.seed)),
        ("devices", ", ".join(run.devices)),
        ("peak memory", figures.size(run.peak_rss_bytes) if run.peak_rss_bytes else ""),
        ("peak GPU memory", figures.size(run.peak_gpu_bytes) if run.peak_gpu_bytes else ""),
        ("dataset", details.dataset or ""),
        ("models", ", ".join(details.models)),
        ("lies in", str(details.directory)),
        *_environment(details.environment),
    ]
    lines += [line(Span(f"{name:<16}", "dim"), span(text)) for name, text in facts if text]
    if happened:
        lines += [[], [Span("what happened", "bold")]]
        lines += [
            line(Span(f"{figures.ago(each.at):>14}  ", "dim"), span(each.action), span(f"  by {each.user}", "dim"))
            for each in happened
        ]
    return lines


def _moment(at: float | None) -> str:
    return f"{figures.ago(at)}  {(figures.iso(at) or '')[:19].replace('T', ' ')} UTC" if at is not None else ""


def _environment(found: dict[str, Any]) -> list[tuple[str, str]]:
    python, packages, cpu = (found.get(name) or {} for name in ("python", "packages", "cpu"))
    gpus = [f"{gpu.get('name')}, {figures.size(gpu.get('memory_bytes') or 0)}" for gpu in found.get("gpus") or []]
    return [
        ("python", f"{python.get('version', '')}  {python.get('executable', '')}".strip()),
        ("torch", str(packages.get("torch", ""))),
        ("packages", str(len(packages)) if packages else ""),
        ("processor", f"{cpu.get('model', '')}, {cpu.get('usable', '')} cores" if cpu else ""),
        ("memory", figures.size(found["memory_bytes"]) if found.get("memory_bytes") else ""),
        ("GPUs", "; ".join(gpus)),
        ("driver", str((found.get("driver") or {}).get("version", ""))),
    ]
