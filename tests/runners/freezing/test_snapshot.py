"""A run executes the code that stood there when it was launched, and says what it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.freezing import git, snapshot
from runners.freezing.projectfiles import matcher
from runners.freezing.secrets import REMOVED, redact, scan
from storage.errors import UsageError

AWS = "AKIA" + "Q3EGRZ7NX2VKPL5M"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
GLOBS = ["data/*.txt", "images/**/*.raw"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project outside of any repository."""
    root = tmp_path / "project"
    write(root, "trainshed.toml", '[project]\nname = "p"\n')
    write(root, "pipeline.py", "import shapes.circle\n")
    write(root, "shapes/circle.py", "PI = 3\n")
    write(root, "config.yaml", "epochs: 3\n")
    write(root, "data/one.txt", "1\n")
    return root


@pytest.fixture
def repository(project: Path) -> Path:
    """The same project as a git repository with one commit."""
    write(project, ".gitignore", "build/\n*_local.py\n_version.py\n")
    run_git(project, "init", "-q", "-b", "main")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "first")
    return project


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def run_git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def freeze(root: Path, *, want_diff: bool = True) -> snapshot.Snapshot:
    return snapshot.freeze(root, GLOBS, want_diff=want_diff)


CODE = ["config.yaml", "pipeline.py", "shapes/circle.py"]


def test_code_is_frozen_without_a_repository(project: Path) -> None:
    frozen = freeze(project)
    assert sorted(frozen.files) == CODE
    assert (frozen.commit, frozen.branch, frozen.dirty, frozen.diff) == (None, None, None, None)
    assert frozen.contents[frozen.files["pipeline.py"]] == b"import shapes.circle\n"
    assert frozen.notes == frozen.skipped == []


def test_the_same_code_has_the_same_digest_and_any_change_another(project: Path) -> None:
    first = freeze(project).code
    write(project, "data/two.txt", "2\n")
    write(project, "README.md", "read me\n")
    write(project, "trainshed.toml", '[project]\nname = "q"\n')
    assert freeze(project).code == first
    changes: list[Callable[[], object]] = [
        lambda: write(project, "config.yaml", "epochs: 4\n"),
        lambda: (project / "config.yaml").rename(project / "renamed.yaml"),
        lambda: (project / "pipeline.py").chmod(0o755),
    ]
    seen = {first}
    for change in changes:
        change()
        seen.add(freeze(project).code)
    assert len(seen) == 4


def test_environments_caches_sheds_models_and_hidden_files_are_not_code(project: Path) -> None:
    for path in [
        ".venv/lib/a.py", "env/pyvenv.cfg", "env/lib/b.py", "conda/conda-meta/history", "conda/c.py",
        "node_modules/d.py", "__pycache__/e.py", "shapes/__pycache__/f.py", "shed/shed.db", "shed/runs/1/code/g.py",
        "weights.pt", "old.onnx", "table.parquet", "rows.csv", "images/deep/er/h.raw", ".secret.py",
    ]:  # fmt: skip
        write(project, path, "x")
    assert sorted(freeze(project).files) == CODE
    run_git(project, "init", "-q")
    assert sorted(freeze(project).files) == CODE


def test_a_file_larger_than_code_is_told(project: Path) -> None:
    write(project, "vocabulary.txt", "x" * 1_200_000)
    frozen = freeze(project)
    assert frozen.skipped == ["vocabulary.txt: 1.2 MB, larger than code is (1 MB)"]
    assert "vocabulary.txt" not in frozen.files


def test_odd_files_are_told_and_never_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe.py")
    (project / "nowhere.py").symlink_to("gone.py")
    (project / "new\nline.py").touch()
    frozen = freeze(project)
    assert sorted(frozen.files) == CODE
    assert sorted(frozen.skipped) == [
        "'new\\nline.py': its name is no plain text",
        "nowhere.py: a link that leads nowhere",
        "pipe.py: no regular file",
    ]


