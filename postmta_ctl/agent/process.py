"""The process: two turns that never end, one for releases and one for what lies beside them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from postmta_ctl.agent import beside, followed, releases
from postmta_ctl.agent.control_plane import ControlPlane, ControlPlaneFailed
from postmta_ctl.agent.options import Options
from postmta_ctl.clients.kumod import KumodClient, NodeAddress
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.compiler.release_order import Order, OrderRefused
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.agents.schemas import Report
from postmta_ctl.features.nodes import folder_drift, key_files, probe
from postmta_ctl.features.nodes.folder_drift import FolderDrift
from postmta_ctl.features.nodes.release_files import ReleaseChanged, prune

log = structlog.get_logger(__name__)

WAIT_SECONDS = 15.0
"""How long a question for something new stays open."""
UNSETTLED_SECONDS = 2.0
"""The same while the node does not run what it should, and is asked again."""
PROBE_SECONDS = 10.0
TIDY_SECONDS = 600.0
"""How long a private key that belongs on no node any more may stay."""
LOOK_SECONDS = 60.0
"""How often the folder is looked at."""
_SHOWN = 100
"""Differences that are told at most."""
_FIRST_PAUSE, LONGEST_PAUSE = 1.0, 5.0
"""After a turn that failed. The longest is well below what a publication waits for a node: one that comes right after
the node or the control plane was away finds the agent awake."""
_REST = 0.5
"""Between two questions that brought nothing, should they not stay open."""
_MAX_ERROR = 2000
_EXPECTED = (ControlPlaneFailed, OrderRefused, ReleaseChanged, NodeFailed, OSError, LookupError)


class Agent:
    """Of one node."""

    def __init__(self, options: Options, plane: ControlPlane, kumod: KumodClient) -> None:
        self._options = options
        self._plane = plane
        self._kumod = kumod
        self._problems: dict[str, str] = {}
        self._order_tag: str | None = None
        self._files_tag: str | None = None
        self._wanted: int | None = None
        self._confirmed: int | None = None
        self._running: int | None = None
        self._keys: set[KeyFile] = set()
        self._order: Order | None = None
        self._folder: FolderDrift | None = None
        self._was_ordered = asyncio.Event()
        self._tidied = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        turns = {"files": self._files_turn, "release": self._release_turn, "folder": self._folder_turn}
        await asyncio.gather(*(self._forever(name, turn) for name, turn in turns.items()))

    async def _forever(self, name: str, turn: Callable[[], Awaitable[None]]) -> None:
        """Take turns; after one that failed, wait longer each time, and not all agents the same time."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await turn()
            except _EXPECTED as error:
                await self._failed(name, str(error), pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as error:
                # A node must not be left behind for good by what nobody thought of.
                log.exception("unexpected error", turn=name)
                await self._failed(name, repr(error), pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._problems.pop(name, None)
                pause = _FIRST_PAUSE
                await asyncio.sleep(_REST)

    async def _failed(self, name: str, problem: str, pause: float) -> None:
        log.warning("turn failed", turn=name, problem=problem)
        self._problems[name] = problem
        await self._report()
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads, and hides nothing

    async def _files_turn(self) -> None:
        self._files_tag, is_new = await beside.bring(self._options, self._plane, self._files_tag, WAIT_SECONDS)
        if is_new:
            address = self._address()
            await self._kumod.bump_epoch(address)
            # A queue may have met a pool cached just before the epoch, and keeps it until the next one.
            await asyncio.sleep(probe.POOL_SECONDS)
            await self._kumod.bump_epoch(address)

    async def _release_turn(self) -> None:
        wait = WAIT_SECONDS if self._is_settled() else UNSETTLED_SECONDS
        answer = await self._plane.release(self._order_tag, wait)
        address = self._address()
        if answer is not None:
            tag, signed = answer
            options = self._options
            order = await asyncio.to_thread(
                followed.accept, options.policy_dir, signed, options.signing_key, options.node
            )
            self._order, self._folder = order, None
            try:
                self._keys = await releases.install(options, self._plane, order)
            finally:
                self._was_ordered.set()
            self._order_tag, self._wanted = tag, order.manifest.release
            log.info("switched", release=self._wanted)
        if self._wanted is not None and not self._is_settled():
            await self._confirm(address, self._wanted)
        elif self._wanted is not None and time.monotonic() - self._tidied > TIDY_SECONDS:
            await self._tidy()
        self._problems.pop("release", None)
        await self._report()

    async def _folder_turn(self) -> None:
        """Look what of the folder was changed by hand: after each order, and then from time to time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._was_ordered.wait()
        self._was_ordered.clear()
        if (order := self._order) is None:
            return
        found = await asyncio.to_thread(
            folder_drift.compare, self._options.policy_dir, order.manifest, frozenset(self._keys)
        )
        if order is not self._order:
            return
        known, self._folder = self._folder, FolderDrift(files=found.files[:_SHOWN], problems=found.problems[:_SHOWN])
        if known != self._folder:
            await self._report()

    def _is_settled(self) -> bool:
        return self._running == self._confirmed == self._wanted

    def _address(self) -> NodeAddress:
        options = self._options
        token = beside.admin_token(options.policy_dir)
        if token is None:
            raise ControlPlaneFailed("node.json has not been fetched yet")
        return NodeAddress(name=options.node, admin_url=options.admin_url, token=token)

    async def _confirm(self, address: NodeAddress, number: int) -> None:
        """Have the node run the release, by its own word."""
        running = await probe.wait_until_running(self._kumod, address, number, seconds=PROBE_SECONDS)
        if running != number:
            raise NodeFailed(f"is switched to release {number} but still runs {running}")
        self._problems.pop("release", None)
        await self._report()
        await asyncio.sleep(probe.POOL_SECONDS)
        await self._kumod.bump_epoch(address)
        kept, days = self._options.releases_kept, self._options.releases_kept_days
        await asyncio.to_thread(prune, self._options.policy_dir, kept=kept, days=days, now=datetime.now(UTC))
        await self._tidy()
        self._confirmed = running

    async def _tidy(self) -> None:
        """Remove the private keys that belong on no node."""
        wanted = self._keys | await self._plane.key_names()
        await asyncio.to_thread(key_files.remove_others, self._options.policy_dir, wanted, self._options.file_owner)
        self._tidied = time.monotonic()

    async def _report(self) -> None:
        """Say how things are; that nobody hears it is no trouble of the node's."""
        since, self._running, problems = None, None, list(self._problems.values())
        try:
            address = self._address()
            since = (await self._kumod.machine_info(address)).online_since
            self._running = await probe.running_release(self._kumod, address)
        except (ControlPlaneFailed, NodeFailed, OSError, msgspec.MsgspecError) as failed:
            problems.append(str(failed))
        words = "; ".join(dict.fromkeys(problems))[:_MAX_ERROR] or None
        report = Report(
            running_release=self._running,
            online_since=since,
            error=words,
            folder=self._folder,
            order_serial=None if self._order is None else self._order.serial,
        )
        try:
            await self._plane.report(report)
        except ControlPlaneFailed as failed:
            log.debug("nobody hears the report", problem=str(failed))


async def run(options: Options) -> None:
    """Be the agent of a node until cancelled."""
    plane, kumod = ControlPlane(options.control_plane, options.token), KumodClient()
    try:
        await Agent(options, plane, kumod).run()
    finally:
        await plane.close()
        await kumod.close()
