"""`[serve]` is checked like every other section."""

from __future__ import annotations

import pytest

from storage.errors import UsageError
from storage.project import check_project
from storage.serve_section import of_endpoint

PLAIN = {"project": {"name": "p"}, "dataset": {"name": "d", "files": "*.csv"}, "train": {"entry": "m:f"}}


def test_a_project_says_how_it_is_served() -> None:
    spec = check_project({**PLAIN, "serve": {"port": 8123, "batch": {"max_size": 8, "max_delay_ms": 2}}})
    assert (spec.serve.port, spec.serve.batch.max_size, spec.serve.batch.max_delay_ms) == (8123, 8, 2)
    assert "serve" not in spec.model_dump()  # so that a change of it makes no stage run again


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        ({"prt": 1}, 'did you mean "port"?'),
        ({"port": 0}, "serve.port"),
        ({"batch": {"max_size": 64, "max_queue": 3}}, "max_queue must be at least max_size"),
        ({"max_rows": 100_000}, "batch.max_queue must be at least max_rows"),
        ({"log": {"sample": 1.5}}, "serve.log.sample"),
    ],
)
def test_each_fault_names_its_key(serve: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_project({**PLAIN, "serve": serve})
    assert told in str(refused.value)


def test_settings_of_an_endpoint_that_a_newer_version_wrote_are_told_as_such() -> None:
    assert of_endpoint("delays", {"port": 8123}).port == 8123
    with pytest.raises(UsageError, match=r'endpoint "delays": this version cannot read it: unknown key "prt"; did you'):
        of_endpoint("delays", {"prt": 8123})
