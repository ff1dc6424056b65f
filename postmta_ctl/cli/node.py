"""``postmta node``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import with_system
from postmta_ctl.compiler.release_order import public_text
from postmta_ctl.errors import NotFound
from postmta_ctl.features.agents import service as agents
from postmta_ctl.features.nodes import service
from postmta_ctl.features.nodes.schemas import Node, NodeCreate, NodeUpdate
from postmta_ctl.system import System


@click.group()
def node() -> None:
    """Add, list and remove KumoMTA nodes."""


@node.command()
@click.argument("name")
@click.option("--admin-url", required=True, help="Where the node's HTTP listener is reached: http://10.0.0.5:8000")
@click.option(
    "--policy-dir",
    required=True,
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="The folder that the node reads its policy from.",
)
@click.option("--file-owner", help="The user kumod runs as, to own the files that hold secrets.")
@click.option("--agent", is_flag=True, help="The folder is on the node's host, where postmta agent writes into it.")
@as_json
def add(name: str, admin_url: str, policy_dir: Path, file_owner: str | None, agent: bool, as_json: bool) -> None:
    """Add a node: make its tokens, and write what it needs into its policy folder.

    Example: postmta node add mx-1 --admin-url http://127.0.0.1:8000 --policy-dir /opt/kumomta/etc/policy
    --file-owner kumod
    """
    given = {"name": name, "admin_url": admin_url, "policy_dir": str(policy_dir), "file_owner": file_owner}
    given["transport"] = "agent" if agent else "folder"
    try:
        data = msgspec.convert(given, NodeCreate)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error
    added = with_system(lambda system: service.add(system, data))
    if as_json:
        print_json(added)
        return
    if added.agent_token is not None:
        click.echo(f"Token of its agent, shown this once: {added.agent_token}")
    click.echo(f"Added node {name}. Next:")
    for number, step in enumerate(added.next_steps, 1):
        click.echo(f"  {number}. {step}")


@node.command("list")
@as_json
def list_nodes(as_json: bool) -> None:
    """List the nodes: what each is switched to, what it says it runs, and what is wrong.

    Example: postmta node list --json
    """
    nodes = with_system(service.list_nodes)
    if as_json:
        print_json(nodes)
        return
    columns = ("NAME", "KIND", "ADMIN URL", "WEIGHT", "PUBLISHED", "RUNNING", "LAST SEEN", "TROUBLE")
    print_table(columns, (_cells(one) for one in nodes))


def _cells(one: Node) -> tuple[object, ...]:
    restart = f"restart needed: {', '.join(one.restart_needed)}" if one.restart_needed else None
    trouble = "; ".join(text for text in (one.last_error, restart) if text)
    return (
        one.name,
        one.kind,
        one.admin_url,
        one.weight,
        one.published_release,
        one.running_release,
        one.last_seen_at,
        trouble,
    )


@node.command("signing-key")
def signing_key() -> None:
    """Print the public key (Ed25519) that orders to agents are signed with, for each agent to pin.

    It follows from the master key, and changes only with it.

    Example: postmta node signing-key > signing.key
    """
    click.echo(with_system(_signing_key))


async def _signing_key(system: System) -> str:
    return public_text(agents.signing_key(system))


@node.command()
@click.argument("name")
@click.argument("share", type=click.IntRange(0, 1_000_000))
def weight(name: str, share: int) -> None:
    """Set a node's share of the API's mail against that of the others; with 0 it gets none that another can take.

    Example: postmta node weight mx-1 3
    """
    with_system(lambda system: _weigh(system, name, share))
    click.echo(f"Node {name} has the weight {share} now.")


async def _weigh(system: System, name: str, share: int) -> None:
    await service.update(system, await _id(system, name), NodeUpdate(weight=share))


@node.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget a node. Its files stay; its log records are refused from now on.

    Example: postmta node remove mx-1
    """
    with_system(lambda system: _remove(system, name))
    click.echo(f"Removed node {name}.")


async def _remove(system: System, name: str) -> None:
    await service.remove(system, await _id(system, name))


async def _id(system: System, name: str) -> str:
    for one in await service.list_nodes(system):
        if one.name == name:
            return one.id
    raise NotFound(f"There is no node {name}.")