def test_code_behind_a_link_is_code_and_a_loop_of_links_ends(project: Path, tmp_path: Path) -> None:
    write(tmp_path, "common/shared.py", "X = 1\n")
    (project / "common").symlink_to(tmp_path / "common")
    (project / "shapes" / "loop").symlink_to(project)
    assert sorted(freeze(project).files) == ["common/shared.py", *CODE]


def test_a_clean_repository_gives_its_commit_and_an_empty_diff(repository: Path) -> None:
    frozen = freeze(repository)
    assert sorted(frozen.files) == CODE
    assert len(frozen.commit or "") == 40
    assert (frozen.branch, frozen.dirty, frozen.diff) == ("main", False, "")


def test_changed_new_and_deleted_files_make_the_diff(repository: Path, tmp_path: Path) -> None:
    write(repository, "pipeline.py", "import shapes.square\n")
    write(repository, "shapes/square.py", "SIDES = 4")
    (repository / "config.yaml").unlink()
    frozen = freeze(repository)
    assert frozen.dirty is True
    assert sorted(frozen.files) == ["pipeline.py", "shapes/circle.py", "shapes/square.py"]
    assert frozen.diff is not None
    run_git(tmp_path, "clone", "-q", str(repository), "clone")
    write(tmp_path, "diff.patch", frozen.diff)
    run_git(tmp_path / "clone", "apply", "../diff.patch")
    assert freeze(tmp_path / "clone").code == frozen.code


def test_data_stays_out_of_the_diff_and_does_not_make_the_code_dirty(repository: Path) -> None:
    write(repository, "data/one.txt", "changed\n")
    write(repository, "data/new.txt", "new\n")
    write(repository, ".env", "PASSWORD=x\n")
    assert freeze(repository).diff == ""


def test_a_diff_that_nobody_wants_is_not_made(repository: Path) -> None:
    write(repository, "pipeline.py", "pass\n")
    frozen = freeze(repository, want_diff=False)
    assert (frozen.diff, frozen.dirty) == (None, True)


def test_a_project_deep_in_a_repository_is_frozen_alone(repository: Path) -> None:
    write(repository, "deep/trainshed.toml", "")
    write(repository, "deep/pipeline.py", "deep = 1\n")
    write(repository, "pipeline.py", "changed = 1\n")
    frozen = freeze(repository / "deep")
    assert list(frozen.files) == ["pipeline.py"]
    assert frozen.diff is not None
    assert "+++ b/pipeline.py" in frozen.diff
    assert "changed" not in frozen.diff


def test_a_project_that_the_repository_around_it_ignores_is_frozen_all_the_same(repository: Path) -> None:
    write(repository, "build/p/pipeline.py", "x = 1\n")
    frozen = freeze(repository / "build" / "p")
    assert list(frozen.files) == ["pipeline.py"]
    assert frozen.commit is None


def test_ignored_modules_beside_code_are_frozen_unless_they_hold_a_secret(repository: Path) -> None:
    write(repository, "shapes/_version.py", "V = 1\n")
    write(repository, "settings_local.py", f'KEY = "{AWS}"\n')
    write(repository, "build/generated.py", "x = 1\n")
    frozen = freeze(repository)
    assert sorted(frozen.files) == ["config.yaml", "pipeline.py", "shapes/_version.py", "shapes/circle.py"]
    assert frozen.skipped == ["settings_local.py: ignored by git, and holds what looks like a secret"]


def test_a_repository_without_a_commit_is_no_obstacle(project: Path) -> None:
    run_git(project, "init", "-q", "-b", "main")
    frozen = freeze(project)
    assert sorted(frozen.files) == CODE
    assert (frozen.commit, frozen.branch, frozen.dirty, frozen.diff) == (None, "main", True, None)


