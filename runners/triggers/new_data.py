"""The new-data trigger: what lies there settles, is looked into, becomes a version, and is decided about."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from runners.actions import datasets
from runners.datasets.adding import Added
from runners.opening import manifest_of
from runners.triggers import deciding, leaving_out, policy
from runners.triggers.breaking import break_off
from runners.triggers.gathering import Gathering, Key
from runners.triggers.inspecting import Inspector
from runners.triggers.orders import Orders
from runners.triggers.watching import Hints
from storage import dataset_diff
from storage.errors import TrainshedError, UsageError
from storage.globs import Found, expand
from storage.manifests import Manifest
from storage.project import ProjectSpec, load_project
from storage.read import datasets as read_datasets
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Trigger
from storage.write import alerts as write_alerts
from storage.write import triggers as write_triggers

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

STALE_S = 600.0  # a file that has been half-written for so long is left out
AGAIN_S = 2.0
HELD_S = 0.5
SHOWN_FILES = 50


class NewData:
    """Looks again and again at the files of a project. `hint` is called, from another thread, when to look at once.

    `steady` is the clock that `look` is told the time of; `observer` makes what watches folders (see `Hints`).
    """

    def __init__(
        self,
        shed: Shed,
        trigger: Trigger,
        orders: Orders,
        hint: Callable[[], None],
        *,
        steady: Callable[[], float] = time.monotonic,
        observer: Callable[[], BaseObserver] | None = None,
    ) -> None:
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.orders = orders
        self.gathering = Gathering(orders.spec.quiet_seconds)
        self.inspector = Inspector()
        self.examined: dict[Key, tuple[int, ...]] = {}
        self.hinted = True
        self.note = trigger.note
        self.steady = steady
        self._wake = hint
        self._observer = observer
        self._patterns: list[str] = []
        self._hints: Hints | None = None
        self._rescan_at = 0.0

    def hint(self) -> None:
        self.hinted = True
        self._wake()

    def close(self) -> None:
        self.inspector.close()
        self._unwatch()

    def _unwatch(self) -> None:
        if self._hints is not None:
            self._hints.close()

    def look(self, now: float) -> float:
        """Do what is due at `now` (monotonic seconds); returns when to look again, hints aside."""
        if self.hinted or now >= self._rescan_at or (self.gathering.pending and now >= self.gathering.settles_at()):
            self.hinted = False
            try:
                self._scan_and_take()
            except TrainshedError as err:
                self._remark(f"{err.place}: {err.message}" if err.place else err.message)
                self._rescan_at = self.steady() + AGAIN_S
                if self.gathering.pending:
                    self.gathering.later(self._rescan_at)
        return min(self._rescan_at, self.gathering.settles_at()) if self.gathering.pending else self._rescan_at

    def _scan_and_take(self) -> None:
        spec = load_project(self.orders.project_dir)
        self._watch([glob for globs in spec.dataset.globs.values() for glob in globs])
        began = self.steady()
        found = self._found(spec)
        now = self.steady()
        assert self._hints is not None
        self._rescan_at = now + self._hints.pause_between(now - began)
        changed = self.gathering.update(found, now)
        if changed and spec.dataset.kind == "table" and self._has_unexamined():
            self.inspector.start()  # which takes a moment; it opens no file before the quiet time is over
        if self.gathering.pending and now >= self.gathering.settles_at():
            self._take(spec, found, self.gathering.unsettled(now))
        elif not self.gathering.pending:
            self._remark(self._hints.warning)

    def _has_unexamined(self) -> bool:
        """Whether a file is other than those looked into; not told before a first look was taken at any."""
        return bool(self.examined) and any(self.examined.get(k) != stat for k, stat in self.gathering.stats.items())

    def _watch(self, patterns: list[str]) -> None:
        hints = self._hints
        if (
            hints is not None
            and self._patterns == patterns
            and not hints.searching
            and (hints.warning or hints.alive())
        ):
            return
        self._unwatch()
        self._patterns = patterns
        self._hints = Hints(self.orders.project_dir, patterns, self.hint, observer=self._observer)

    def _found(self, spec: ProjectSpec) -> dict[Key, Found]:
        found: dict[Key, Found] = {}
        for table, globs in spec.dataset.globs.items():
            name = table if spec.dataset.kind == "table" else "files"
            for glob in globs:
                try:
                    found |= {(name, path): file for path, file in expand(self.orders.project_dir, [glob]).items()}
                except UsageError:  # nothing matches now
                    continue
        return found

    def _take(self, spec: ProjectSpec, found: dict[Key, Found], unsettled: set[Key]) -> None:
        """What has settled is looked into, and becomes a version."""
        row = read_triggers.trigger(self.shed, self.trigger_id)
        begun = read_triggers.runs_since(self.shed, self.trigger_id, time.time() - policy.DAY_S)
        allowed = policy.verdict(self.orders.spec, begun, time.time())
        other = read_triggers.at_work(self.shed, row) if allowed.allowed else None
        if other is not None:
            allowed = policy.Verdict(
                False, f"run {other.firing.run_id}, which {other.trigger.name} set off, is at work"
            )
        reference = self._reference()
        stats = self.gathering.stats
        self.examined = {key: stat for key, stat in self.examined.items() if stats.get(key) == stat}
        if reference is not None:
            root, name = self.orders.project_dir, spec.dataset.name
            known = leaving_out.known_by_stat(self.shed, name, root, reference, stats)
            self.examined |= {key: stats[key] for key in known}
        out = {p: e for p, e in row.left_out.items() if (k := (e["table"], p)) in stats and e["stat"] == list(stats[k])}
        new = [key for key in stats if key not in self.examined and key[1] not in out and key not in unsettled]
        tables = spec.dataset.kind == "table"
        looked = leaving_out.sort_out(found, new, reference, self.inspector, tables=tables)
        self.inspector.close()
        self.examined |= {key: stats[key] for key in looked.good}
        stale = {k for k in looked.unfinished if time.time() - found[k][2] / 1e9 > STALE_S}
        looked.bad |= {key: ("half-written", looked.unfinished.pop(key)) for key in stale}
        for (table, path), (kind, why) in looked.bad.items():
            out[path] = {
                "table": table,
                "stat": list(stats[(table, path)]),
                "kind": kind,
                "why": why,
                "at": time.time(),
            }
        self._leave_out(row, out, {path for _, path in looked.bad})
        if looked.unfinished:
            (_, path), why = next(iter(looked.unfinished.items()))
            self.gathering.later(self.steady() + AGAIN_S)
            self._remark(f"waits for {path}: {why}")
            return
        if not allowed.allowed:
            self._hold_back(row, allowed)
            return
        if not stats or all(path in out for _, path in stats):
            self.gathering.taken()
            self._remark("no file is there" if not stats else "every file is left out")
            return
        # Only what was looked into: files go on coming meanwhile, and some of them are half-written.
        settled = {path for table, path in stats if (table, path) not in unsettled}
        added = datasets.add_for_project(self.shed, self.orders.project_dir, spec, only=settled - out.keys())
        if any(not still(found[key]) for key in looked.good):
            self.gathering.later(self.steady() + AGAIN_S)
            self._remark("files changed while they were taken in; they are looked at again")
            return
        if unsettled:
            self.gathering.later(self.steady() + self.gathering.quiet_s)
        else:
            self.gathering.taken()
        self._decide(added, reference, found)
        self._remark(self._hints.warning if self._hints else "")

    def _reference(self) -> Manifest | None:
        """The contents that were last acted on: what is new is new against them."""
        last = read_triggers.last_with_data(self.shed, self.trigger_id)
        if last is None or last.dataset_version_id is None:
            return None
        return manifest_of(self.shed, read_datasets.version_by_id(self.shed, last.dataset_version_id)[1])

    def _decide(self, added: Added, reference: Manifest | None, found: dict[Key, Found]) -> None:
        version = added.version
        if read_triggers.has_noticed(self.shed, self.trigger_id, version.content):
            return
        changes = dataset_diff.diff(reference or Manifest(added.manifest.kind, {}), added.manifest)
        decided = deciding.decide(self.orders.spec, changes)
        firing = write_triggers.notice(
            self.shed,
            self.trigger_id,
            version.content,
            decision=decided.decision,
            why=decided.why,
            evidence=_evidence(added, changes),
            version_id=version.id,
        )
        if firing is None:  # it was paused meanwhile: what came counts when it is resumed
            self.gathering.later(self.steady() + AGAIN_S)

    def _hold_back(self, row: Trigger, verdict: policy.Verdict) -> None:
        if verdict.breaks:
            break_off(self.shed, row, verdict.why)
            return
        wait_s = HELD_S if verdict.until is None else max(HELD_S, min(60.0, verdict.until - time.time()))
        self.gathering.later(self.steady() + wait_s)
        self._remark(f"new files wait: {verdict.why}")

    def _leave_out(self, row: Trigger, out: dict[str, Any], fresh: set[str]) -> None:
        """Write down which files are left out; of those that were not before, tell."""
        if out != row.left_out:
            write_triggers.remark(self.shed, self.trigger_id, self.note, out)
        for path in sorted(fresh):
            entry = out[path]
            schema = entry["kind"] == "schema"
            why = f"{path} is left out: {entry['why']}"
            write_triggers.notice(
                self.shed,
                self.trigger_id,
                "left out " + blake3(repr((path, entry["stat"])).encode()).hexdigest(),
                decision="stop",
                why=why,
                evidence={"files": [{"path": path, "change": "left out", **entry}]},
            )
            todo = f"if that is meant: trainshed triggers fire {row.id}; else write the file anew"
            write_alerts.raise_alert(
                self.shed,
                project=row.project,
                key=f"left out {path}",
                severity="warning",
                title=f"{row.project}/{row.name}: {why}",
                body=todo if schema else "write the file anew, or remove it",
                subject=f"trigger {row.id}",
            )

    def _remark(self, note: str) -> None:
        if note != self.note:
            self.note = note
            write_triggers.remark(self.shed, self.trigger_id, note)


def _evidence(added: Added, changes: dataset_diff.Diff) -> dict[str, Any]:
    """The files of a firing with their hashes and rows, and how many there were."""
    digests = {entry.path: entry.blake3 for entry in added.manifest.entries()}
    files = [
        {"path": c.after or c.before, "change": c.change, "rows": c.rows, "blake3": digests.get(c.after or "", "")}
        for c in changes.files
    ]
    return {
        "dataset": added.dataset.name,
        "version": added.version.number,
        "files": files[:SHOWN_FILES],
        "files_in_all": len(files),
        "rows": {table: list(rows) for table, rows in changes.rows.items()},
        "columns_added": [change.name for change in changes.columns if change.change == "added"],
    }


def still(file: Found) -> bool:
    """Whether a file is as it was found. Its ctime does not count: keeping its contents may have linked it."""
    path, size, mtime_ns, inode, _ = file
    try:
        now = os.stat(path)  # noqa: PTH116 - what was found is a string, and there may be very many
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns, now.st_ino) == (size, mtime_ns, inode)


def baseline(shed: Shed, trigger: Trigger, orders: Orders, spec: ProjectSpec) -> None:
    """What lies there now is not new: a trigger watches from here on.

    Raises:
        DataInvalid: when a file there cannot be read.
    """
    try:
        added = datasets.add_for_project(shed, orders.project_dir, spec, leave_out=trigger.left_out)
    except UsageError:
        return  # there are no files yet
    write_triggers.notice(
        shed,
        trigger.id or 0,
        added.version.content,
        decision="begin",
        why=f"watches from v{added.version.number} on",
        evidence={"dataset": added.dataset.name, "version": added.version.number},
        version_id=added.version.id,
    )
