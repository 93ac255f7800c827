"""The command line, called in this process on a shed of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import run


@dataclass(frozen=True)
class Called:
    """How a call ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines; the last one is `finished`."""
        found = [json.loads(line, parse_constant=_not_json) for line in self.out.splitlines()]
        assert found[-1]["event"] == "finished" and found[-1]["exit_code"] == self.code
        return found

    @property
    def finished(self) -> dict[str, Any]:
        return self.lines[-1]


Call = Callable[..., Called]


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `trainshed --shed TMP/shed …` from an empty directory."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name in [name for name in os.environ if name.startswith("TRAINSHED")]:
        monkeypatch.delenv(name)

    def call_it(*args: str | Path) -> Called:
        capsys.readouterr()
        code = run(["--shed", str(tmp_path / "shed"), *map(str, args)])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call_it
