"""What a try asks of a project, one question after the other; what a later one needs of an earlier one is kept here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb
import numpy as np

from runners.anew import Anew
from runners.evaluation.scores import shown
from runners.opening import kept_files, open_tables
from runners.pipeline import Context, Stage, execute
from runners.stages import evaluate, gate, package, prepare, train, validate
from runners.stoppable import stoppable
from runners.trying import learning, owntests, samples
from runners.trying.bench import Bench
from runners.trying.learning import NotAsked
from runners.trying.samples import Sample
from storage.counted import counted
from storage.errors import DataInvalid, RunFailed, nearest
from storage.memory import in_memory
from storage.project import ProjectSpec, with_params
from storage.sql import first_line

__all__ = ["NotAsked", "Questions"]

ROWS, FILES = 2000, 300
OVERFIT_ROWS = 8  # times as many as the sample has: an epoch over few rows shall have enough steps


@dataclass
class Questions:
    """The questions, by the names they go by. Each returns its answer in a few words.

    Raises of each: NotAsked; TrainshedError where the answer is no.
    """

    bench: Bench
    spec: ProjectSpec
    whole: Context | None = None
    small: Context | None = None
    sample: Sample | None = None

    def __iter__(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "data", self.data
        yield "validate", self.validate
        yield "prepare", self.prepare
        yield "train", self.train
        yield "evaluate", self.evaluate
        yield "package", lambda: self._stage(package, after="train")
        yield "gate can judge", self.gate
        yield "loss is finite", lambda: learning.finite(self.spec, learning.series_of(self._trained()))
        yield "loss falls", lambda: learning.falls(self.spec, learning.series_of(self._trained()))
        yield "same seed, same result", self.same
        yield "learns a few rows", self.few
        yield "packaged as trained", self.parity
        yield "own tests", self.own_tests

    def data(self) -> str:
        """All files become a dataset version, and a sample is taken of it."""
        added = self.bench.add(self.spec, self.bench.project_dir)
        self.whole = self.bench.context("whole", self.spec, added)
        if self.spec.features is None:
            self.small = self.whole
            return f"all {counted(added.version.files, 'file')}: without [features] nobody knows which may be left out"
        self.sample = sample = self._sampled(self.whole)
        self.small = self.bench.context("sample", sample.spec, self.bench.add(sample.spec, sample.folder))
        unit = "rows" if self.spec.dataset.kind == "table" else "files"
        return f"{sample.rows:,} of {sample.of:,} {unit}"

    def _sampled(self, whole: Context) -> Sample:
        wanted, out = self.spec.test.rows, self.bench.folder
        if self.spec.dataset.kind == "files":
            files = kept_files(whole.shed, whole.manifest)
            return samples.sample_files(self.spec, files, wanted or FILES, out)
        with open_tables(whole.shed, whole.manifest, self.spec.dataset.query, writes_to=out) as con:
            try:
                return stoppable(con, lambda: samples.sample_rows(con, self.spec, wanted or ROWS, out))
            except duckdb.Error as err:
                raise DataInvalid(first_line(err), place="[features]") from None

    def validate(self) -> str:
        """The checks of all the data."""
        if self.whole is None:
            raise NotAsked("there are no data")
        execute(self.whole, [validate], None)
        return validate.summary(self.whole.facts(validate.NAME))

    def prepare(self) -> str:
        """The sample becomes arrays: rows in every part, and every number finite."""
        text = self._stage(prepare, after="")
        directory = self._small().directory(prepare.NAME)
        for path in sorted(directory.glob("*/[xy].npy")):
            if not np.isfinite(np.load(path, mmap_mode="r")).all():
                raise RunFailed("holds NaN or infinity", place=f"{path.stem} of the {path.parent.name} rows")
        return text

    def train(self) -> str:
        """The project's code, on the sample."""
        text = self._stage(train, after="prepare")
        model = self._small().facts(train.NAME).get("model")
        return f"a model, as {model['kind']}" if model else text

    def _stage(self, stage: Stage, *, after: str) -> str:
        small = self._small()
        if after and after not in small.outputs:
            raise NotAsked(f"{after} failed")
        reason = stage.skipped(small)
        if reason:
            raise NotAsked(reason)
        execute(small, [stage], None)
        return stage.summary(small.facts(stage.NAME))

    def evaluate(self) -> str:
        """The metrics on the sample's test rows, all of them finite."""
        text = self._stage(evaluate, after="train")
        found = self._trained().facts(evaluate.NAME)
        broken = [name for name, value in {**found["metrics"], **found["own_metrics"]}.items() if not _finite(value)]
        if broken:
            raise RunFailed(f"not finite: {', '.join(broken)}", place="the metrics of evaluate")
        return text

    def gate(self) -> str:
        """The gate's metric is one that comes out. Its bounds are for all the data, not for a sample."""
        gate.check_rules(self.bench.project_dir, self.spec)
        metric = self.spec.gate.metric
        if metric is None:
            raise NotAsked("[gate] names no metric")
        found = self._trained().facts(evaluate.NAME)
        if not found:
            raise NotAsked("nothing was evaluated")
        known = {**found["metrics"], **found["own_metrics"]}
        if metric in found["undefined"]:
            raise NotAsked(f"{metric} is undefined on so few rows: {found['undefined'][metric]}")
        if metric not in known:
            raise RunFailed(
                f"the gate looks at {metric}, which nothing gave",
                place="[gate] metric",
                expected="one of " + ", ".join(known),
                todo=nearest(metric, known),
            )
        return f"{metric} {shown(known[metric])} on the sample; its bounds are for all the data"

    def same(self) -> str:
        """Trained again with the same seed, everything comes out the same."""
        first = self._trained()
        added = self.bench.add(first.spec, self.sample.folder if self.sample else self.bench.project_dir)
        again = self.bench.context("again", first.spec, added)
        again.outputs[prepare.NAME] = first.outputs[prepare.NAME]
        execute(again, [Anew(train), evaluate], None)
        return learning.alike(first, again)

    def few(self) -> str:
        """A few rows are learnt by heart: the way from data to gradients to weights is whole."""
        self._trained()
        if self.sample is None:
            raise NotAsked("without [features] nobody knows what a row is")
        if not self.spec.test.overfit:
            raise NotAsked("[test] overfit = 0")
        sample = self._few(self.sample)
        spec = with_params(sample.spec, self.spec.test.overfit_params, said="[test] overfit_params")
        context = self.bench.context("few", spec, self.bench.add(spec, sample.folder))
        execute(context, [prepare, train, evaluate], None)
        return learning.learnt(self.spec, context, sample.rows)

    def _few(self, sample: Sample) -> Sample:
        out = self.bench.folder
        if self.spec.dataset.kind == "files":
            files = [(str(path.relative_to(sample.folder)), path) for path in sorted(sample.folder.glob("*/*/*"))]
            return samples.few_files(sample, files, sample.rows, out)
        with in_memory() as con:
            return samples.few_rows(con, sample, OVERFIT_ROWS * sample.rows, out)

    def parity(self) -> str:
        """The packaged ONNX gives what the trained module gives, on the same rows."""
        found = self._trained().facts(package.NAME)
        if not found:
            raise NotAsked("no model was packaged")
        return f"within {found['parity']:.0e} on {counted(found['parity_rows'], 'row')}"

    def own_tests(self) -> str:
        """The project's own tests."""
        if not owntests.there_are(self.bench.project_dir):
            raise NotAsked("the project has no folder tests/ with Python in it")
        ran = owntests.run(self.bench.project_dir, self.bench.python, self.bench.env)
        if not ran.tests:
            raise NotAsked(f"{ran.by} finds no test in tests/")
        if ran.failed:
            error = RunFailed(f"{len(ran.failed)} of {ran.tests} failed: {', '.join(ran.failed[:5])}", place=ran.by)
            error.facts = {"output": ran.output}
            raise error
        return f"{ran.tests} by {ran.by}" + (f", {ran.skipped} of them skipped" if ran.skipped else "")

    def _small(self) -> Context:
        if self.small is None:
            raise NotAsked("there is no sample of the data")
        return self.small

    def _trained(self) -> Context:
        if train.NAME not in self._small().outputs:
            raise NotAsked("train failed")
        return self._small()


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
