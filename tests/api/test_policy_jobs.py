"""What publishing does by itself: pending changes, and nodes that were away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from postmta_ctl.features.auth import service as auth
from postmta_ctl.features.auth.principal import Principal, scopes_of
from postmta_ctl.features.auth.schemas import Register
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.nodes.watch import watch_nodes
from postmta_ctl.features.policy import service
from postmta_ctl.features.policy.jobs import bring_nodes_up_to_date, publish_pending, publishes_by_itself
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.vmtas.schemas import VmtaCreate
from postmta_ctl.settings import PolicySettings, Settings
from postmta_ctl.workers.schedule import JOBS
from tests.fake_node import FakeNode


def configure(system: Any, **changes: Any) -> None:
    """Other settings for the same system, as after a restart."""
    object.__setattr__(system, "settings", msgspec.structs.replace(system.settings, **changes))


@pytest.fixture
async def ann(system: Any) -> Principal:
    made = await auth.register(system, Register(email="ann@acme.test", password="correct horse", organization="acme"))
    return Principal(
        organization_id=made.organization.id,
        organization=made.organization.slug,
        role="owner",
        scopes=scopes_of("owner", is_operator=True),
        email=made.user.email,
    )


async def add_vmta(system: Any, ann: Principal, number: int = 1) -> None:
    address = f"192.0.2.{number}"
    await vmtas.create(system, ann, VmtaCreate(name=f"mx{number}", ip_address=address, ehlo_domain="mx.acme.test"))


async def add_node(system: Any, node: FakeNode, name: str = "sandbox", kind: str = "sandbox") -> str:
    data = NodeCreate(name=name, admin_url=node.url, policy_dir=str(node.policy_dir))
    return (await nodes.add(system, data, kind=kind)).node.id


async def releases(system: Any) -> list[Any]:
    return (await service.list_releases(system, limit=50, cursor=None)).data


@pytest.mark.parametrize(
    ("setting", "kinds", "expected"),
    [
        (None, ["sandbox"], True),
        (None, ["sandbox", "kumod"], False),
        (None, ["kumod"], False),
        (None, [], False),
        (True, ["kumod"], True),
        (False, ["sandbox"], False),
    ],
)
def test_only_a_lone_sandbox_is_published_to_unasked(setting: bool | None, kinds: list[str], expected: bool) -> None:
    assert publishes_by_itself(Settings(auto_publish=setting), kinds) is expected


async def test_a_burst_of_changes_makes_one_release(system: Any, ann: Any, clock: Any, tmp_path: Any) -> None:
    with FakeNode(tmp_path / "node").serving() as node:
        await add_node(system, node)
        await publish_pending(system)
        assert await releases(system) == [], "nothing has changed yet"
        await add_vmta(system, ann, 1)
        clock.advance(seconds=0.9)
        await add_vmta(system, ann, 2)
        await publish_pending(system)
        assert await releases(system) == [], "the debounce is a second"
        clock.advance(seconds=0.1)
        await publish_pending(system)
        (release,) = await releases(system)
        assert (release.author, release.reason) == ("postmta", "vMTA mx1 created; vMTA mx2 created")
        assert node.running == 1
        clock.advance(hours=1)
        await publish_pending(system)
        assert len(await releases(system)) == 1


async def test_without_auto_publish_changes_wait(system: Any, ann: Any, clock: Any) -> None:
    configure(system, auto_publish=False)
    await add_vmta(system, ann)
    clock.advance(hours=1)
    await publish_pending(system)
    assert await releases(system) == []
    assert len((await service.plan(system)).changes) == 1


async def test_a_refused_policy_is_tried_again_when_something_changes(system: Any, ann: Any, clock: Any) -> None:
    configure(system, auto_publish=True, policy=PolicySettings(max_age="soon"))
    await add_vmta(system, ann, 1)
    clock.advance(seconds=1)
    await publish_pending(system)
    assert await releases(system) == []
    configure(system, policy=PolicySettings())
    await publish_pending(system)
    assert await releases(system) == [], "nothing has changed that it knows of"
    await add_vmta(system, ann, 2)
    await publish_pending(system)
    assert len(await releases(system)) == 1


async def test_a_node_that_was_away_is_brought_up_to_date(system: Any, ann: Any, clock: Any, tmp_path: Any) -> None:
    node = FakeNode(tmp_path / "node")
    with node.serving():
        node_id = await add_node(system, node, "mx-1", "kumod")
        await publish(system, By("ann"))
        await watch_nodes(system)
    await add_vmta(system, ann)
    await publish(system, By("ann"))
    assert node.running == 1
    clock.advance(minutes=1)
    with node.serving():
        await bring_nodes_up_to_date(system)
        assert node.running == 1, "it has not been seen yet"
        await watch_nodes(system)
        await bring_nodes_up_to_date(system)
        assert node.running == 2
        shown = await nodes.get(system, node_id)
        assert (shown.running_release, shown.last_error) == (2, None)
        bumps = node.bumps
        await bring_nodes_up_to_date(system)
        assert node.bumps == bumps, "it is up to date"


async def test_a_new_node_gets_the_newest_release(system: Any, ann: Any, tmp_path: Any) -> None:
    await publish(system, By("ann"))
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_node(system, node, "mx-1", "kumod")
        await bring_nodes_up_to_date(system)
        assert (await nodes.get(system, node_id)).published_release == 1, "its files are written before it is seen"
        node.read_policy()
        await watch_nodes(system)
        await bring_nodes_up_to_date(system)
        assert (await nodes.get(system, node_id)).running_release == 1


async def test_a_stuck_node_is_said_so_until_it_is_mended(
    system: Any, ann: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("postmta_ctl.features.policy.bringing.CATCH_UP_SECONDS", 0.2)
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_node(system, node, "mx-1", "kumod")
        await publish(system, By("ann"))
        await watch_nodes(system)
        node.stuck = True
        monkeypatch.setattr("postmta_ctl.features.policy.bringing.PROBE_SECONDS", 0.2)
        await add_vmta(system, ann)
        await publish(system, By("ann"))
        for _ in range(2):
            await watch_nodes(system)
            await bring_nodes_up_to_date(system)
            assert (await nodes.get(system, node_id)).last_error == "is switched to release 2 but still runs 1"
        node.stuck = False
        await bring_nodes_up_to_date(system)
        assert (await nodes.get(system, node_id)).last_error is None


async def test_what_needs_a_restart_is_said_until_the_node_was_restarted(
    system: Any, ann: Any, clock: Any, tmp_path: Any
) -> None:
    with FakeNode(tmp_path / "node").serving() as node:
        node_id = await add_node(system, node, "mx-1", "kumod")
        await publish(system, By("ann"))
        node.restart((clock() + timedelta(seconds=1)).isoformat())
        await watch_nodes(system)
        assert (await nodes.get(system, node_id)).restart_needed == []
        clock.advance(minutes=1)
        configure(system, policy=PolicySettings(log_path="/var/log/elsewhere"))
        done = await publish(system, By("ann"), reason="logs move")
        assert (done.change_class.kind, done.change_class.settings) == ("restart", ("storage.log_path",))
        assert (await nodes.get(system, node_id)).restart_needed == ["storage.log_path"]
        node.restart((clock() + timedelta(seconds=1)).isoformat())
        await watch_nodes(system)
        assert (await nodes.get(system, node_id)).restart_needed == []


def test_the_jobs_are_on_the_list() -> None:
    assert {publish_pending, watch_nodes, bring_nodes_up_to_date} <= {job.run for job in JOBS}