def test_submodules_and_nested_repositories_are_code_too(repository: Path, tmp_path: Path) -> None:
    for name in ("library", "nested"):
        write(tmp_path, f"{name}/{name}.py", "x = 1\n")
        run_git(tmp_path / name, "init", "-q")
        run_git(tmp_path / name, "add", ".")
        run_git(tmp_path / name, "commit", "-q", "-m", "first")
    run_git(repository, "submodule", "add", "-q", str(tmp_path / "library"), "library")
    (tmp_path / "nested").rename(repository / "nested")
    assert sorted(freeze(repository).files) == sorted([*CODE, "library/library.py", "nested/nested.py"])


def test_a_broken_repository_is_told_and_the_files_are_walked(repository: Path) -> None:
    (repository / ".git" / "config").write_text("[core\n")
    frozen = freeze(repository)
    assert sorted(frozen.files) == CODE
    assert frozen.commit is None
    assert "git cannot read" in frozen.notes[0]


def test_without_git_the_files_are_walked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    frozen = freeze(repository)
    assert sorted(frozen.files) == CODE
    assert (frozen.commit, frozen.notes) == (None, [])


def test_programs_that_a_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    write(tmp_path, "evil.sh", f"#!/bin/sh\ntouch {trap}\n")
    (tmp_path / "evil.sh").chmod(0o755)
    for key in ("core.fsmonitor", "diff.external"):
        run_git(repository, "config", key, str(tmp_path / "evil.sh"))
    write(repository, "pipeline.py", "pass\n")
    assert "+pass" in (freeze(repository).diff or "")
    assert not trap.exists()


def test_secrets_are_named_and_blacked_out_in_the_diff_but_the_code_is_kept(repository: Path) -> None:
    code = f'import os\nKEY = "{AWS}"\n'
    write(repository, "pipeline.py", code)
    write(repository, "new.py", f'TOKEN = "{GITHUB}"\n')
    frozen = freeze(repository)
    assert frozen.secrets_found == ["new.py:1 (GitHub token)", "pipeline.py:2 (AWS access key)"]
    assert frozen.contents[frozen.files["pipeline.py"]] == code.encode()
    assert frozen.diff is not None
    assert AWS not in frozen.diff
    assert GITHUB not in frozen.diff
    assert f'+KEY = "{REMOVED}"' in frozen.diff


def test_too_much_to_be_code_is_refused_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_FILES", 2)
    with pytest.raises(UsageError, match="gitignore"):
        freeze(project)


def test_the_frozen_code_is_written_out_as_it_was(project: Path, tmp_path: Path) -> None:
    (project / "pipeline.py").chmod(0o755)
    frozen = freeze(project)
    write(project, "pipeline.py", "edited since\n")
    code = tmp_path / "run" / "code"
    code.parent.mkdir()
    snapshot.check_out(frozen.files, frozen.executables, frozen.contents.__getitem__, code)
    assert snapshot.freeze(code, [], want_diff=False).code == frozen.code
    assert (code / "pipeline.py").read_text() == "import shapes.circle\n"
    assert os.access(code / "pipeline.py", os.X_OK)


def test_written_out_again_it_is_left_alone_unless_it_was_changed(project: Path, tmp_path: Path) -> None:
    frozen, code = freeze(project), tmp_path / "code"
    snapshot.check_out(frozen.files, frozen.executables, frozen.contents.__getitem__, code)
    inode = (code / "pipeline.py").stat().st_ino
    snapshot.check_out(frozen.files, frozen.executables, frozen.contents.__getitem__, code)
    assert (code / "pipeline.py").stat().st_ino == inode
    write(code, "pipeline.py", "tampered\n")
    snapshot.check_out(frozen.files, frozen.executables, frozen.contents.__getitem__, code)
    assert (code / "pipeline.py").read_text() == "import shapes.circle\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_every_content_is_stored_once(project: Path) -> None:
    write(project, "copy.py", "PI = 3\n")
    kept: list[bytes] = []
    snapshot.store(freeze(project), kept.append)
    assert sorted(kept) == [b"PI = 3\n", b"epochs: 3\n", b"import shapes.circle\n"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("data/*.csv", "data/a.csv", True),
        ("data/*.csv", "data/deep/a.csv", False),
        ("data/**/*.csv", "data/a.csv", True),
        ("data/**/*.csv", "data/very/deep/a.csv", True),
        ("data/**", "data/very/deep/a.csv", True),
        ("./data/[ab].csv", "data/b.csv", True),
        ("data/?.csv", "data/ab.csv", False),
        ("../elsewhere/*.csv", "elsewhere/a.csv", False),
    ],
)
def test_dataset_patterns_match_as_in_a_shell(tmp_path: Path, pattern: str, path: str, matches: bool) -> None:
    assert matcher(tmp_path, [pattern])(path) is matches
    assert matcher(tmp_path, [str(tmp_path / pattern)])(path) is matches


