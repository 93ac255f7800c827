"""Ten million rows through `predict`, from Parquet to Parquet, beside a bare onnxruntime loop over the same file.

The floor reads the file as columns and runs the session on batches of them; it neither writes nor can go on.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Row
from benchmarks.peers import ROOT

MANY, FEW = 10_000_000, 1_000_000
BATCH_ROWS, GROUP_ROWS = 8192, 122_880


def measure() -> list[Row]:
    """Seconds for ten million rows on one thread, and the peak memory, beside that of a million."""
    from storage.memory import in_memory
    from storage.shed import open_shed
    from tests.served import version_of

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shed = open_shed(folder / "shed")
        model = shed.objects.path(version_of(shed).digest)
        with in_memory(threads=1) as con:
            for rows in (MANY, FEW):
                query = (
                    f"select (i * 7919 % 5000)::double as distance, ['UA', 'AA', 'DL'][1 + i % 3] as carrier, "
                    f"i % 31 as day from range({rows}) t(i)"
                )
                con.execute(f"copy ({query}) to '{folder}/{rows}.parquet' (format parquet)").fetchall()
        many = _run("ours", str(shed.root), f"{folder}/{MANY}.parquet", f"{folder}/out.parquet")
        few = _run("ours", str(shed.root), f"{folder}/{FEW}.parquet", f"{folder}/few.parquet")
        floor = _run("floor", str(model), f"{folder}/{MANY}.parquet")
    said = "10 M rows through `predict`, three raw columns"
    return [
        {"what": said, "ours": many["s"], "floor": floor["s"], "peers": {}, "goal": "", "unit": "s"},
        {
            "what": "its peak memory", "ours": many["mib"], "floor": floor["mib"],
            "peers": {"of 1 M rows": few["mib"]}, "goal": "flat", "unit": "MiB",
        },
    ]  # fmt: skip


def _run(*words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.predict_rows", *words], check=True, capture_output=True, text=True, cwd=ROOT
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(shed: str, source: str, output: str) -> None:
    from runners.actions.predicting import predict
    from storage.shed import open_shed

    predict(open_shed(Path(shed)), "delays", Path(source), Path(output))


def _floor(model: str, source: str) -> None:
    import numpy as np
    import onnxruntime

    from storage.memory import in_memory

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with in_memory(threads=1) as con:
        for start in range(0, MANY, GROUP_ROWS):
            found = con.execute(
                f"select distance, carrier, day from read_parquet('{source}') "
                f"where file_row_number between {start} and {start + GROUP_ROWS - 1}"
            ).fetchnumpy()
            columns = {name: np.asarray(values).reshape(-1, 1) for name, values in found.items()}
            for place in range(0, len(columns["day"]), BATCH_ROWS):
                session.run(None, {name: values[place : place + BATCH_ROWS] for name, values in columns.items()})


if __name__ == "__main__":
    began = time.perf_counter()
    {"ours": _ours, "floor": _floor}[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": time.perf_counter() - began, "mib": peak}))
