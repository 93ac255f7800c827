"""Small data of a project: a sample of its rows or files, and a few of them many times over.

Which rows are taken goes by the hash of their place, so the same data always give the same sample; no class is left
out. A sample is written as files of its own, which become a dataset like any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path, PurePosixPath

import duckdb

from runners.features.preparing import WIDE_INTEGERS
from runners.features.targets import fit_target, target_known
from storage.columns import duckdb_types, identifier, literal
from storage.errors import DataInvalid
from storage.project import FeaturesSection, ProjectSpec, SplitSection

LEAST_OF_CLASS = 30  # rows of a class in a sample, where there are so many
FEW = 24  # rows that a model should be able to learn by heart
FEW_OF_CLASS = 2


@dataclass(frozen=True)
class Sample:
    """A sample in files below `folder`, as a project of its own: its dataset is the sample, without any checks.

    `rows` are rows (of a table) or files; of `few` different ones where they stand there many times.
    """

    spec: ProjectSpec
    folder: Path
    rows: int
    of: int


def sample_rows(con: duckdb.DuckDBPyConnection, spec: ProjectSpec, rows: int, out: Path) -> Sample:
    """Write about `rows` rows of the view `data` to a Parquet file in `out`, of each class its share, but not too few.

    Raises:
        DataInvalid: the target is no column, or not what the task needs.
    """
    features = _features(spec)
    whole = out / "whole.parquet"
    types = duckdb_types(con, "select * from data")
    used = {features.target, *features.numeric, *features.categorical}
    wide = [identifier(name) for name, kind in types.items() if kind in WIDE_INTEGERS and name in used]
    narrowed = f"replace ({', '.join(f'cast({name} as bigint) as {name}' for name in wide)})" if wide else ""
    con.execute(f"copy (select * {narrowed} from data) to {literal(str(whole))} (format parquet)")
    source = f"read_parquet({literal(str(whole))})"
    total = _count(con, source)
    of_class = f"partition by {identifier(features.target or '')}" if features.task != "regression" else ""
    picked = f"""
        select file_row_number as row, row_number() over ({of_class} order by {_hash("file_row_number")}) as place,
               count(*) over ({of_class}) as alike
        from {source}"""
    kept = f"place <= greatest(least(alike, {LEAST_OF_CLASS}), ceil({rows} * alike / {max(total, 1)}))"
    (out / "sample").mkdir()
    con.execute(
        f"""copy (select * from {source} where file_row_number in (select row from ({picked}) where {kept})
                  order by file_row_number)
            to {literal(str(out / "sample" / "rows.parquet"))} (format parquet)"""
    )
    whole.unlink()
    return Sample(_of_table(spec, spec.split), out / "sample", _count(con, _rows(out / "sample")), total)


def few_rows(con: duckdb.DuckDBPyConnection, sample: Sample, copies_to: int, out: Path) -> Sample:
    """Write a few rows of a sample, over and over until there are `copies_to`, so that each part of a split has all.

    No two have the same features, and every class is among them.
    """
    features = _features(sample.spec)
    source = _rows(sample.folder)
    target = fit_target(con, f"select * from {source}", features)
    name, classes = identifier(features.target or ""), max(1, len(target.classes))
    columns = ", ".join(identifier(column) for column in [*features.numeric, *features.categorical])
    of_class = f"partition by {name}" if target.classes else ""
    each = max(FEW_OF_CLASS, -(-FEW // classes))
    picked = f"""
        select row, row_number() over ({of_class} order by {_hash("row")}) as place
        from (select file_row_number as row, {name},
                     row_number() over (partition by {columns} order by file_row_number) as again
              from {source} where {target_known(target.name, target.type)})
        where again = 1"""
    (out / "few").mkdir()
    chosen = f"select row from ({picked}) where place <= {each}"
    different = int(con.execute(f"select count(*) from ({chosen})").fetchall()[0][0])
    copies = max(2, -(-copies_to // max(1, different)))
    con.execute(
        f"""copy (select * exclude (copy_of_all) from
                    (select unnest(range({copies})) as copy_of_all) cross join
                    (select * from {source} where file_row_number in ({chosen})))
            to {literal(str(out / "few" / "rows.parquet"))} (format parquet)"""
    )
    return Sample(_of_table(sample.spec, _mixed(sample.spec.split)), out / "few", different, sample.rows)


def sample_files(spec: ProjectSpec, files: Sequence[tuple[str, Path]], count: int, out: Path) -> Sample:
    """Link about `count` of the (relative path, place) in `out`, of each class folder its share, but not too few."""
    share = count / max(1, len(files))
    picked = []
    for members in _by_class(files).values():
        picked += members[: max(min(LEAST_OF_CLASS, len(members)), round(share * len(members)))]
    return Sample(_linked(spec, spec.split, sorted(picked), out / "sample", 1), out / "sample", len(picked), len(files))


def few_files(sample: Sample, files: Sequence[tuple[str, Path]], copies_to: int, out: Path) -> Sample:
    """Link a few files of a sample, over and over until there are `copies_to`; every class is among them."""
    by_class = _by_class(files)
    each = max(FEW_OF_CLASS, -(-FEW // max(1, len(by_class))))
    picked = sorted(member for members in by_class.values() for member in members[:each])
    copies = max(4, -(-copies_to // max(1, len(picked))))
    spec = _linked(sample.spec, _mixed(sample.spec.split), picked, out / "few", copies)
    return Sample(spec, out / "few", len(picked), sample.rows)


def _by_class(files: Iterable[tuple[str, Path]]) -> dict[str, list[tuple[str, Path]]]:
    """The files of each class folder, in the order of the hash of their path."""
    found: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for relative, place in sorted(files, key=lambda file: md5(file[0].encode(), usedforsecurity=False).digest()):
        found[PurePosixPath(relative).parent.name].append((relative, place))
    return dict(sorted(found.items()))


def _linked(
    spec: ProjectSpec, split: SplitSection, files: Sequence[tuple[str, Path]], out: Path, copies: int
) -> ProjectSpec:
    """Each file in a folder of its own below `out`, with its class folder and its name, which `load` may look at."""
    number = 0
    for _ in range(copies):
        for relative, place in files:
            path = PurePosixPath(relative)
            link = out / f"{number:06}" / path.parent.name / path.name
            link.parent.mkdir(parents=True)
            link.symlink_to(place.absolute())
            number += 1
    return _with_data(spec, split, "**")


def _of_table(spec: ProjectSpec, split: SplitSection) -> ProjectSpec:
    return _with_data(spec, split, "rows.parquet")


def _with_data(spec: ProjectSpec, split: SplitSection, pattern: str) -> ProjectSpec:
    dataset = spec.dataset.model_copy(update={"files": pattern, "tables": {}, "query": None, "reference": True})
    checks = type(spec.checks)()
    return spec.model_copy(update={"dataset": dataset, "checks": checks, "split": split})


def _mixed(split: SplitSection) -> SplitSection:
    """A split that knows nothing of time or groups: copies of a row shall come into every part."""
    return SplitSection(by="random", validation=split.validation, test=split.test)


def _features(spec: ProjectSpec) -> FeaturesSection:
    if spec.features is None:
        raise DataInvalid("without [features] nobody knows which rows may be left out")
    return spec.features


def _rows(folder: Path) -> str:
    return f"read_parquet({literal(str(folder / 'rows.parquet'))})"


def _hash(number: str) -> str:
    return f"md5(cast({number} as varchar))"


def _count(con: duckdb.DuckDBPyConnection, source: str) -> int:
    return int(con.execute(f"select count(*) from {source}").fetchall()[0][0])
