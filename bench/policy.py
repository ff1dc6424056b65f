"""Large policies: what rendering costs for each domain, and what publishing one changed domain costs beside many.

A publication is the whole of it: reading the rows, rendering, proving, writing the release with its difference, files
on the node's folder synced to disk, the switch, and the node's word, with the second in which KumoMTA forgets its
pools. The node is a stand-in that answers at once. The CPU is without the waiting: what the size costs shows there.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.rows import Measure, Row, Sample, add
from postmta_ctl.assembly import create_system
from postmta_ctl.compiler.model import Installation, Organization, PolicyModel, SendingDomain, SigningKey
from postmta_ctl.compiler.node_files import key_path
from postmta_ctl.compiler.render import render
from postmta_ctl.features.nodes import key_files
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.settings import Settings
from postmta_ctl.store.migrate import upgrade
from tests.fake_node import FakeNode
from tests.many_domains import add_domains, add_organization, change, name_of

MANY, SOME, FEW = 100_000, 10_000, 1_000
_ME = By("bench")
_KEYS = 100
"""Domains whose keys lie on the node, those that change among them: to lay out a folder for each takes minutes, and a
publication of one domain looks at the keys of that one."""


def _model(count: int) -> PolicyModel:
    key = SigningKey(selector="pmta", algorithm="rsa-sha256", id="0192f0c1-2b3c-7000-8000-000000000000")
    return PolicyModel(
        installation=Installation(bounce_domain="bounce.example"),
        organizations=(Organization(slug="many"),),
        domains=tuple(SendingDomain(name=name_of(number), organization="many", keys=(key,)) for number in range(count)),
    )


def _each(model: PolicyModel) -> Measure:
    """Microseconds of CPU for each domain."""

    def measure() -> Sample:
        began = time.process_time()
        _ = render(model).digest
        return Sample(value=(time.process_time() - began) / len(model.domains) * 1e6)

    return measure


@contextmanager
def _render() -> Iterator[tuple[Measure, Measure]]:
    yield _each(_model(MANY)), _each(_model(SOME))


class _Installation:
    """One node, and so many domains that are published."""

    def __init__(self, runner: asyncio.Runner, folder: Path, count: int, node: FakeNode) -> None:
        self._runner, self._node, self._turn, self._count = runner, node, 0, count
        settings = Settings(data_dir=folder, bounce_domain="bounce.example", embedded_node=False)
        self._system = create_system(settings)
        self._organization = runner.run(self._set_up())

    async def _set_up(self) -> str:
        await upgrade(self._system.db)
        organization = await add_organization(self._system)
        await add_domains(self._system, organization, self._count, on_nodes=_KEYS)
        url, policy_dir = self._node.url, str(self._node.policy_dir)
        await nodes.add(self._system, NodeCreate(name="n1", admin_url=url, policy_dir=policy_dir))
        await self._place_keys(None)
        await publish(self._system, _ME)
        return organization

    async def _place_keys(self, names: list[str] | None) -> None:
        """Keys that cannot be opened are put there as if they had been."""
        async with self._system.db.reading() as connection:
            wanted = await queries.key_files(connection, names)
        for file in wanted:
            path = key_path(self._node.policy_dir, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        key_files.note(self._node.policy_dir, wanted, None)

    def publish(self) -> Sample:
        """Change one domain, and publish that."""
        self._turn += 1
        self._runner.run(change(self._system, self._organization, self._turn))
        self._runner.run(self._place_keys([name_of(self._turn)]))
        began, cpu = time.perf_counter(), time.process_time()
        [outcome] = self._runner.run(publish(self._system, _ME)).nodes
        sample = Sample(value=time.perf_counter() - began, cpu=time.process_time() - cpu)
        if not outcome.ok:
            raise RuntimeError(outcome.detail)
        return sample

    def close(self) -> None:
        """Let go of database and connections."""
        self._runner.run(self._system.kumod.close())
        self._runner.run(self._system.db.close())


@contextmanager
def _installation(runner: asyncio.Runner, count: int) -> Iterator[_Installation]:
    with (
        tempfile.TemporaryDirectory(prefix="postmta-bench-") as name,
        FakeNode(Path(name) / "node").serving() as node,
    ):
        installation = _Installation(runner, Path(name), count, node)
        try:
            yield installation
        finally:
            installation.close()


@contextmanager
def _one_domain() -> Iterator[tuple[Measure, Measure]]:
    with (
        asyncio.Runner() as runner,
        _installation(runner, MANY) as many,
        _installation(runner, FEW) as few,
    ):
        few.publish()
        many.publish()
        yield many.publish, few.publish


add(
    Row(
        name="policy-render",
        what="rendering 100,000 domains, CPU for each",
        against="10,000 domains; 1.122 is an exponent of 1.05",
        unit="µs",
        reach=1.122,
        better="less",
        rounds=3,
        sides=_render,
    )
)
add(
    Row(
        name="policy-one-domain",
        what="publishing one changed domain of 100,000",
        against="one of 1,000",
        unit="s",
        reach=1.5,
        better="less",
        rounds=4,
        sides=_one_domain,
    )
)
