"""The load before a promotion: a real trial endpoint, asked by real requests."""

from __future__ import annotations

import pytest

from runners.serving import loadtest
from storage.errors import RunFailed
from storage.serve_section import ServeSection
from storage.shed import Shed
from tests.served import version_of


def test_a_version_is_asked_at_an_endpoint_that_nobody_else_knows(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loadtest, "TOGETHER_S", 0.2)
    found = loadtest.tested(shed, "delays", version_of(shed), ServeSection())
    assert 0 < found.p50_ms <= found.p99_ms and found.rps > 0
    assert found.failed == 0 and found.requests > 50
    assert list(shed.tmp.iterdir()) == []


def test_a_version_that_cannot_serve_says_so(shed: Shed) -> None:
    with pytest.raises(RunFailed, match="does not come to serve at a trial endpoint: onnxruntime cannot load"):
        loadtest.tested(shed, "delays", version_of(shed, data=b"not ONNX at all"), ServeSection())
