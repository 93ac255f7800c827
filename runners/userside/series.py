"""The metric series a run writes: packed records, one file for each set of metrics that is logged together.

`groups.jsonl` lists the sets, `g0.bin`, `g1.bin` … hold their records: step int64, time float64 (seconds since the
epoch), then one float64 a metric, little endian. Logging packs the record and leaves it in memory; a thread writes what
has gathered five times a second, so that kill -9 loses a quarter of a second at most and the training loop never waits
for a disk.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import weakref
from collections.abc import Mapping
from operator import index
from time import time
from typing import Any, Callable, Optional

from .groups import Appended, Group, listed_groups
from .names import checked_metric_name

INTERVAL = 0.2  # seconds between two writes
MOST_GROUPS = 256  # after these, a set not seen before is kept as one group a metric
MOST_WAITING = 64 << 20  # bytes kept in memory while the disk takes none

Tell = Callable[[str, dict[str, Any]], None]


def _tell_nobody(event: str, fields: dict[str, Any]) -> None:
    return None


class Writer:
    """The one writer of a directory of series. Threads may log at once; a forked copy of the process writes nothing.

    Args:
        directory: made when it is not there.
        tell: called with ("nonfinite", {"metric", "step", "value"}) when a metric is NaN or infinite for the first
            time, and with ("warning", {"text"}) when the disk takes no more and when it does again.
        keep: go on after what an earlier writer left. Otherwise the first record starts the series over, unless
            `truncate` or `truncate_from_step` said first what stays.
    """

    def __init__(self, directory: str, *, tell: Tell = _tell_nobody, keep: bool = False) -> None:
        os.makedirs(directory, exist_ok=True)
        self._directory = directory
        self._tell = tell
        self._ready: dict[
            tuple[str, ...], tuple[Any, Any, Any, Group]
        ] = {}  # empty: the next record takes the careful way
        self._list = Appended(os.path.join(directory, "groups.jsonl"))
        self._groups: list[Group] = listed_groups(directory, self._list)
        self._of_names: dict[tuple[str, ...], Group] = {group.names: group for group in self._groups}
        self._stale = not keep and any(group.file.size for group in self._groups)
        self._flagged: set[str] = set()
        self._dropped = 0
        self._stalled = False
        self._told_of_fork = False
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._thread: Optional[threading.Thread] = None
        self._end = threading.Event()
        this = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(this))

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Keep one number for each metric at `step`, with the time it is now. Values are anything that `float` takes.

        Raises:
            TypeError, ValueError: a name, a value or the step is none; nothing was kept.
        """
        try:
            pack, append, values_of, group = self._ready[tuple(metrics)]
            record = pack(step, time(), *metrics.values())
        except Exception:
            self._log_carefully(metrics, step)
            return
        append(record)
        total = sum(values_of(record))
        if total - total != 0.0:  # NaN and infinity alone; a sum that overflowed is looked at and let go
            self._flag(group, record)

    def flush(self, *, sync: bool = False) -> None:
        """Write everything that was logged; `sync` makes it safe from a power cut too. What the disk refuses stays in
        memory."""
        if os.getpid() == self._process:
            with self._lock:
                self._write_out(sync)

    def rows(self) -> dict[str, int]:
        """The number of records of every group, by its number, after writing them out. A checkpoint keeps this for
        `truncate`."""
        with self._lock:
            self._write_out(sync=True)
            return {str(group.number): group.rows for group in self._groups}

    def truncate(self, rows: Mapping[str, int]) -> None:
        """Keep the first `rows[group]` records of every group, none where a group is not named, and go on after
        them."""
        with self._lock:
            for group in self._groups:
                group.keep(rows.get(str(group.number), 0))
            self._stale = False

    def start_over(self) -> None:
        """Drop what an earlier attempt left; what was logged since stays."""
        with self._lock:
            if self._stale:
                self.truncate({})

    def truncate_from_step(self, step: int) -> None:
        """Keep the records of every group that come before its first one at `step` or later, and go on after them."""
        with self._lock:
            for group in self._groups:
                group.keep(group.rows_before(step))
            self._stale = False

    def close(self) -> None:
        """Write the rest and end. Logging afterwards raises RuntimeError."""
        self._ready = {}
        self._end.set()
        if self._thread is not None and os.getpid() == self._process:
            self._thread.join(timeout=5)
        self.flush(sync=True)
        lost = self._dropped + sum(len(group.file.waiting) // group.record for group in self._groups)
        if lost:
            self._tell("warning", {"text": f"{lost} rows of metrics were lost: the disk took no more"})

    def _log_carefully(self, metrics: Mapping[str, Any], step: int) -> None:
        """The way of a first record, of a wrong one, and of a copy of this process."""
        if os.getpid() != self._process:
            if not self._told_of_fork:
                self._told_of_fork = True
                print("trainshed: metrics logged in a forked copy of the process are not kept", file=sys.stderr)
            return
        if self._end.is_set():
            raise RuntimeError("the run has ended: nothing more can be logged")
        step, values = _checked(metrics, step)
        names = tuple(metrics)
        if not names:
            return
        with self._lock:
            self.start_over()
            groups = self._groups_of(names)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_now_and_then, name="trainshed metrics", daemon=True)
                self._thread.start()
        now, start = time(), 0
        for group in groups:
            record = group.layout.pack(step, now, *values[start : start + len(group.names)])
            start += len(group.names)
            group.pending.append(record)
            self._flag(group, record)

    def _groups_of(self, names: tuple[str, ...]) -> list[Group]:
        if names in self._of_names or len(self._groups) < MOST_GROUPS:
            group = self._group(names)
            self._ready[names] = group.layout.pack, group.pending.append, group.values_of, group
            return [group]
        return [self._group((name,)) for name in names]

    def _group(self, names: tuple[str, ...]) -> Group:
        group = self._of_names.get(names)
        if group is None:
            for name in names:
                checked_metric_name(name)
            group = Group(self._directory, len(self._groups), names)
            group.file.remove()
            line = json.dumps({"group": group.number, "names": list(names)})
            self._list.waiting += line.encode() + b"\n"
            self._groups.append(group)
            self._of_names[names] = group
        return group

    def _flag(self, group: Group, record: bytes) -> None:
        step = group.layout.unpack(record)[0]
        for place, value in enumerate(group.values_of(record)):
            name = group.names[place]
            if not math.isfinite(value) and name not in self._flagged:
                self._flagged.add(name)
                self._tell("nonfinite", {"metric": name, "step": step, "value": repr(value)})

    def _write_now_and_then(self) -> None:
        while not self._end.wait(INTERVAL):
            self.flush()

    def _write_out(self, sync: bool) -> None:
        """Move what is pending to the files. The list of groups goes first: no record is ever without its names."""
        room = MOST_WAITING - sum(len(group.file.waiting) for group in self._groups)
        for group in self._groups:
            taken = group.take()
            if len(taken) > room:
                self._dropped += len(taken) // group.record
            else:
                group.file.waiting += taken
                room -= len(taken)
        try:
            self._list.write_out(sync)
            for group in self._groups:
                group.file.write_out(sync)
        except OSError as error:
            if not self._stalled:
                self._stalled = True
                text = f"metrics cannot be written ({error.strerror}); they are kept in memory and the run goes on"
                self._tell("warning", {"text": text})
        else:
            if self._stalled:
                self._stalled = False
                self._tell("warning", {"text": f"metrics are written again; {self._dropped} rows were lost meanwhile"})


def _checked(metrics: Mapping[str, Any], step: int) -> tuple[int, list[float]]:
    """The step and the values as numbers, or an error that names the one that is none."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f'metrics are a dict such as {{"train/loss": 0.3}}, not {type(metrics).__name__}')
    try:
        whole = index(step)
    except TypeError:
        raise TypeError(f"a step is a whole number, not {step!r} ({type(step).__name__})") from None
    if not -(1 << 63) <= whole < 1 << 63:
        raise ValueError(f"a step fits in 64 bits; {whole} does not")
    values = []
    for name, value in metrics.items():
        try:
            values.append(_number(value))
        except Exception:  # whatever the value's own conversion raises
            shown = repr(value)
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise TypeError(f"the metric {name!r} is one number, not {shown} ({type(value).__name__})") from None
    return whole, values


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text is no number, even where float() reads one")
    return float(value)


def _forget(reference: weakref.ref[Writer]) -> None:
    """After a fork, in the copy: every call takes the careful way, where the process is looked at."""
    writer = reference()
    if writer is not None:
        writer._ready = {}
