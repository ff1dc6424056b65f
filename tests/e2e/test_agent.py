"""A real node whose policy folder nobody writes to but the agent beside it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postmta_ctl.compiler.node_files import current_release
from tests.e2e.installation import FIRST_VMTA, Installation, installed
from tests.e2e.kumod import KUMOD, user
from tests.remote_host import AgentProcess, Meddler, untouched
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

ELSEWHERE = "/nowhere/on/this/host/policy"
"""What the control plane takes for the node's folder."""


class Remote:
    """An installation, the agent of its node, and somebody who can stand between them."""

    def __init__(self, here: Installation, agent: AgentProcess, meddler: Meddler) -> None:
        self.here, self.agent, self.meddler = here, agent, meddler

    def start_agent(self) -> None:
        owner = user()
        self.agent.start(self.meddler.url, **({"file_owner": owner} if owner else {}))

    def leaves_from(self, vmta: str, name: str) -> str:
        """The address that a message pinned to a vMTA arrives from."""
        self.here.service.wait_for_status(self.here.service.send(f"{name}@dest.test", vmta=vmta), "delivered")
        return self.here.sink.wait_for(f"{name}@dest.test").source_address


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    with tempfile.TemporaryDirectory(prefix="postmta-agent-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running(folder) as found:
            yield found


@contextmanager
def running(folder: Path) -> Iterator[Remote]:
    remotes: list[Remote] = []
    meddler = Meddler("")

    def join(here: Installation) -> None:
        agent = AgentProcess(folder / "agent", here.service, "mx-1", here.kumod.policy_dir)
        agent.join(here.kumod.url, ELSEWHERE)
        meddler.upstream = here.service.url
        remotes.append(Remote(here, agent, meddler))
        remotes[0].start_agent()

    with meddler.serving():
        try:
            with installed(folder, join=join):
                yield remotes[0]
        finally:
            for one in remotes:
                one.agent.kill()


@pytest.fixture(autouse=True)
def not_restarted(remote: Remote) -> Iterator[None]:
    """Whatever is published, kumod goes on."""
    before = remote.here.node()["online_since"]
    yield
    assert remote.here.node()["online_since"] == before


def test_releases_come_by_the_agent_alone(remote: Remote) -> None:
    here = remote.here
    assert remote.leaves_from("mx1", "first") == FIRST_VMTA
    here.add_vmta("mx2", "127.0.0.3")
    done = here.publish()
    assert [(node["node"], node["ok"]) for node in done["nodes"]] == [("mx-1", True)]
    assert remote.leaves_from("mx2", "second") == "127.0.0.3"
    assert not Path(ELSEWHERE).exists()
    assert here.service.command("policy", "drift").startswith("ok")


def test_a_tampered_bundle_does_not_reach_the_node(remote: Remote) -> None:
    here, before = remote.here, current_release(remote.agent.policy_dir)
    remote.meddler.change = lambda path, body: body + b"\n-- more" if "/blobs/" in path else body
    here.add_vmta("mx3", "127.0.0.4")
    here.service.command("policy", "publish", status=1)
    wait_for(lambda: "not what the manifest says" in (here.node()["last_error"] or ""), "a refusal that is reported")
    assert current_release(remote.agent.policy_dir) == before
    assert remote.leaves_from("mx1", "meanwhile") == FIRST_VMTA
    remote.meddler.change = untouched
    wait_for(lambda: here.node()["running_release"] == here.node()["published_release"], "the release", 60)
    assert remote.leaves_from("mx3", "after") == "127.0.0.4"


def test_the_node_sends_on_while_the_control_plane_is_dead(remote: Remote) -> None:
    here, addresses = remote.here, [f"grey-dead{number}@dest.test" for number in range(5)]
    accepted = [here.service.send(address) for address in addresses]
    wait_for(lambda: here.sink.put_off.issuperset(addresses), "the first attempts")
    here.service.kill()
    for address in addresses:
        here.sink.wait_for(address)
    # So long that the agent has asked in vain several times.
    time.sleep(3)
    here.service.start()
    for message_id in accepted:
        here.service.wait_for_status(message_id, "delivered", seconds=90)
    here.add_vmta("mx4", "127.0.0.5")
    here.service.command("policy", "publish")
    assert remote.leaves_from("mx4", "back") == "127.0.0.5"


@pytest.mark.parametrize(("seconds", "address"), [(0.0, "127.0.0.6"), (0.2, "127.0.0.7")])
def test_an_agent_that_is_killed_in_the_middle(remote: Remote, seconds: float, address: str) -> None:
    here, name = remote.here, f"k{round(seconds * 100)}"
    here.add_vmta(name, address)
    number = here.node()["published_release"] + 1
    publishing = threading.Thread(
        target=here.service.http.post, args=("/api/v1/policy/publish",), kwargs={"json": {}, "timeout": 60}
    )
    publishing.start()
    releases = remote.agent.policy_dir / "releases"
    wait_for(lambda: any(releases.glob(f"*{number:06d}-*")), f"release {number} being written")
    time.sleep(seconds)
    remote.agent.kill()
    remote.agent.require_whole()
    assert remote.leaves_from("mx1", f"between-{name}") == FIRST_VMTA
    publishing.join()
    remote.start_agent()
    wait_for(lambda: here.node()["running_release"] == number, f"release {number}", 60)
    remote.agent.require_whole()
    assert not list(releases.glob(".*"))
    assert remote.leaves_from(name, f"after-{name}") == address
