"""``postmta policy`` approve, reject, promote, stop: what people decide about a release."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json
from postmta_ctl.cli.policy.group import policy
from postmta_ctl.cli.policy.printing import finish, show_nodes
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.features.policy import approval, canaries
from postmta_ctl.features.policy.releasing import By


@policy.command()
@click.argument("release", type=click.IntRange(1))
@as_json
def approve(release: int, as_json: bool) -> None:
    """Publish a release that somebody else proposed.

    Exit status: 0 when every node runs it, 1 when it cannot be approved or a node does not run it.

    Example: postmta policy approve 42
    """
    finish(with_system(lambda system: approval.approve(system, By(author()), release)), as_json)


@policy.command()
@click.argument("release", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for the history.")
def reject(release: int, reason: str) -> None:
    """Turn a proposed release down.

    Example: postmta policy reject 42 --reason "not before the sale"
    """
    with_system(lambda system: approval.reject(system, By(author()), release, note=reason))
    click.echo(f"Rejected release {release}.")


@policy.command()
@click.argument("release", type=click.IntRange(1))
def promote(release: int) -> None:
    """Bring a canary to all nodes, without waiting for the end of its time.

    Example: postmta policy promote 42
    """
    show_nodes(with_system(lambda system: canaries.promote(system, By(author()), release)))


@policy.command()
@click.argument("release", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for the history.")
def stop(release: int, reason: str) -> None:
    """Stop a canary: its nodes go back to the release of the others.

    Example: postmta policy stop 42 --reason "deferrals at outlook"
    """
    show_nodes(with_system(lambda system: canaries.stop(system, By(author()), release, note=reason)))
