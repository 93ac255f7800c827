"""Whole projects from data shipped in scikit-learn, each small and trained in seconds.

Every function writes trainshed.toml, pipeline.py and data/ into a folder (made when it is not there) and returns it.
"""

from __future__ import annotations

import csv
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_wine

DIGITS = 1000  # of 1,797: enough for an honest test split, and quick to write


def digits_images(folder: Path) -> Path:
    """Handwritten digits as an image tree `digits/CLASS/NNNN.png`; the project's own code decodes the images."""
    digits = load_digits()
    for number, (image, digit) in enumerate(zip(digits.images[:DIGITS], digits.target[:DIGITS], strict=True)):
        path = folder / "digits" / str(digit) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.rint(image * 255 / 16).astype(np.uint8)))
    (folder / "images.py").write_text(IMAGES_CODE)
    return _project(folder, DIGITS_TOML, DIGITS_CODE)


def png(image: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Return a greyscale image [height, width] as the bytes of a PNG file."""
    height, width = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)  # each row starts with its filter: none

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def wine_csv(folder: Path) -> Path:
    """Three kinds of wine from thirteen measurements: multiclass, one CSV file."""
    columns, rows = _wine()
    _write_csv(folder / "data" / "wine.csv", [*columns, "kind"], rows)
    return _project(folder, _wine_toml(columns, "kind"), CLASSIFIER_CODE)


def wine_sklearn(folder: Path) -> Path:
    """The same wines; `train` returns the path of a scikit-learn model that skl2onnx converted."""
    wine_csv(folder)
    (folder / "pipeline.py").write_text(SKLEARN_CODE)
    return folder


def hostile_names(folder: Path) -> Path:
    """The same wines; names of columns and classes hold spaces, quotes, markup, SQL and letters beyond ASCII."""
    _, rows = _wine()
    named = [[*row[:-1], ("süß & schön", 'the "dry" one', "it's [b]red[/b]")[int(row[-1][-1])]] for row in rows]
    years = [["vor 1990; --", 'a "good" year', "", "naïve 年"][number * 7 % 4] for number in range(len(named))]
    content = [[*row[:-1], year, row[-1]] for row, year in zip(named, years, strict=True)]
    _write_csv(folder / "data" / "wine of the year.csv", [*HOSTILE, "année", 'the "kind" of wine'], content)
    toml = _wine_toml(HOSTILE, 'the "kind" of wine', categorical=["année"], name="wine of the year")
    return _project(folder, toml, CLASSIFIER_CODE)


def diabetes_jsonl(folder: Path) -> Path:
    """How far diabetes went in a year: regression, JSON lines, a category that is an integer, and some nulls."""
    diabetes = load_diabetes(scaled=False)
    path = folder / "data" / "patients.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number, (row, target) in enumerate(zip(diabetes.data.tolist(), diabetes.target.tolist(), strict=True)):
            record: dict[str, Any] = dict(zip(diabetes.feature_names, row, strict=True))
            record |= {"sex": int(record["sex"]), "bmi": None if number % 20 == 7 else record["bmi"]}
            file.write(json.dumps({"patient": number, **record, "progression": target}) + "\n")
    return _project(folder, DIABETES_TOML, REGRESSION_CODE)


def own_modules(folder: Path) -> Path:
    """The diabetes project, its code spread over modules that are named like trainshed's own: app, storage, runners."""
    diabetes_jsonl(folder)
    for path, code in OWN_CODE.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(code)
    return folder


def _project(folder: Path, toml: str, code: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainshed.toml").write_text(toml, encoding="utf-8")
    (folder / "pipeline.py").write_text(code, encoding="utf-8")
    return folder


def _wine() -> tuple[list[str], list[list[str]]]:
    """Names of the measurements, and rows of them as text with the name of the kind at the end."""
    wine = load_wine()
    columns = [name.replace("/", "_or_") for name in wine.feature_names]
    kinds = [str(wine.target_names[kind]) for kind in wine.target]
    return columns, [[*map(str, row), kind] for row, kind in zip(wine.data.tolist(), kinds, strict=True)]


def _write_csv(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def _wine_toml(numeric: list[str], target: str, *, categorical: list[str] | None = None, name: str = "wine") -> str:
    """JSON's strings and lists are TOML's too, so any name can be written."""
    values = {
        "NAME": name.replace(" ", "-"),
        "FILES": f"data/{name}.csv",
        "TARGET": target,
        "CATEGORICAL": categorical or [],
        "NUMERIC": numeric,
        "FIRST": numeric[0],
        "SLICES": categorical or [],
    }
    toml = WINE_TOML
    for key, value in values.items():
        toml = toml.replace(key, json.dumps(value, ensure_ascii=False))
    return toml


HOSTILE = [
    "alcohol, % by volume",
    "acide malique (g/l)",
    "l'été",
    '"ash"',
    "магний",
    "总酚",
    "select",
    "a; drop table data; --",
    "[bold]colour[/bold]",
    "back\\slash",
    "{brace} $dollar `tick`",
    "two  spaces, 'one' \ttab",
    "prolinę/x:y=z",
]

DIGITS_TOML = """\
[project]
name = "digits"

[dataset]
name = "digits"
kind = "files"
files = "digits/*/*.png"

[features]
task = "multiclass"
load = "images:load"

[split]
by = "stratified"
validation = 0.15
test = 0.15

[train]
entry = "pipeline:train"
gpus = 0
[train.params]
lr = 0.01
epochs = 12
batch_size = 64

[gate]
metric = "accuracy"
min = 0.85
max_latency_ms = 50
"""

IMAGES_CODE = '''\
"""Greyscale PNG files without filters → arrays, by the standard library."""

import struct
import zlib

import numpy as np


def load(path):
    """The image as float32 [1, height, width], 0 to 1."""
    with open(path, "rb") as file:
        content = file.read()
    width, height = struct.unpack(">II", content[16:24])
    packed, place = b"", 8
    while place < len(content):
        (length,), kind = struct.unpack(">I", content[place : place + 4]), content[place + 4 : place + 8]
        if kind == b"IDAT":
            packed += content[place + 8 : place + 8 + length]
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(height, width + 1)
    return rows[None, :, 1:].astype(np.float32) / 255
'''

DIGITS_CODE = """\
import torch
from torch import nn


def train(run):
    x, y = (torch.from_numpy(array) for array in run.data.train.tensors())
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 4 * 4, len(run.data.classes)),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.params.lr)
    for epoch in range(run.params.epochs):
        for rows in torch.randperm(len(x)).split(run.params.batch_size):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        run.log({"train/loss": loss.item()}, step=epoch)
        run.progress(epoch + 1, run.params.epochs)
    return model
"""

WINE_TOML = """\
[project]
name = NAME

[dataset]
name = NAME
files = FILES

[checks]
min_rows = 100
[checks.columns]
FIRST = { type = "number", min = 5, max = 20, nulls = 0.0 }

[features]
target = TARGET
task = "multiclass"
numeric = NUMERIC
categorical = CATEGORICAL

[split]
by = "stratified"
validation = 0.2
test = 0.25

[train]
entry = "pipeline:train"
gpus = 0
[train.params]
lr = 0.03
epochs = 60

[gate]
metric = "macro_f1"
min = 0.8
slices = SLICES
"""

CLASSIFIER_CODE = """\
import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, numeric, categories, classes):
        super().__init__()
        self.numeric = numeric
        self.embeddings = nn.ModuleList(nn.Embedding(codes, 3) for codes in categories)
        self.layers = nn.Sequential(nn.Linear(numeric + 3 * len(categories), 32), nn.ReLU(), nn.Linear(32, classes))

    def forward(self, x):
        codes = x[:, self.numeric :].long()
        parts = [embedding(codes[:, place]) for place, embedding in enumerate(self.embeddings)]
        return self.layers(torch.cat([x[:, : self.numeric], *parts], dim=1))


def train(run):
    x, y = (torch.from_numpy(array) for array in run.data.train.tensors())
    model = Classifier(run.data.numeric, run.data.categories.values(), len(run.data.classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.params.lr)
    for epoch in range(run.params.epochs):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss.item()}, step=epoch)
        run.progress(epoch + 1, run.params.epochs)
    return model
"""

SKLEARN_CODE = """\
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression


def train(run):
    x, y = run.data.train.tensors()
    model = LogisticRegression(C=run.params.lr * 10).fit(x, y)
    run.log({"train/accuracy": model.score(x, y)})
    path = run.dir / "wine.onnx"
    path.write_bytes(to_onnx(model, x[:1], options={"zipmap": False}).SerializeToString())
    return path
"""

DIABETES_TOML = """\
[project]
name = "diabetes"

[dataset]
name = "patients"
files = "data/*.jsonl"
query = "select *, bmi * bp as strain from data where age is not null"

[checks]
columns = { age = { min = 0, max = 120, nulls = 0.0 }, sex = { in = [1, 2] }, patient = { unique = true } }

[features]
target = "progression"
task = "regression"
numeric = ["age", "bmi", "bp", "strain", "s1", "s2", "s3", "s4", "s5", "s6"]
categorical = ["sex"]

[split]
by = "random"
validation = 0.15
test = 0.25

[train]
entry = "pipeline:train"
gpus = 0
[train.params]
lr = 0.03
epochs = 150

[gate]
metric = "rmse"
max = 70.0
slices = ["sex"]
min_slice_rows = 20
"""

REGRESSION_CODE = """\
import torch
from torch import nn


class Regression(nn.Module):
    \"\"\"Linear in the standardised columns and the category; predicts in the target's own unit.\"\"\"

    def __init__(self, columns, mean, deviation):
        super().__init__()
        self.line = nn.Linear(columns, 1)
        self.mean, self.deviation = mean, deviation

    def forward(self, x):
        return self.mean + self.deviation * self.line(x)


def train(run):
    x, y = (torch.from_numpy(array) for array in run.data.train.tensors())
    model = Regression(x.shape[1], float(y.mean()), float(y.std()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.params.lr)
    for epoch in range(run.params.epochs):
        loss = nn.functional.mse_loss(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/rmse": loss.item() ** 0.5}, step=epoch)
        run.progress(epoch + 1, run.params.epochs)
    return model
"""

OWN_CODE = {
    "app.py": "NAME = 'ours'\n\n\ndef greeting():\n    return f'{NAME}: hello from app.py'\n",
    "storage/__init__.py": "from storage.reading import arrays\n\n__all__ = ['arrays']\n",
    "storage/reading.py": """\
import torch


def arrays(split):
    return [torch.from_numpy(array) for array in split.tensors()]
""",
    "runners/__init__.py": "",
    "runners/child.py": REGRESSION_CODE.partition("\n\ndef train")[0] + "\n",
    "pipeline.py": """\
import app
import torch
from runners.child import Regression
from storage import arrays


def train(run):
    x, y = arrays(run.data.train)
    model = Regression(x.shape[1], float(y.mean()), float(y.std()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.params.lr)
    for epoch in range(run.params.epochs):
        loss = torch.nn.functional.mse_loss(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss.item()}, step=epoch)
    run.note(app.greeting())
    return model
""",
}
