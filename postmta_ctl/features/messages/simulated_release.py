"""A release out of the database in the Lua VM, and messages through it: for simulated deliveries and explanations."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import shard_file, shard_of
from postmta_ctl.core.inject import InjectItem
from postmta_ctl.features.messages.simulated_node import SimulatedNode
from postmta_ctl.features.messages.simulation_schemas import SimulatedRecipient
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.policy.draft import gone, load_bundle
from postmta_ctl.luavm import ManualClock, PolicyError
from postmta_ctl.luavm.trace import Step

_VMS = ThreadPoolExecutor(2, thread_name_prefix="simulated-node")
"""Of its own, so that however many ask at once, at most two VMs compute and nobody else's threads are taken."""


class Simulated(msgspec.Struct, frozen=True):
    """What would become of one recipient, and what of the policy decided it where that was asked for."""

    recipient: SimulatedRecipient
    steps: list[Step] = []


async def part_of_release(connection: AsyncConnection, number: int, domain: str) -> Bundle:
    """A release, with only that part of its domains in which this one is looked up.

    Raises:
        NotFound: ``release_gone``: its files are kept no more.
    """
    files = await releases.files_of(connection, number)
    shards = {path for path in files if path.startswith("data/domains/")}
    wanted = shard_file("domains", shard_of(domain, max(len(shards), 1)))
    needed = {path: digest for path, digest in files.items() if path not in shards or path == wanted}
    try:
        bundle = await load_bundle(connection, needed)
    except KeyError:
        bundle = Bundle.of({})
    if not bundle.files:
        raise gone(number)
    return bundle


async def send_through(
    number: int,
    bundle: Bundle,
    items: Collection[InjectItem],
    *,
    live: Mapping[str, bytes],
    now: datetime,
    watch: bool = False,
) -> list[Simulated]:
    """Send recipients through a release; one that the policy fails at is refused with what failed.

    Args:
        number: The release's.
        bundle: Its files, as far as they are needed.
        items: The recipients.
        live: Files of live data, as nodes have them.
        now: The node's time; it stands still.
        watch: Tell what of the policy ran for each. Then each has a node of its own, since a node keeps pools and
            sources for a while, and would not be asked for them again.
    """
    if not items:
        return []
    loop = asyncio.get_running_loop()
    groups = [[item] for item in items] if watch else [list(items)]
    found = await asyncio.gather(
        *(loop.run_in_executor(_VMS, _run, number, bundle, group, live, now, watch) for group in groups)
    )
    return [one for group in found for one in group]


def _run(
    number: int,
    bundle: Bundle,
    items: Collection[InjectItem],
    live: Mapping[str, bytes],
    now: datetime,
    watch: bool,
) -> list[Simulated]:
    with TemporaryDirectory(prefix="postmta-simulation-") as folder:
        try:
            node = SimulatedNode(Path(folder), bundle, ManualClock(now), live, number)
        except PolicyError as error:
            return [Simulated(_failed(item, error)) for item in items]
        trace = node.watch() if watch else None
        return [Simulated(_sent(node, item), trace.steps() if trace else []) for item in items]


def _sent(node: SimulatedNode, item: InjectItem) -> SimulatedRecipient:
    try:
        sent = node.send(item)
        msgspec.json.encode(sent)
    except PolicyError as error:
        return _failed(item, error)
    except UnicodeEncodeError:
        return _failed(item, "it answers with octets that are no text")
    return sent


def _failed(item: InjectItem, problem: object) -> SimulatedRecipient:
    refusal = f"the policy fails: {problem}".encode("utf-8", "replace").decode()
    return SimulatedRecipient(address=item.address, outcome="refused", refusal=refusal)
