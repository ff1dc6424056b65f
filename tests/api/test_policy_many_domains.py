"""Publications of a large policy look at what changed, and come to what looking at everything would."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import shard_file, shard_of
from postmta_ctl.compiler.node_files import current_release, key_path
from postmta_ctl.features.domains.queries import by_name
from postmta_ctl.features.nodes import key_files
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.draft import draft_policy
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.store.tables import dkim_keys, domains, policy_changes
from postmta_ctl.system import System
from tests.fake_node import FakeNode
from tests.many_domains import add_domains, add_organization, change, name_of

ANN = By("ann")
COUNT = 200


async def place_keys(system: System, node: FakeNode) -> None:
    """As if a publication had written them: these hold no key that could be opened."""
    async with system.db.reading() as connection:
        wanted = await queries.key_files(connection)
    for file in wanted:
        key_path(node.policy_dir, file).parent.mkdir(parents=True, exist_ok=True)
        key_path(node.policy_dir, file).touch()
    key_files.note(node.policy_dir, wanted, None)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_one_changed_domain_is_all_that_is_looked_at(system: System, tmp_path: Path) -> None:
    organization = await add_organization(system)
    await add_domains(system, organization, COUNT)
    with FakeNode(tmp_path / "node").serving() as node:
        await nodes.add(system, NodeCreate(name="n1", admin_url=node.url, policy_dir=str(node.policy_dir)))
        await place_keys(system, node)
        assert (await publish(system, ANN)).outcome == "published"
        assert (await draft_policy(system)).is_published
        before = running(node)
        await change(system, organization, 7)
        await place_keys(system, node)
        draft = await draft_policy(system)
        shard = shard_file("domains", shard_of(name_of(7), 8))
        assert draft.changed == {name_of(7)}
        assert {shard, shard_file("domains", shard_of(name_of(0), 8))} == {
            path for path in draft.rendered.files if path.startswith("data/")
        }
        assert draft.rendered.digest == (await draft_policy(system, whole=True)).rendered.digest
        assert (await publish(system, ANN)).nodes[0].ok
        assert node.running == 2
        after = running(node)
        assert Bundle.read(after).digest == draft.rendered.digest
        shards = {path.name for path in (after / "data/domains").iterdir()}
        assert len(shards) == 8
        same = {name for name in shards if (after / "data/domains" / name).samefile(before / "data/domains" / name)}
        assert shards - same == {Path(shard).name}
        kept = sorted(path.name for path in (node.policy_dir / "keys" / name_of(7)).iterdir())
        assert len(kept) == 1, "the key that was replaced is gone from the node"

        # What a node lacks is fetched, and what was edited there: neither is carried on.
        await change(system, organization, 9)
        await place_keys(system, node)
        first, second, *_ = sorted(shards - {Path(shard_file("domains", shard_of(name_of(9), 8))).name})
        (after / "data/domains" / first).unlink()
        (after / "data/domains" / second).chmod(0o644)
        (after / "data/domains" / second).write_text("{}")
        wanted = (await draft_policy(system)).rendered.digest
        assert (await publish(system, ANN)).nodes[0].ok
        assert Bundle.read(running(node)).digest == wanted


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_everything_is_looked_at_when_the_rows_and_the_files_disagree(system: System) -> None:
    organization = await add_organization(system)
    await add_domains(system, organization, COUNT)
    await publish(system, ANN)
    # Deleted without a note of it, which no part of the program does.
    async with system.db.transaction() as connection:
        row = await by_name(connection, organization, name_of(3))
        assert row is not None
        await connection.execute(dkim_keys.delete().where(dkim_keys.c.domain_id == row.id))
        await connection.execute(domains.delete().where(domains.c.id == row.id))
    draft = await draft_policy(system)
    assert draft.changed is None
    assert draft.rendered.digest == (await draft_policy(system, whole=True)).rendered.digest
    # A change that does not say which domains it is about may be about all.
    await publish(system, ANN)
    await change(system, organization, 4)
    async with system.db.transaction() as connection:
        await connection.execute(update(policy_changes).values(domains=None))
    assert (await draft_policy(system)).changed is None


def running(node: FakeNode) -> Path:
    name = current_release(node.policy_dir)
    assert name is not None
    return node.policy_dir / "releases" / name
