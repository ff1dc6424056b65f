"""The embedded node: there when the API is, back when it dies, gone when the API is."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.features.nodes import embedded, service
from postmta_ctl.features.nodes.schemas import Node
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.settings import PolicySettings


@pytest.fixture
def real_time(system: Any) -> Any:
    """A system by the wall clock, with the embedded node switched on: it lives in a process with a clock of its own."""
    object.__setattr__(system, "now", lambda: datetime.now(UTC))
    object.__setattr__(system, "settings", msgspec.structs.replace(system.settings, embedded_node=True))
    return system


async def the_node(system: Any) -> Node:
    (node,) = await service.list_nodes(system)
    return node


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.05)


def process_of(node: Node) -> int | None:
    """The process that was started for this policy folder."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"postmta_ctl.sandbox" in words and node.policy_dir.encode() in words:
                return int(folder.name)
    return None


async def test_it_runs_the_first_release_while_the_api_runs(real_time: Any) -> None:
    system = real_time

    async def runs() -> bool:
        return (await the_node(system)).running_release == 1

    async with embedded.running(system):
        await until(runs)
        node = await the_node(system)
        assert (node.name, node.kind, node.published_release, node.last_error) == ("sandbox", "sandbox", 1, None)
        assert [address.admin_url for address in await service.addresses(system)] == [node.admin_url]
        assert process_of(node) is not None
    assert process_of(node) is None


async def test_it_comes_back_when_it_dies(real_time: Any) -> None:
    system = real_time
    async with embedded.running(system):
        before = None

        async def up() -> bool:
            return (await the_node(system)).running_release == 1 and process_of(await the_node(system)) != before

        await until(up)
        first = await the_node(system)
        before = process_of(first)
        assert before is not None
        os.kill(before, signal.SIGKILL)

        async def back() -> bool:
            node = await the_node(system)
            return node.online_since != first.online_since and process_of(node) not in (None, before)

        await until(back)
        assert (await the_node(system)).admin_url == first.admin_url


async def test_a_second_start_keeps_what_fits(real_time: Any) -> None:
    system = real_time
    node_id = await embedded._ensure(system)
    await embedded._ensure_policy(system)
    first = await the_node(system)
    with socket.create_server(("127.0.0.1", int(first.admin_url.rpartition(":")[2]))):
        assert await embedded._ensure(system) == node_id
    second = await the_node(system)
    assert second.admin_url != first.admin_url, "somebody has the port now"
    (Path(second.policy_dir) / "current").unlink()
    assert await embedded._ensure(system) == node_id
    await embedded._ensure_policy(system)
    assert (Path(second.policy_dir) / "current").read_text().startswith("000001-")


async def test_without_a_policy_the_api_comes_up_all_the_same(real_time: Any) -> None:
    system = real_time
    object.__setattr__(
        system, "settings", msgspec.structs.replace(system.settings, policy=PolicySettings(max_age="soon"))
    )

    async def runs() -> bool:
        return (await the_node(system)).running_release == 1

    async with embedded.running(system):
        assert process_of(await the_node(system)) is None
        mended = msgspec.structs.replace(system.settings, policy=PolicySettings())
        object.__setattr__(system, "settings", mended)
        await publish(system, By("ann"))
        await until(runs)


async def test_it_is_not_removed_while_the_setting_is_on(real_time: Any) -> None:
    node_id = await embedded._ensure(real_time)
    with pytest.raises(Exception, match="embedded_node"):
        await service.remove(real_time, node_id)
