"""The commands on the policy, the nodes and the database, as an operator types them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from postmta_ctl.cli import cli
from postmta_ctl.compiler.bundle import Bundle, read_manifest
from postmta_ctl.compiler.node_files import current_release
from tests.fake_node import FakeNode

POSTMTA = Path(sys.executable).with_name("postmta")


class Shell:
    """Runs ``postmta`` with a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POSTMTA_", "KUMOD"))}
        self.folder = folder
        self.environ = inherited | {"POSTMTA_DATA_DIR": str(folder / "data"), "POSTMTA_EMBEDDED_NODE": "false"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [POSTMTA, *arguments],
            env=self.environ,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """What the command printed; its exit status must be this."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == status, output + errors
        return output or errors


@pytest.fixture
def postmta(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_from_nothing_to_a_node_that_runs_the_policy(postmta: Shell, tmp_path: Path) -> None:
    assert "Release 1" in postmta("policy", "plan", "--exit-code", status=3)
    with FakeNode(tmp_path / "node").serving() as node:
        added = postmta("node", "add", "mx-1", "--admin-url", node.url, "--policy-dir", "node")
        assert f"kumod --policy {tmp_path}/node/init.lua" in added
        published = postmta("policy", "publish", "--reason", "first")
        assert "ok   mx-1: runs release 1" in published
        assert node.running == 1
    again = json.loads(postmta("policy", "publish", "--json", status=1))
    assert again["outcome"] == "nothing"
    assert "cannot connect" in again["nodes"][0]["detail"]
    plan = json.loads(postmta("policy", "plan", "--exit-code", "--json"))
    assert (plan["release"], plan["previous_release"], plan["diff"]) == (1, 1, "")
    (release,) = json.loads(postmta("policy", "history", "--json"))
    assert (release["number"], release["reason"]) == (1, "first")
    assert "(command line)" in release["author"]
    (listed,) = json.loads(postmta("node", "list", "--json"))
    assert (listed["name"], listed["published_release"]) == ("mx-1", 1)
    postmta("node", "remove", "mx-1")
    assert "no node mx-1" in postmta("node", "remove", "mx-1", status=1)


def test_a_rendered_folder_is_replaced_and_checked(postmta: Shell, tmp_path: Path) -> None:
    out = tmp_path / "ops"
    postmta("policy", "render", "--out", "ops")
    first = Bundle.read(out)
    (out / "README").write_text("not of the bundle")
    assert "not of a bundle" in postmta("policy", "render", "--out", "ops", status=1)
    (out / "README").unlink()
    assert first.digest in postmta("policy", "render", "--out", "ops")
    told = json.loads(postmta("policy", "render", "--out", "ops", "--json"))
    assert (told["digest"], told["files"]) == (first.digest, sum(one.is_file() for one in out.rglob("*")))
    assert Bundle.read(out) == first
    assert "ok   traffic" in postmta("policy", "verify", "ops")
    (out / "postmta/egress.lua").write_text("retrun nil")
    checked = postmta("policy", "verify", "ops", status=1)
    assert "file-changed: postmta/egress.lua" in checked
    assert "lua_syntax: postmta/egress.lua:1" in checked


def test_a_refused_policy_is_explained(postmta: Shell, tmp_path: Path) -> None:
    (tmp_path / "postmta.toml").write_text('[policy]\nmax_age = "soon"\n')
    postmta.environ["POSTMTA_CONFIG"] = str(tmp_path / "postmta.toml")
    for command in (["policy", "plan"], ["policy", "publish"], ["policy", "render", "--out", "x"]):
        assert "installation.max_age" in postmta(*command, status=1), command
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["policy"],
        ["policy", "verify", "no-such-folder"],
        ["policy", "export"],
        ["policy", "history", "--limit", "0"],
        ["node", "add", "MX", "--admin-url", "http://a:1", "--policy-dir", "node"],
        ["node", "add", "mx"],
    ],
)
def test_wrong_usage_is_told_from_failure(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_the_schema_is_shown_and_upgraded(postmta: Shell) -> None:
    assert "not there yet" in postmta("db", "current")
    assert "the newest" in postmta("db", "upgrade")
    assert json.loads(postmta("user", "list", "--json")) == []


def test_a_killed_publication_blocks_nobody_and_leaves_no_half_release(postmta: Shell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        # It takes connections and never answers: the publication is caught while it waits for the node's word.
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        postmta("node", "add", "mx-1", "--admin-url", url, "--policy-dir", "node")
        with postmta.start("policy", "publish", "--reason", "killed") as publication:
            wait_for(lambda: current_release(tmp_path / "node"))
            publication.send_signal(signal.SIGKILL)
            publication.wait()
    (release,) = json.loads(postmta("policy", "history", "--json"))
    manifest = read_manifest(tmp_path / "node/releases" / str(current_release(tmp_path / "node")))
    assert (manifest.release, manifest.digest) == (1, release["digest"])
    done = json.loads(postmta("policy", "publish", "--json", status=1))
    assert (done["outcome"], done["release"]) == ("nothing", 1)


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
