"""The agent as a process, beside a stand-in for kumod, against the product as a process.

All tests share the control plane; each adds its nodes and removes them, and publishes a change of its own.
"""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.agent import process
from postmta_ctl.compiler.node_files import current_release
from postmta_ctl.core import live_data
from postmta_ctl.features.policy import bringing
from tests.fake_node import FakeNode
from tests.remote_host import AgentProcess, Meddler, untouched
from tests.serving import Service, wait_for

NUMBERS = itertools.count(20)
"""Of vMTAs and their addresses."""


class RemoteHost(AgentProcess):
    """A stand-in for kumod, and its agent."""

    def __init__(self, folder: Path, service: Service, name: str) -> None:
        super().__init__(folder, service, name, folder / "policy")
        self.kumod = FakeNode(self.policy_dir)

    def wait_until_running(self, number: int) -> None:
        wait_for(lambda: self.kumod.running == number or None, f"release {number} on {self.name}: {self.log}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(
        tmp_path_factory.mktemp("service"), {"POSTMTA_EMBEDDED_NODE": "false", "POSTMTA_AUTO_PUBLISH": "false"}
    )
    try:
        service.start()
        service.register()
        service.verified_domain("sender.test")
        yield service
    finally:
        service.close()


@contextmanager
def remote(tmp_path: Path, service: Service, name: str) -> Iterator[RemoteHost]:
    host = RemoteHost(tmp_path / name, service, name)
    with host.kumod.serving():
        host.join(host.kumod.url, str(host.policy_dir))
        try:
            yield host
        finally:
            host.leave()


@pytest.fixture
def host(tmp_path: Path, service: Service) -> Iterator[RemoteHost]:
    with remote(tmp_path, service, "mx-1") as host:
        yield host


def publish(service: Service, **more: Any) -> dict[str, Any]:
    """Publish a change, and wait for the nodes."""
    number = next(NUMBERS)
    body = {"name": f"mx{number}", "ip_address": f"192.0.2.{number}", "ehlo_domain": f"mx{number}.sender.test"}
    service.call("POST", "/api/v1/vmtas", body)
    found: dict[str, Any] = service.call("POST", "/api/v1/policy/publish", more)
    return found


@contextmanager
def publishing(service: Service) -> Iterator[int]:
    """The number of a release that is being published while the block lasts, for a node that takes its time."""
    newest = service.call("GET", "/api/v1/policy/releases")["data"]
    number = newest[0]["number"] + 1 if newest else 1
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(publish, service)
        yield number
    assert done.result()["release"] == number


def test_a_publication_reaches_its_node_with_all_it_needs(service: Service, host: RemoteHost) -> None:
    host.start()
    published = publish(service)
    told = [(one["ok"], one["running_release"]) for one in published["nodes"]]
    assert told == [(True, published["release"])], host.log.read_text()
    keys = list((host.policy_dir / "keys").rglob("*.key"))
    assert len(keys) == 2
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    own = host.policy_dir / "node.json"
    assert own.stat().st_mode & 0o777 == 0o600
    assert json.loads(own.read_text())["node"] == "mx-1"
    assert host.kumod.tokens == {f"Bearer {json.loads(own.read_text())['admin_token']}"}
    assert wait_for(lambda: host.node()["is_online"], "an online node")
    assert host.stop() == 0


def test_an_agent_that_failed_for_long_is_awake_before_a_publication_gives_up() -> None:
    assert process.LONGEST_PAUSE <= bringing.PROBE_SECONDS / 2


