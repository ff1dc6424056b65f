"""``postmta policy`` plan, publish, rollback, diff, show, history: releases."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.policy.group import policy
from postmta_ctl.cli.policy.printing import describe, finish, show_plan, show_proofs, show_publication
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.features.policy import publish as publishing
from postmta_ctl.features.policy import service, steps
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.rollback import roll_back

CHANGES = 3
"""Exit status of ``plan --exit-code`` when there is something to publish."""


@policy.command()
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGES} when there is something to publish.")
@as_json
def plan(exit_code: bool, as_json: bool) -> None:
    """Show what publishing would do: the difference, what it takes, and the proofs. Nothing is written.

    Exit status: 0, or 1 when a proof failed. With --exit-code also 3 when there is something to publish.

    Example: postmta policy plan --exit-code
    """
    found = with_system(service.plan, what="Proving the policy", steps=steps.PROVING)
    if as_json:
        print_json(found)
    else:
        show_plan(found)
    if not found.is_publishable:
        raise SystemExit(1)
    if exit_code and found.release != found.previous_release:
        raise SystemExit(CHANGES)


@policy.command()
@click.option("--reason", help="Why, for the history; the changes themselves when absent.")
@click.option("--dry-run", is_flag=True, help="Prove it and say what would happen; write nothing.")
@click.option("--canary", multiple=True, metavar="NODE", help="Let this node try it first; may be repeated.")
@click.option("--canary-percent", type=click.IntRange(1, 99), help="Let this part of the nodes try it first.")
@click.option("--watch", default=600, show_default=True, help="Seconds that the canary is watched.")
@as_json
def publish(
    reason: str | None, dry_run: bool, canary: tuple[str, ...], canary_percent: int | None, watch: int, as_json: bool
) -> None:
    """Prove the policy, make it a release, and bring every node to it.

    Exit status: 0 when every node runs the release, 1 when the policy was refused or a node does not run it.

    Example: postmta policy publish --reason "mx2 joins the pool" --canary mx-1 --watch 900
    """
    if dry_run:
        rehearsed = with_system(publishing.rehearse, what="Proving the policy", steps=steps.PROVING)
        show_publication(rehearsed, as_json)
        return
    wanted = bool(canary) or canary_percent is not None
    request = CanaryRequest(nodes=canary, percent=canary_percent, watch_seconds=watch) if wanted else None
    done = with_system(
        lambda system: publishing.publish(system, By(author()), reason=reason, canary=request),
        what="Publishing",
        steps=steps.PUBLISHING,
    )
    finish(done, as_json)


@policy.command()
@click.argument("release", type=click.IntRange(1))
@click.option("--reason", help="Why, for the history.")
@as_json
def rollback(release: int, reason: str | None, as_json: bool) -> None:
    """Publish the policy of an older release again, as a new release.

    What was configured since stays configured, and is published when somebody publishes. A canary is stopped first.
    Exit status: 0 when every node runs it, 1 when it was refused or a node does not run it.

    Example: postmta policy rollback 41 --reason "mx2 is listed"
    """
    done = with_system(
        lambda system: roll_back(system, By(author()), release, reason=reason), what=f"Going back to release {release}"
    )
    finish(done, as_json)


@policy.command()
@click.argument("first", type=click.IntRange(1))
@click.argument("second", type=click.IntRange(1), required=False)
@as_json
def diff(first: int, second: int | None, as_json: bool) -> None:
    """Show what differs from one release to another, or to the policy as it is configured now.

    Example: postmta policy diff 41 42
    """
    found = with_system(lambda system: service.difference(system, first, second))
    if as_json:
        print_json(found)
        return
    click.echo(found.diff, nl=False)


@policy.command()
@click.argument("release", type=click.IntRange(1))
@as_json
def show(release: int, as_json: bool) -> None:
    """Show a release: who made it and why, its proofs, and its diff to the one before.

    Example: postmta policy show 42
    """
    found = with_system(lambda system: service.get_release(system, release))
    if as_json:
        print_json(found)
        return
    one = found.release
    click.echo(f"Release {one.number}, {one.state}, digest {one.digest}")
    click.echo(f"By {one.author} on {one.created_at:%Y-%m-%d %H:%M:%S} UTC: {one.reason}")
    for label, text in (("Approved by", one.approved_by), ("Note", one.note), ("Rolls back to", one.rollback_to)):
        if text is not None:
            click.echo(f"{label}: {text}")
    click.echo(describe(one.change_class))
    show_proofs(found.proofs)
    if found.diff:
        click.echo()
        click.echo(found.diff, nl=False)


@policy.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="Releases shown at most.")
@as_json
def history(limit: int, as_json: bool) -> None:
    """List the releases, newest first.

    Example: postmta policy history --limit 5
    """
    releases = with_system(lambda system: service.list_releases(system, limit=limit, cursor=None)).data
    if as_json:
        print_json(releases)
        return
    columns = ("RELEASE", "PUBLISHED", "DIGEST", "CHANGE", "AUTHOR", "REASON")
    rows = ((r.number, r.published_at, r.digest[:12], r.change_class.kind, r.author, r.reason) for r in releases)
    print_table(columns, rows)
