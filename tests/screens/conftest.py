"""Settings of its own for each test, and tests that may be coroutines."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from screens import telling
from storage.shed import Shed
from tests.screens.driving import PATIENCE_S


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's: neither those of who runs the tests, nor that of their terminal."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(telling, "STAYS_S", dict.fromkeys(telling.STAYS_S, PATIENCE_S))  # on a busy machine
    monkeypatch.setattr(telling, "REMARK_S", PATIENCE_S)


@pytest.fixture
def busy(shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shed]:
    """Its only slot is taken, so that whatever is queued waits. An agent that comes to life is ended."""
    from runners import leases
    from runners.actions import agents
    from storage.shed import current_user

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 1\n")
    lease = leases.take(shed, 0, ["cpu0"], memory=None, user=current_user())
    assert lease is not None
    with lease:
        yield shed
        agents.stop(shed)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