def test_live_data_and_tickets_arrive_in_seconds(service: Service, host: RemoteHost) -> None:
    host.start()
    publish(service)
    service.call("POST", "/api/v1/suppressions", {"address": "gone@example.org", "reason": "manual"})
    path = live_data.suppression_path(live_data.suppression_shard("gone@example.org"))
    file, began = host.policy_dir / "live" / path, time.monotonic()
    wait_for(lambda: file.exists() and file.read_text(), "a suppression on the node")
    assert time.monotonic() - began < 5
    assert file.read_text() == live_data.suppression_digest("sender", "gone@example.org") + "\n"
    service.call("POST", "/api/v1/smtp-credentials", {"name": "shop"})
    wait_for(lambda: list((host.policy_dir / "live/credentials").glob("*.json")), "a credential on the node")
    bumps = host.kumod.bumps
    vmta = {
        "name": "mx9",
        "ip_address": "192.0.2.9",
        "ehlo_domain": "mx9.sender.test",
        "warmup": {"schedule": "standard"},
    }
    vmta_id = service.call("POST", "/api/v1/vmtas", vmta)["id"]
    tickets = host.policy_dir / "live/warmup.json"
    wait_for(
        lambda: tickets.exists() and json.loads(tickets.read_text())["vmtas"].get("sender.mx9"),
        "a ticket for the warming vMTA",
        40,
    )
    wait_for(lambda: host.kumod.bumps >= bumps + 2, "the node reads its tickets, twice")
    service.call("DELETE", f"/api/v1/vmtas/{vmta_id}")


def test_what_was_changed_by_hand_is_told_and_replaced_when_asked(service: Service, host: RemoteHost) -> None:
    host.start()
    number = publish(service)["release"]
    host.wait_until_running(number)
    folder = host.policy_dir / "releases" / str(current_release(host.policy_dir))
    file, extra = folder / "generated/pools.lua", folder / "notes.txt"
    content = file.read_bytes()

    def drift() -> dict[str, Any]:
        (found,) = service.call("GET", "/api/v1/policy/drift")
        return dict(found)

    assert drift()["files"] == []
    file.chmod(0o644)
    file.write_bytes(content + b"-- by hand\n")
    extra.write_text("remember")
    host.kill()
    host.start()  # an agent looks at its start
    found = wait_for(lambda: drift()["files"], "what was changed by hand")
    prefix = f"releases/{folder.name}/"
    assert [(one["path"], one["kind"]) for one in found] == [
        (f"{prefix}generated/pools.lua", "changed"),
        (f"{prefix}notes.txt", "extra"),
    ]
    assert file.read_bytes() != content, "nothing is replaced unasked"
    (fixed,) = service.call("POST", "/api/v1/policy/drift/fix", {})
    assert (fixed["node"], fixed["ok"], fixed["running_release"]) == (host.name, True, number), fixed
    assert (file.read_bytes(), extra.exists(), drift()["files"]) == (content, False, [])
    (kept,) = (host.policy_dir / "edited").iterdir()
    assert (kept / "notes.txt").read_text() == "remember"


def test_the_node_goes_on_while_the_control_plane_is_away(service: Service, host: RemoteHost) -> None:
    host.start()
    before = publish(service)["release"]
    host.wait_until_running(before)
    service.kill()
    host.kill()
    host.start()  # with nobody to ask
    time.sleep(3)
    host.require_whole()
    assert host.kumod.running == before
    service.start()
    host.wait_until_running(publish(service)["release"])


def has_said(host: RemoteHost, words: str) -> bool:
    return words in (host.node()["last_error"] or "")


def tampered(part: str, path: str, body: bytes) -> bytes:
    if path.startswith("/agent/v1/blobs/") and part == "blob":
        return body + b"\n-- and more"
    if path != "/agent/v1/release" or part == "blob":
        return body
    if part == "garbage":
        return b"[]"
    signed = json.loads(body)
    order = json.loads(signed["order"])
    if part == "signature":
        signed["signature"] = "A" * 86 + "=="
    if part == "serial":
        order["serial"] += 1
    if part == "digest":
        order["manifest"]["files"][min(order["manifest"]["files"])] = "0" * 64
    if part != "signature":
        signed["order"] = json.dumps(order)
    return json.dumps(signed).encode()


def test_what_was_tampered_with_is_refused(service: Service, host: RemoteHost) -> None:
    words = {"blob": "not what the manifest says", "garbage": "cannot be read"}
    with Meddler(service.url).serving() as meddler, publishing(service) as release:
        for part in ("digest", "serial", "signature", "garbage", "blob"):
            meddler.change = functools.partial(tampered, part)
            host.start(meddler.url)
            said = words.get(part, "not signed with")
            wait_for(functools.partial(has_said, host, said), f"{part} refused: {host.log}")
            host.kill()
            assert current_release(host.policy_dir) is None
            assert host.kumod.running is None
        meddler.change = untouched
        host.start(meddler.url)
        host.wait_until_running(release)


