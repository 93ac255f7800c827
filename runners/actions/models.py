"""The verbs of the registry: promote, approve, reject, roll back, export and verify model versions."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import ShedError, UsageError
from storage.names import checked_name
from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.shed import Shed
from storage.tables import Decision, Model, ModelVersion
from storage.write import models as write_models

EXPORTED = ("model.onnx", "signature.json", "card.md")


@dataclass(frozen=True)
class VersionDetails:
    """One version with what belongs to it. `gate` is the newest decision of the gate about it."""

    model: Model
    version: ModelVersion
    aliases: list[str]
    dataset: str | None
    parent: int | None
    gate: Decision | None


@dataclass(frozen=True)
class Moved:
    """What a move of an alias came to: `before` is the version that it named until then."""

    model: str
    version: int
    alias: str
    moved: bool
    before: int | None


@dataclass(frozen=True)
class Exported:
    """Files of an export; what the version has none of is left out."""

    model: str
    version: int
    folder: Path
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verified:
    """What a version was found to be. Inputs and outputs are `name: type[shape]` as the packaged graph tells them."""

    model: str
    version: int
    digest: str
    bytes: int
    inputs: list[str]
    outputs: list[str]


def parsed_reference(reference: str) -> tuple[str, str | None]:
    """Split `flight-delay@v3`, `flight-delay@production` or `flight-delay` into name and version or alias."""
    name, at, which = reference.partition("@")
    if at and not which:
        raise UsageError(f"{reference}: no version after @", expected="MODEL@VERSION, such as flight-delay@v3")
    return name, which or None


def resolve(shed: Shed, reference: str) -> tuple[str, ModelVersion]:
    """The version that `MODEL[@VERSION|@ALIAS]` names: by default production, else the newest. Raises UsageError."""
    name, which = parsed_reference(reference)
    return name, read_models.version(shed, name, which)


def details(shed: Shed, reference: str) -> VersionDetails:
    """One version with its aliases, dataset, parent and the gate's newest decision. Raises UsageError."""
    name, version = resolve(shed, reference)
    row = read_models.row(shed, name)
    dataset = parent = None
    if version.dataset_version_id is not None:
        found, data = read_datasets.version_by_id(shed, version.dataset_version_id)
        dataset = f"{found.name} v{data.number}"
    if version.parent_version_id is not None:
        parent = read_models.version_by_id(shed, version.parent_version_id)[1].number
    aliases = [alias for alias, number in row.aliases.items() if number == version.number]
    return VersionDetails(row.model, version, aliases, dataset, parent, read_models.latest_gate(shed, version.id or 0))


def promote(
    shed: Shed, name: str, which: str, *, alias: str = "production", override: str | None = None, reason: str = ""
) -> Moved:
    """Let an alias name a version, after its bytes were read again and found whole. Twice is once.

    Raises:
        GateRefused: when `production` would move past a gate that refused or never judged, without `override`.
        UsageError: for an empty override, or a version that does not exist.
        ShedError: when the packaged model is damaged or missing.
    """
    if override is not None and not override.strip():
        raise UsageError("an empty --override", expected="the reason, which is kept in the model's history")
    checked_name(alias, "alias")
    version = read_models.version(shed, name, which)
    _whole(shed, version)
    override = (override or "").strip()
    moved, before = write_models.promote(shed, version.id or 0, alias=alias, override=override, reason=reason)
    return Moved(name, version.number, alias, moved, before.number if before else None)


def approve(shed: Shed, name: str, which: str, reason: str = "") -> Moved:
    """A named person says yes: the version goes to production, if the gate passed it. Raises as `promote` does."""
    version = read_models.version(shed, name, which)
    _whole(shed, version)
    moved, before = write_models.promote(shed, version.id or 0, reason=reason.strip(), approved=True)
    return Moved(name, version.number, "production", moved, before.number if before else None)


def reject(shed: Shed, name: str, which: str, reason: str) -> ModelVersion:
    """A named person says no: the version cannot go to production without an override.

    Raises:
        UsageError: without a reason, or for the version that is in production.
    """
    version = read_models.version(shed, name, which)
    write_models.reject(shed, version.id or 0, _reasoned(reason))
    return version


def roll_back(shed: Shed, name: str, reason: str = "") -> Moved:
    """Put the previous version back into production, after its bytes were read again and found whole.

    Raises:
        UsageError: when there is nothing to go back to.
        ShedError: when the previous model is damaged or missing; nothing moved then.
    """
    read_models.row(shed, name)
    previous = read_models.aliased(shed, name, "previous")
    if previous is not None:
        _whole(shed, previous)
    now, bad = write_models.roll_back(shed, name, reason.strip())
    return Moved(name, now.number, "production", True, bad.number)


def export(shed: Shed, reference: str, folder: Path) -> Exported:
    """Write model.onnx, signature.json and card.md into `folder`, each whole or not at all.

    Raises:
        UsageError: when one of them is there already, or the folder cannot be written.
        ShedError: when the packaged model is damaged or missing.
    """
    name, version = resolve(shed, reference)
    folder = folder.expanduser().absolute()
    there = [file for file in EXPORTED if (folder / file).exists()]
    if there:
        raise UsageError(f"would overwrite {', '.join(there)}", place=str(folder), todo="choose another --output DIR")
    model = _whole(shed, version)
    done = Exported(name, version.number, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as place:
            shutil.copyfile(model, Path(place, "model.onnx"))
            Path(place, "signature.json").write_text(json.dumps(version.signature, indent=1) + "\n", encoding="utf-8")
            if version.card is not None:
                shutil.copyfile(shed.objects.verify(version.card), Path(place, "card.md"))
            for file in EXPORTED:
                if Path(place, file).exists():
                    os.replace(Path(place, file), folder / file)  # noqa: PTH105 (a rename that may replace)
                    done.files.append(file)
    except OSError as err:
        raise UsageError(f"cannot write here: {err.strerror}", place=str(err.filename or folder)) from err
    return done


def verify(shed: Shed, reference: str) -> Verified:
    """Read a version's bytes again and load it under onnxruntime.

    Raises:
        ShedError: when it is damaged, missing, or cannot be loaded.
    """
    import onnxruntime

    name, version = resolve(shed, reference)
    path = _whole(shed, version)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime raises types of its own that share no base
        raise ShedError(
            f"{name} v{version.number} cannot be loaded under onnxruntime: {str(err).splitlines()[0]}", place=str(path)
        ) from err
    return Verified(
        name,
        version.number,
        version.digest,
        path.stat().st_size,
        [_argument(argument) for argument in session.get_inputs()],
        [_argument(argument) for argument in session.get_outputs()],
    )


def card(shed: Shed, reference: str) -> str:
    """The model card of a version, in Markdown. Raises UsageError when it has none."""
    name, version = resolve(shed, reference)
    if version.card is None:
        raise UsageError(f"{name} v{version.number} has no card", todo="the gate writes it: `trainshed --batch`")
    return shed.objects.verify(version.card).read_text(encoding="utf-8")


def _whole(shed: Shed, version: ModelVersion) -> Path:
    return shed.objects.verify(version.digest)


def _reasoned(reason: str) -> str:
    if not reason.strip():
        raise UsageError("an empty --reason", expected="some words, which are kept in the model's history")
    return reason.strip()


def _argument(argument: Any) -> str:
    return f"{argument.name}: {argument.type}{argument.shape}"
