"""Any command as a run: what `trainshed exec` queues."""

from __future__ import annotations

from pathlib import Path

from runners import supervisor
from runners.agency.requests import Request
from runners.loop import INTERRUPTED, Finished, Tell
from runners.pipeline import Hold
from runners.supervision.outcome import Outcome
from runners.supervision.peaks import gpu_peak
from storage.errors import RunFailed
from storage.shed import Shed
from storage.tables import Run
from storage.write import runs as write_runs

# Leaves the exit code where a supervisor that takes over finds it, and ends as the command did: by its signal, too.
SHELL = [
    "/bin/sh",
    "-c",
    'left=$1; shift; "$@"; code=$?; '
    'if [ "$code" -gt 128 ]; then kill -"$((code - 128))" "$$"; fi; '
    'if [ "$code" -eq 0 ]; then ok=true; else ok=false; fi; '
    """printf '{"ok": %s, "exit_code": %d, "error": {"message": "ended with exit code %d"}}' """
    '"$ok" "$code" "$code" > "$left.new" && mv "$left.new" "$left"; exit "$code"',
    "trainshed",
]


def carry_out(shed: Shed, run: Run, request: Request, hold: Hold, tell: Tell) -> Finished:
    """Run the command to its end under the lease, as the person who asked for it, in the directory they stood in.

    It finds TRAINSHED_RUN and TRAINSHED_RUN_DIR in its environment.

    Raises:
        RunFailed: when it cannot be started, or the run's row is not what was asked for.
    """
    assert run.id is not None
    if request.identity != run.identity:
        raise RunFailed(f"run {run.id} is not what was asked for", todo=f"trainshed runs requeue {run.id}")
    directory = shed.make_dir(shed.run_dir(run.id))
    out = shed.make_dir(directory / "out")
    tell({"event": "run", "run": run.id, "name": run.name, "project": run.project, "attempt": run.attempt})
    outcome = supervisor.adopt(directory, out, gpu_indices=hold.gpu_indices)
    if outcome is None:
        names = {"TRAINSHED_RUN": str(run.id), "TRAINSHED_RUN_DIR": str(directory)}
        outcome = supervisor.supervise(
            [*SHELL, str(out / "result.json"), *request.command],
            run_dir=directory,
            out_dir=out,
            env={**request.env, **hold.env, **names},
            cwd=Path(request.cwd),
            gpu_indices=hold.gpu_indices,
            attempt=run.attempt,
            pass_fds=hold.fds,
            needs_result=False,
        )
    gpu_bytes = gpu_peak(directory, since=run.started_at or 0.0)
    write_runs.peaks(shed, run.id, rss_bytes=outcome.peak_rss_bytes, gpu_bytes=gpu_bytes)
    code = INTERRUPTED if outcome.status == "stopped" else (_exit_code(outcome) or int(outcome.status != "done"))
    status = "failed" if outcome.status == "timed out" else outcome.status
    write_runs.finish(shed, run.id, status, code, outcome.reason, ending=outcome.ending)
    return Finished(status, code, run.id, reason=outcome.reason, ending=outcome.ending)


def _exit_code(outcome: Outcome) -> int | None:
    """Of a command that ended while no supervisor watched, what it left says it."""
    left = outcome.result.get("exit_code") if outcome.result else None
    return outcome.exit_code if outcome.exit_code is not None or not isinstance(left, int) else left
