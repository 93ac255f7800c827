"""`run`: what the user's function is given."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional, Union

from .checkpoints import Checkpoints
from .events import Events
from .files import replacing
from .names import checked_relative_path
from .packages import has
from .params import Params
from .series import Writer
from .stopping import StopRequest
from .tensors import Data, NoData


class Run:
    """A run, as the user's code sees it.

    Started under torchrun, every process has one. What writes the run's record (`log`, `progress`, `checkpoint`) is
    done by rank 0 alone and costs the others nothing, so the same code runs on one device and on many.

    Attributes:
        params: the run's params, as attributes and as a mapping.
        seed: what `random`, numpy and torch were seeded with.
        rank, world_size: this process among those of the run; 0 and 1 without torchrun.
        restored_step: the step of the checkpoint that `restore` gave, or None.
        dir: the run directory.
    """

    def __init__(self, job: Mapping[str, Any], events: Events, stop: StopRequest) -> None:
        self.params = Params(job.get("params") or {})
        self.seed = int(job.get("seed") or 0)
        self.rank = int(os.environ.get("RANK", "0"))
        self.world_size = int(os.environ.get("WORLD_SIZE", "1"))
        self.restored_step: Optional[int] = None
        self.dir = Path(job["run_dir"])
        self._job = job
        self._events = events
        self._stop = stop
        self._counted = 0
        self._devices: Optional[list[str]] = None
        self._checkpoints = Checkpoints(str(self.dir / "checkpoints"), events)
        self._series = None if self.rank else Writer(str(self.dir / "metrics"), tell=events.tell)
        self._data: Optional[Data] = None
        # a loss may be logged as it is: reading its value is all that happens to it
        warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")

    @property
    def data(self) -> Data:
        """The data that `prepare` wrote: `data.train`, `data.validation`, `data.test`.

        Raises:
            NoData: the run has none.
        """
        if self._data is None:
            if not self._job.get("data_dir"):
                raise NoData(
                    "this run has no data: trainshed.toml says no [features], or the run was started without them"
                )
            names = ("task", "features", "categories", "classes")
            self._data = Data(self._job["data_dir"], **{name: self._job.get(name) for name in names})
        return self._data

    @property
    def devices(self) -> list[str]:
        """The devices the run holds: `["cuda:0", …]`, or `["cpu"]` where torch sees no GPU or the run asked for
        none."""
        if self._devices is None:
            self._devices = ["cpu"]
            if self._job.get("gpus") != 0 and has("torch"):
                cuda = sys.modules["torch"].cuda
                self._devices = (
                    [f"cuda:{number}" for number in range(cuda.device_count())] if cuda.is_available() else ["cpu"]
                )
        return self._devices

    @property
    def device(self) -> str:
        """This process's device: under torchrun the one of its local rank, else the first."""
        return self.devices[int(os.environ.get("LOCAL_RANK", "0")) % len(self.devices)]

    @property
    def should_stop(self) -> bool:
        """Whether somebody asked the run to stop. Code that looks here decides itself when to return; other code is
        ended."""
        return self._stop.asked()

    def log(self, metrics: Mapping[str, Any], step: Optional[int] = None) -> None:
        """Keep one number for each metric, such as `{"train/loss": 0.3}`, at `step` (default: how often it was called
        without one).

        Raises:
            TypeError, ValueError: a name, a value or the step is none; nothing was kept.
        """
        if self._series is None:
            return
        if step is None:
            step = self._counted
            self._counted += 1
        self._series.log(metrics, step)

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Tell how much of `total` is done; call it as often as you like."""
        if not self.rank:
            self._events.progress(done, total, text)

    def note(self, text: str) -> None:
        """Leave a line in the run's record."""
        self._events.emit("note", text=str(text))

    def checkpoint(self, state: Any, step: int) -> None:
        """Keep `state` so that `restore` gives it back after a crash, with the metrics as they are now. The last two
        are kept.

        Raises:
            TypeError: the state holds something other than tensors, arrays, numbers, text and containers of them.
            CheckpointFailed: (an OSError) the disk did not take it; the ones before are whole.
        """
        if self._series is not None:
            self._checkpoints.save(state, int(step), rows=self._series.rows(), counted=self._counted)

    def restore(self) -> Optional[Any]:
        """Return the state of the newest checkpoint that is whole (tensors on the CPU), or None where the run has none.

        The metrics go back to what they were then, so that logging goes on without a gap or a double. Call it before
        the first `log`, which would start the series of an earlier attempt over.
        """
        found = self._checkpoints.restore(keep_damaged=self.rank > 0)
        if self._series is not None:
            if found is not None:
                self._series.truncate(found[1].rows)
            else:
                self._series.start_over()
        if found is None:
            return None
        state, entry = found
        self.restored_step = entry.step
        self._counted = entry.counted
        return state

    def save(self, content: Union[str, bytes, os.PathLike[str]], name: Optional[str] = None) -> None:
        """Keep a file (by its path) or bytes as an artifact of the run, under `name` (default: the file's own).

        Raises:
            ValueError: the name leaves the artifacts' folder, or bytes came without one.
            FileNotFoundError: there is no such file.
        """
        if isinstance(content, bytes):
            if name is None:
                raise ValueError('bytes need a name: run.save(content, name="plots/roc.png")')
        elif name is None:
            name = os.path.basename(os.fspath(content))
        relative = checked_relative_path(name, "run's artifact")
        target = self.dir / "artifacts" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(str(target)) as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                with open(content, "rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
        self._events.emit("artifact", name=str(relative), path=str(target), bytes=target.stat().st_size)

    def close(self) -> None:
        """Write what was logged. The child calls this; nothing can be logged afterwards."""
        if self._series is not None:
            self._series.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "run cannot be sent to another process; give the workers what they need of it (paths, params, data)"
        )
