"""The process: how it starts, how it refuses to, how it ends."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from postmta_ctl.sandbox.command import sandbox as command
from postmta_ctl.sandbox.receivers import FATES
from tests.sandbox.fleet import PolicyFolder, make_model
from tests.sandbox.ingestion import Ingestion
from tests.sandbox.process import SandboxProcess, StartSandbox, start_and_fail


def test_without_a_policy_it_says_so_and_ends(tmp_path: Path) -> None:
    status, text = start_and_fail(tmp_path)
    assert status == 78
    assert "there is no init.lua" in text


def test_a_policy_that_does_not_start_is_named(policy: PolicyFolder) -> None:
    broken = policy.folder / "releases" / (policy.folder / "current").read_text().strip() / "init.lua"
    broken.write_text("kumo.nonsense()")
    status, text = start_and_fail(policy.folder)
    assert status == 78
    assert "nonsense" in text or "kumo" in text


def test_a_policy_without_an_http_listener_cannot_be_served(policy: PolicyFolder) -> None:
    policy.publish(make_model(http_listeners=()))
    status, text = start_and_fail(policy.folder)
    assert status == 78
    assert "no HTTP listener" in text


def test_an_address_that_is_taken_is_named(sandbox: SandboxProcess, tmp_path: Path) -> None:
    address = sandbox.banner["url"].removeprefix("http://")
    status, text = start_and_fail(sandbox.folder, "--listen", address, "--spool-dir", str(tmp_path / "spool"))
    assert status == 69
    assert f"cannot listen on {address}" in text


def test_it_ends_when_its_parent_closes_the_pipe(sandbox: SandboxProcess) -> None:
    assert sandbox.process.stdin is not None
    sandbox.process.stdin.close()
    sandbox.process.stdin = None
    assert sandbox.process.wait(15) == 0


def test_a_stop_lets_the_hook_take_what_is_due(sandbox: SandboxProcess, ingestion: Ingestion) -> None:
    sandbox.send(*(f"ok{number}@example.org" for number in range(200)), tenant="bolt")
    assert sandbox.stop() == 0
    assert sum(record["type"] == "Reception" for record in ingestion.records) == 200


def test_a_second_start_is_the_same_node(start: StartSandbox) -> None:
    first = start()
    machine = first.get("/api/machine-info")
    assert machine["version"].startswith("sandbox-")
    first.stop()
    again = start().get("/api/machine-info")
    assert again["node_id"] == machine["node_id"]
    assert again["online_since"] > machine["online_since"]


def test_the_command_tells_all_magic_recipients() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    missing = [word for fate in FATES for word in fate.words if f"{word}*" not in text]
    assert missing == []