def test_an_old_order_is_not_followed_again(service: Service, host: RemoteHost) -> None:
    recorded: list[bytes] = []

    def record(path: str, body: bytes) -> bytes:
        if path == "/agent/v1/release":
            recorded.append(body)
        return body

    with Meddler(service.url, record).serving() as meddler:
        host.start(meddler.url)
        host.wait_until_running(publish(service)["release"])
        newer = publish(service)["release"]
        host.wait_until_running(newer)
        host.kill()
        old = recorded[0]
        meddler.change = lambda path, body: old if path == "/agent/v1/release" else body
        host.start(meddler.url)
        wait_for(lambda: "older than one that was followed" in (host.node()["last_error"] or ""), "a refusal")
        assert host.kumod.running == newer


def test_another_key_or_another_nodes_token_gets_nothing(tmp_path: Path, service: Service, host: RemoteHost) -> None:
    with remote(tmp_path, service, "mx-2") as other, publishing(service):
        (host.folder / "other.key").write_text("A" * 43 + "=\n")
        host.start(signing_key_file=str(host.folder / "other.key"))
        wait_for(lambda: "not signed with" in host.log.read_text(), "a refusal of the key")
        host.kill()
        host.start(token_file=str(other.folder / "token"))
        wait_for(lambda: "for the node mx-2" in host.log.read_text(), "a refusal of the order")
        host.kill()
        (host.folder / "guessed").write_text("0" * 64)
        host.start(token_file=str(host.folder / "guessed"))
        wait_for(lambda: "answered with 401" in host.log.read_text(), "a refusal of the token")
        assert current_release(host.policy_dir) is None


def test_killed_while_it_writes(service: Service, host: RemoteHost) -> None:
    def is_writing(number: int) -> bool:
        return any((host.policy_dir / "releases").glob(f"*{number:06d}-*"))

    for _ in range(2):
        host.start()
        with publishing(service) as number:
            wait_for(functools.partial(is_writing, number), f"release {number} being written")
            host.kill()
            host.require_whole()
            host.kumod.read_policy()
            assert host.kumod.running in (None, number - 1, number)
            host.start()
            host.wait_until_running(number)
        host.kill()
    host.require_whole()
    assert not list((host.policy_dir / "releases").glob(".*"))


def test_a_folder_that_cannot_be_written_to_is_reported(service: Service, host: RemoteHost) -> None:
    host.policy_dir.mkdir()
    obstacle = host.policy_dir / "releases"
    obstacle.write_text("")
    host.start()
    with publishing(service) as release:
        wait_for(functools.partial(has_said, host, "releases"), f"the trouble: {host.log}")
        assert current_release(host.policy_dir) is None
        obstacle.unlink()
        host.wait_until_running(release)


def test_a_canary_reaches_its_node_only(tmp_path: Path, service: Service, host: RemoteHost) -> None:
    with remote(tmp_path, service, "mx-2") as other:
        host.start()
        other.start()
        settled = publish(service)["release"]
        tried = publish(service, canary={"nodes": ["mx-2"], "watch_seconds": 600})
        number = tried["release"]
        assert (tried["outcome"], host.kumod.running, other.kumod.running) == ("canary", settled, number)
        assert not list((host.policy_dir / "releases").glob(f"{number:06d}-*"))
        service.call("POST", f"/api/v1/policy/releases/{number}/stop", {"reason": "enough"})
        # The way back is to a smaller number, by a newer order.
        other.wait_until_running(settled)


def test_secrets_do_not_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    for name in ("token", "key"):
        (tmp_path / name).write_text("A" * 43 + "=\n")
    words = ["--control-plane", "http://192.0.2.1", "--node", "n", "--policy-dir", str(tmp_path / "policy")]
    words += ["--token-file", str(tmp_path / "token"), "--signing-key-file", str(tmp_path / "key")]
    done = subprocess.run(
        [sys.executable, "-m", "postmta_ctl.agent", *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "use https" in done.stderr
    assert not (tmp_path / "policy").exists()


def test_it_starts_without_what_only_the_control_plane_needs() -> None:
    heavy = ("litestar", "sqlalchemy", "jinja2", "lupa")
    program = f"import sys, postmta_ctl.agent.command; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"
