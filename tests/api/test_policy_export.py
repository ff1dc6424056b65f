"""``postmta policy export --git``: a release as a commit that touches its own files only."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.api.test_cli_policy import Shell

SCENARIOS = """[[scenario]]
name = "nobody sends for a domain that is not verified"
via = "smtp"
from = "a@b.example"
to = "c@d.example"

[scenario.expect]
refused = "postmta-foreign-domain"
"""


class Repository:
    """A work tree of Git with a file of somebody's in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self("init", "--quiet")
        self("config", "user.name", "Ops")
        self("config", "user.email", "ops@example.org")
        self("config", "core.hooksPath", "hooks")
        (folder / "README").write_text("ours\n")
        self("add", "README")
        self("commit", "--quiet", "-m", "first")

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def commits(self) -> int:
        return int(self("rev-list", "--count", "HEAD"))


@pytest.fixture
def postmta(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def ops(tmp_path: Path, postmta: Shell) -> Repository:
    postmta("policy", "publish", "--reason", "first light\nand more")
    return Repository(tmp_path / "ops")


def test_a_release_becomes_one_commit(postmta: Shell, ops: Repository, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SCENARIOS)
    assert "Kept 1 scenarios" in postmta("policy", "scenarios", "--set", "s.toml")
    (ops.folder / "README").write_text("changed and not committed\n")
    (ops.folder / "staged").write_text("staged\n")
    ops("add", "staged")
    assert "Committed release 1" in postmta("policy", "export", "--git", "ops")
    message = ops("log", "-1", "--format=%B")
    assert message.splitlines()[0] == "policy: release 1: first light and more"
    assert "Takes: a restart of the nodes" in message
    assert "(command line)" in message
    assert {path.partition("/")[0] for path in ops("show", "--name-only", "--format=").split()} == {
        "policy",
        "scenarios.toml",
    }
    assert ops("status", "--porcelain").splitlines() == ["M README", "A  staged"]
    assert "ok   scenarios" in postmta("policy", "verify", "ops")
    assert "PRIVATE KEY" not in ops("show")
    assert "is there already" in postmta("policy", "export", "--git", "ops")
    assert ops.commits == 2


@pytest.mark.parametrize("path", ["policy/init.lua", "policy/new.lua", "scenarios.toml"])
def test_what_somebody_changed_is_not_overwritten(postmta: Shell, ops: Repository, path: str) -> None:
    postmta("policy", "export", "--git", "ops")
    (ops.folder / path).write_text("mine\n")
    assert path in postmta("policy", "export", "--git", "ops", status=1)
    assert (ops.folder / path).read_text() == "mine\n"
    assert ops.commits == 2


def test_what_git_refuses_leaves_everything_as_it_was(postmta: Shell, ops: Repository) -> None:
    hook = ops.folder / "hooks/pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho the freeze is on >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "the freeze is on" in postmta("policy", "export", "--git", "ops", status=1)
    assert not (ops.folder / "policy").exists()
    assert ops("status", "--porcelain") == "?? hooks/"


def test_a_link_is_not_followed(postmta: Shell, ops: Repository, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (ops.folder / "policy").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in postmta("policy", "export", "--git", "ops", status=1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_cannot_be_exported_is_named(postmta: Shell, ops: Repository, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert "not a git repository" in postmta("policy", "export", "--git", "plain", status=1)
    assert "no release 7" in postmta("policy", "export", "--git", "ops", "--release", "7", status=1)


def test_a_link_in_a_bundle_is_refused_unread(postmta: Shell, ops: Repository) -> None:
    postmta("policy", "export", "--git", "ops")
    (ops.folder / "policy/postmta/verp.lua").unlink()
    (ops.folder / "policy/postmta/verp.lua").symlink_to("/etc/passwd")
    assert "link: postmta/verp.lua" in postmta("policy", "verify", "ops", status=1)
