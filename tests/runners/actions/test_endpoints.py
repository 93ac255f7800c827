"""What can be asked of endpoints without one that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import endpoints
from storage.errors import RunFailed, UsageError
from storage.serve_section import ServeSection
from storage.shed import Shed, open_shed
from storage.write import endpoints as write_endpoints
from tests.served import version_of


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    found = open_shed(tmp_path / "shed")
    version_of(found)
    return found


def _wanted(shed: Shed) -> None:
    shed.make_dir(shed.endpoint_dir("delays"))
    write_endpoints.want(shed, "delays", "delays", "production", 8123, ServeSection().model_dump())


def test_what_is_not_there_is_told_with_the_nearest_name(shed: Shed) -> None:
    with pytest.raises(UsageError, match='no model "delay"'):
        endpoints.start(shed, "delay")
    with pytest.raises(UsageError, match="no version or alias canary"):
        endpoints.start(shed, "delays", alias="canary")
    with pytest.raises(UsageError, match='no endpoint "delays"'):
        endpoints.status(shed, "delays")
    with pytest.raises(UsageError, match="cannot be the name"):
        endpoints.start(shed, "delays", name="../etc")


def test_a_stopped_one_is_started_on_the_alias_that_it_followed(shed: Shed) -> None:
    settings = ServeSection().model_dump(mode="json")
    write_endpoints.want(shed, "delays", "delays", "staging", 8123, settings)
    write_endpoints.call_off(shed, "delays")
    with pytest.raises(UsageError, match="no version or alias staging"):
        endpoints.start(shed, "delays")


def test_one_that_should_run_and_does_not_is_dead(shed: Shed) -> None:
    _wanted(shed)
    assert endpoints.status(shed, "delays").state == "dead"
    assert endpoints.stop(shed, "delays") is False
    assert endpoints.status(shed, "delays").state == "stopped"


def test_tokens_have_names_and_scopes(shed: Shed) -> None:
    _wanted(shed)
    secret = endpoints.create_token(shed, "delays", "app", "predict")
    assert secret.startswith("ts_") and [token.name for token in endpoints.list_tokens(shed, "delays")] == ["app"]
    with pytest.raises(UsageError, match="already"):
        endpoints.create_token(shed, "delays", "app", "predict")
    with pytest.raises(UsageError, match='no scope "root"'):
        endpoints.create_token(shed, "delays", "other", "root")
    with pytest.raises(UsageError, match='no token "ap"'):
        endpoints.revoke_token(shed, "delays", "ap")


def test_a_systemd_unit_is_written_where_systemd_is_or_will_be(
    shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="no endpoint"):
        endpoints.install(shed, "delays")
    _wanted(shed)
    with pytest.raises(RunFailed, match="no systemctl here"):
        endpoints.install(shed, "delays")
    (unit,) = (tmp_path / ".config" / "systemd" / "user").iterdir()
    assert f'-m runners.serving.process --shed "{shed.root}" --name "delays"' in unit.read_text()
