"""What the documentation tells to type, typed: against a service with the demonstration's account and a node."""

from __future__ import annotations

import ast
import asyncio
import getpass
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.cli.demo import scenario
from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.server import running_server
from postmta_ctl.cli.demo.show import Screen
from postmta_ctl.core.webhooks import make_secret, sign
from postmta_ctl.settings import foreign_environment
from tests.fake_node import FakeNode
from tests.importing.support import folder as configuration

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = {
    "tour.md": "test_tour.py",
    "faults.md": "they are the tests of tests/faults",
    "README.md: make demo": "the demonstration and these tests",
    "README.md: POSTMTA_DATABASE_URL": "tests/faults/test_roles.py",
    "README.md: podman build": "tests/packaging/test_container.py",
    "cli.md: postmta completion bash": "tests/unit/test_cli_tree.py",
}
"""Pages, or blocks by how they begin, and who tries them instead."""
ABSENT = """
set -euo pipefail
make() { :; }             # the service that it would start is there
kumod() { :; }            # tests/e2e, with a real one
postmta-agent() { :; }    # tests/agent
swaks() { :; }            # tests/e2e/test_submission.py speaks SMTP itself
"""


def name_of(page: Path, block: str) -> str:
    return f"{page.name}: {' '.join(block.split()[:3])}"


BLOCKS = {
    name_of(page, block): block
    for page in PAGES
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    if page.name not in NOT_RUN and not name_of(page, block).startswith(tuple(NOT_RUN))
}


@dataclass
class Place:
    """Where a reader would be who did all that comes before."""

    url: str
    key: str
    folder: Path
    old: dict[str, Path]
    """Configurations to move in from."""
    node: FakeNode
    environ: dict[str, str]

    def adapted(self, text: str) -> str:
        """The text with the addresses, keys and names of here."""
        for theirs, ours in (
            ("http://127.0.0.1:8080", self.url),
            ("https://mail.example.com", self.url),
            ("http://127.0.0.1:8000", self.node.url),
            ("--file-owner kumod", f"--file-owner {getpass.getuser()}"),
            ("rollback 41", "rollback 1"),
            ("/etc/pmta/config", str(self.old["powermta"] / "config")),
            (" /opt/kumomta/etc/policy --root / ", f" {self.old['kumomta']} --root {self.folder} "),
            ("/opt/kumomta/etc/policy", str(self.node.policy_dir)),
            ("--organization acme", "--organization co"),
            (":acme@", ":co@"),
            # The other one is there, for what sends from it.
            ("domains add --domain example.com", "domains add --domain other.example"),
            # A configuration that all can be made of is rare, and this one is none.
            ("--apply\n", "--apply --despite-findings\n"),
            ("pmta_…", self.key),
        ):
            text = text.replace(theirs, ours)
        return text

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", ABSENT + self.adapted(script)],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if missing := [program for program in ("curl", "jq") if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("documents")
    old = {kind: configuration(kind, folder / kind) for kind in ("powermta", "kumomta")}
    (folder / "message.json").write_text('{"from":"a@example.com","to":["ok@example.org"],"subject":"S","text":"Hi"}')
    with (
        running_server(folder / "data", auto_publish=False) as server,
        Api(server.url) as api,
        FakeNode(folder / "node").serving() as node,
    ):
        account = scenario.set_up(Screen(), api, server)
        made = api.call("POST", "/api/v1/domains", {"domain": "example.com"})
        assert api.call("POST", f"/api/v1/domains/{made['id']}/verify")["status"] == "verified"
        vmta = next(iter(api.call("GET", "/api/v1/vmtas")["data"]))
        environ = foreign_environment() | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "ID": vmta["id"],
            "KEY": account.api_key,
            "NO_PROXY": "127.0.0.1",
            "POSTMTA_DATA_DIR": str(server.data_dir),
            "POSTMTA_DNS": "sandbox",
            "POSTMTA_URL": server.url,
            "POSTMTA_API_KEY": account.api_key,
            "POSTMTA_AUTO_PUBLISH": "false",
        }
        yield Place(server.url, account.api_key, folder, old, node, environ)


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_to_be_typed_works(place: Place, name: str) -> None:
    done = place.run(BLOCKS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    # curl is content with any answer.
    assert not re.search(r'"status": ?[45]\d\d', done.stdout), done.stdout


def test_the_client_s_page_works(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks as one program."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    page = (ROOT / "docs/client.md").read_text(encoding="utf-8")
    program = place.adapted("\n".join(PYTHON.findall(page)))
    secret, seen = make_secret(b"s" * 32), list[Any]()
    program = program.replace("whsec_…", secret)
    names: dict[str, Any] = {"seen": lambda _id: False, "process": lambda *event: seen.append(event)}
    code = compile(program, "client.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        await eval(code, names)

    asyncio.run(run())
    assert names["sent"].status == "queued"
    assert names["domain"].domain
    body = b'{"type":"message.delivered","timestamp":"2026-11-22T12:00:00Z","data":{"recipient":"a@b.test"}}'
    headers = sign([secret], message_id="m1", at=datetime.now(UTC), body=body)
    assert names["handle"](body, headers) == 204
    assert names["handle"](body + b" ", headers) == 400
    assert [kind for kind, _ in seen] == ["message.delivered"]


def test_readme_s_program_works(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (program,) = PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"KEY": place.key}
    exec(compile(place.adapted(program), "README.md", "exec"), names)
    assert names["sent"].id


def test_a_backup_is_one(place: Place) -> None:
    """While everything runs; put back with its secrets, all of it is there and can be opened."""
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ (sqlite3 .+)$", page, re.MULTILINE)
    data, again = Path(place.environ["POSTMTA_DATA_DIR"]), place.folder / "again"
    again.mkdir(mode=0o700)
    shutil.copytree(data / "secrets", again / "secrets")
    command = command.replace("/var/lib/postmta", str(data)).replace("/backup", str(again))
    if shutil.which("sqlite3"):
        done = place.run(command)
        assert done.returncode == 0, done.stderr
    else:  # the program's command is this function of the library
        files = (sqlite3.connect(folder / "postmta.db") for folder in (data, again))
        with closing(next(files)) as ours, closing(next(files)) as copy:
            ours.backup(copy)
    found = place.run(f"POSTMTA_DATA_DIR={again} postmta doctor --json || true")
    states = {one["check"]: one["level"] for one in json.loads(found.stdout) if one["subject"] == "database"}
    assert states == {"database": "ok"}, found.stdout
