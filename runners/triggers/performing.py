"""The performance trigger: how well production does, by feedback, by newly labelled files, or by an estimate."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from runners.evaluation.truths import truths
from runners.features.targets import class_text, target_known
from runners.monitoring import answers, performance, samples
from runners.monitoring.answers import MOST_TRUE, Answers
from runners.monitoring.behind import Behind, behind
from runners.monitoring.performance import FEWEST, Performance
from runners.opening import manifest_of, open_tables
from runners.packaging.scoring import Scorer
from runners.triggers import measuring
from runners.triggers.drifting import logs
from runners.triggers.measuring import Found
from storage import predictions
from storage.columns import column_types, identifier, literal
from storage.manifests import Manifest
from storage.project import ProjectSpec
from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.shed import Shed
from storage.trigger_section import TriggerSection


@dataclass(frozen=True)
class Judged:
    """How well a version does, and on what rows that was found."""

    version: int
    of: str
    performance: Performance

    @property
    def told(self) -> str:
        return f"v{self.version}: {self.performance.sentence}, on {self.of}"

    def bad(self, drop: float) -> bool:
        """Whether it lost at least this much. Of what was measured, the whole interval must be on the worse side."""
        found = self.performance
        if found.loss is None or found.loss < drop:
            return False
        best = found.high if found.higher_is_better else found.low
        if found.estimated or best is None or found.reference is None:
            return True
        return best < found.reference if found.higher_is_better else best > found.reference


def look(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> Found:
    """Judge production. Losing `drop` once more is another trouble. Raises TrainshedError when rows cannot be read."""
    judged = judge(shed, project, spec)
    if judged is None:
        return Found(f"waits: {lacking(shed, project, spec)}")
    if not judged.bad(spec.drop):
        return Found("")
    found = judged.performance
    times = int((found.loss or 0.0) / spec.drop)
    key = f"performance v{judged.version} {'estimated' if found.estimated else 'measured'} {times}"
    return Found("", judged.told, key, {"model_version": judged.version, "of": judged.of, **asdict(found)})


def lacking(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> str:
    """Why production could not be judged."""
    few = f"the truth is known of fewer than {max(spec.min_rows, FEWEST):,} rows"
    estimate = ", and there is no estimate without truth" if spec.estimate else ""
    return measuring.lacking(
        shed, project, lambda production: f"{few} that v{production.number} answered or never saw{estimate}"
    )


def judge(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> Judged | None:
    """How well production does: by the truth that its endpoints were told, else by rows of the newest dataset version
    that it has not seen, else, where the trigger says so, by an estimate. None where nothing has enough rows.

    Raises:
        TrainshedError: when the rows cannot be read, or the packaged model cannot be run.
    """
    production = read_models.aliased(shed, project.project.name, "production")
    if production is None or production.task is None:
        return None
    stood = behind(shed, production)
    least, since = max(spec.min_rows, FEWEST), time.time() - spec.window_hours * 3600
    for of, found in _by_truth(stood, project, since):
        if found is not None and found.rows >= least:
            return Judged(production.number, of, found)
    if not spec.estimate or stood.said is None or stood.truth is None:
        return None
    for endpoint, folder in logs(shed, project.project.name):
        asked = _logged(folder, lambda con: answers.drawn(con, stood.signature, production.number, since))
        if len(asked) < least:
            continue
        estimated = performance.estimated(asked, stood.signature.task, stood.metric, (stood.truth, stood.said))
        if estimated is not None:
            return Judged(production.number, f"predictions of {endpoint.name} without truth", estimated)
    return None


def _by_truth(stood: Behind, project: ProjectSpec, since: float) -> Iterator[tuple[str, Performance | None]]:
    task, metric, number = stood.signature.task, stood.metric, stood.version.number
    reference = stood.reference
    for endpoint, folder in logs(stood.shed, project.project.name):
        known = _logged(folder, lambda con: answers.known(con, stood.signature, number, since, []))
        yield f"feedback of {endpoint.name}", performance.measured(known, task, metric, reference=reference)
    new = _new_files(stood, project)
    if new is not None:
        name, manifest = new
        labelled = of_files(stood, project, manifest)
        yield f"new labelled rows of {name}", performance.measured(labelled, task, metric, reference=reference)


def _logged(folder: Path, read: Callable[..., Answers]) -> Answers:
    with predictions.connect(folder) as con:
        return read(con)


def _new_files(stood: Behind, project: ProjectSpec) -> tuple[str, Manifest] | None:
    """What the newest version of the dataset has that the model was not trained on, and what that version is called."""
    if project.dataset.kind != "table" or stood.version.dataset_version_id is None:
        return None
    dataset, trained = read_datasets.version_by_id(stood.shed, stood.version.dataset_version_id)
    newest = read_datasets.version(stood.shed, dataset.name)
    if newest.content == trained.content:
        return None
    new = samples.fresh(manifest_of(stood.shed, trained), manifest_of(stood.shed, newest))
    return (f"{dataset.name} v{newest.number}", new) if any(new.tables.values()) else None


def of_files(stood: Behind, project: ProjectSpec, manifest: Manifest) -> Answers:
    """What the model says of labelled rows, and their truth. Rows without a label are left out.

    Raises:
        DataInvalid: when a file is not what it was, the query cannot run, or a column that the model needs is missing.
        RunFailed, ShedError: when the packaged model cannot be run, or is damaged.
    """
    target = stood.signature.target or ""
    with tempfile.TemporaryDirectory(dir=stood.shed.tmp) as folder:
        rows = Path(folder, "rows.parquet")
        with open_tables(stood.shed, manifest, project.dataset.query, writes_to=Path(folder)) as con:
            kind = column_types(con, "select * from data").get(target)
            if kind is None:
                return _no_answers()
            drawn = f"using sample reservoir({MOST_TRUE} rows) repeatable (1)"
            labelled = f"from (from data where {target_known(target, kind)}) {drawn}"
            con.execute(f"copy ({labelled}) to {literal(str(rows))} (format parquet)")
            is_class = stood.signature.task != "regression"
            text = class_text(target, kind) if is_class else f"cast({identifier(target)} as varchar)"
            told = con.execute(f"select {text} from read_parquet({literal(str(rows))})").fetchall()
        if not told:
            return _no_answers()
        said = Scorer(stood.model, stood.signature).predict_parquet(rows)
    truth = truths([row[0] for row in told], stood.signature)
    return Answers(np.zeros(len(truth)), said, truth, {})


def _no_answers() -> Answers:
    return Answers(np.zeros(0), np.zeros(0), np.zeros(0), {})
