"""An agent's orders lie where only its user can write them, and are carried out as they were given or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.agency import requests
from runners.agency.home import Home
from storage.errors import RunFailed, UsageError
from storage.shed import open_shed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Home(open_shed(tmp_path / "shed"))


def test_a_request_comes_back_as_it_was_given(home: Home) -> None:
    request = requests.of_command(["echo", "ä b"], Path("/tmp"), {"FLAVOUR": "lemon"})
    assert requests.find(home, requests.keep(home, request)) == request


def test_its_directory_and_files_are_closed_to_others(home: Home) -> None:
    digest = requests.keep(home, requests.of_pipeline("i", {"TOKEN": "s3cret"}))
    assert home.root.stat().st_mode & 0o077 == 0
    assert (home.requests / f"{digest}.json").stat().st_mode & 0o077 == 0


def test_what_belongs_to_a_terminal_alone_is_not_kept(home: Home) -> None:
    request = requests.of_pipeline("i", {"TMUX": "/tmp/tmux", "SSH_TTY": "/dev/pts/1", "PATH": "/bin"})
    assert request.env == {"PATH": "/bin"}


def test_two_requests_for_the_same_thing_are_two(home: Home) -> None:
    one, two = (requests.keep(home, requests.of_pipeline("i", {})) for _ in range(2))
    assert one != two


def test_a_request_that_was_changed_is_none(home: Home) -> None:
    digest = requests.keep(home, requests.of_command(["true"], Path("/"), {}))
    path = home.requests / f"{digest}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "command": ["rm", "-rf", "/"]}))
    with pytest.raises(RunFailed, match="no such request"):
        requests.find(home, digest)


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "", "a/b"])
def test_a_digest_names_nothing_outside_the_directory(home: Home, digest: str) -> None:
    with pytest.raises((UsageError, RunFailed)):
        requests.find(home, digest)


def test_a_forgotten_request_is_gone(home: Home) -> None:
    digest = requests.keep(home, requests.of_pipeline("i", {}))
    requests.forget(home, digest)
    with pytest.raises(RunFailed):
        requests.find(home, digest)


def test_each_shed_has_a_directory_of_its_own(tmp_path: Path, home: Home) -> None:
    assert Home(open_shed(tmp_path / "other")).root != home.root