@pytest.mark.parametrize(
    ("text", "kind", "secret"),
    [
        (f"id = '{AWS}'", "AWS access key", AWS),
        (f"url = 'https://{GITHUB}@github.com'", "GitHub token", GITHUB),
        ("xoxb-" + "123456789012-abcdefGHIJ", "Slack token", "xoxb-" + "123456789012-abcdefGHIJ"),
        ("sk-proj-" + "Ab3dEfGhIjKlMnOpQrStUv", "API key", "sk-proj-" + "Ab3dEfGhIjKlMnOpQrStUv"),
        (
            "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
            "Hugging Face token",
            "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
        ),
        ('password = "hunter2-Vx81q"', "password or key", "hunter2-Vx81q"),
        ("'db_password': 'Tr0ub4dor&3',", "password or key", "Tr0ub4dor&3"),
        ("API_KEY: 0123456789abcdef0123", "password or key", "0123456789abcdef0123"),
        ("postgresql://ana:s3cr3t-pw@db/flights", "password in a URL", "s3cr3t-pw"),
    ],
)
def test_a_secret_is_found_and_removed(text: str, kind: str, secret: str) -> None:
    (finding,) = scan(f"first line\n{text}\n")
    assert (finding.line, finding.kind) == (2, kind)
    assert redact(text) == text.replace(secret, REMOVED)


def test_a_private_key_is_removed_whole_also_from_a_diff() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n+MIIEpAIBAAKCAQEA\n+x9Qz\n+-----END RSA PRIVATE KEY-----"
    assert redact(f"+before\n+{key}\n+after\n") == f"+before\n+{REMOVED}\n+after\n"
    assert "MIIE" not in redact(key.removesuffix("\n+-----END RSA PRIVATE KEY-----"))


@pytest.mark.parametrize(
    "text",
    [
        'password = "password"',
        'token = "<unk>"',
        'secret = os.environ["SECRET_NAME_1"]',
        "max_tokens = 4096",
        'tokenizer = "bert-base-uncased"',
        'token_pattern = r"(?u)\\b\\w\\w+\\b"',
        "token_file = '/etc/service/token1.json'",
        "postgresql://ana:{password}@db/flights",
        "postgresql://ana:$PASSWORD@db/flights",
        "https://example.com:8080/path@2x.png",
        "sk-learn-is-a-library-of-models",
        'api_key = "your-api-key-1"',
        "the token is the secret of the access",
    ],
)
def test_what_only_speaks_of_secrets_is_none(text: str) -> None:
    assert scan(text) == []


def test_a_new_file_is_shown_as_git_shows_it(repository: Path) -> None:
    for name, text in {"a.py": "x\ny\n", "b.py": "x", "c.py": ""}.items():
        write(repository, name, text)
        run_git(repository, "add", "-N", name)
        by_git = subprocess.run(
            ["git", "diff", name], cwd=repository, capture_output=True, text=True, check=True
        ).stdout
        without_index = "".join(line for line in by_git.splitlines(True) if not line.startswith("index "))
        assert git.as_new_file(name, text) == without_index
