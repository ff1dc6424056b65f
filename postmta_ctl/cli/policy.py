"""``postmta policy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from postmta_ctl.cli import bundle_folder, ops_repository
from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.compiler.check import Finding
from postmta_ctl.features.policy import approval, canaries, drift, exporting, service
from postmta_ctl.features.policy import publish as publishing
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.rollback import roll_back
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.policy.scenarios import service as scenario_service
from postmta_ctl.features.policy.scenarios.schemas import ScenariosUpdate
from postmta_ctl.features.policy.schemas import Plan
from postmta_ctl.store.versions import Condition

CHANGES = 3
"""Exit status of ``plan --exit-code`` when there is something to publish."""

_OUTCOMES = {
    "published": "Published release {}",
    "nothing": "Nothing changed since release {}",
    "proposed": "Proposed release {}, which somebody else has to approve",
    "canary": "Release {} runs on its canary nodes",
    "stopped": "Stopped release {}",
    "dry_run": "Would publish release {}",
}


@click.group()
def policy() -> None:
    """Render, prove and publish the policy of the KumoMTA nodes."""


@policy.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder that is new, empty, or holds an earlier bundle, which is replaced.",
)
def render(out: Path) -> None:
    """Write the policy, as it is configured now, into a folder.

    Example: postmta policy render --out ops/policy && git -C ops diff
    """
    number, bundle = with_system(service.render)
    bundle_folder.replace(out, bundle, number)
    click.echo(f"Wrote {len(bundle.files) + 1} files to {out}: release {number}, digest {bundle.digest}")


@policy.command()
@as_json
def check(as_json: bool) -> None:
    """Prove the policy as it is configured now.

    Exit status: 0 when every proof holds, 1 when one does not.

    Example: postmta policy check
    """
    _finish_proofs(with_system(service.check).proofs, as_json)


@policy.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--scenarios",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Scenarios to run; DIR/scenarios.toml when absent.",
)
@click.option("--kumod", default="", help="A kumod program; the one on the PATH when absent, if any.")
@as_json
def verify(folder: Path, scenarios: Path | None, kumod: str, as_json: bool) -> None:
    """Run all proofs on a bundle in a folder, or on an ops repository with one in its folder policy/.

    It needs no database and no settings, so that the repository's own CI can run it. Exit status: 0 when every proof
    holds, 1 when one does not or there is no bundle.

    Example: postmta policy verify ops
    """
    _finish_proofs(bundle_folder.verify(folder, kumod=kumod, scenarios=scenarios), as_json)


@policy.command()
@click.option(
    "--git",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of a Git work tree: the bundle goes to DIR/policy, the scenarios to DIR/scenarios.toml.",
)
@click.option("--release", type=click.IntRange(1), help="Which release; the newest published one when absent.")
def export(folder: Path, release: int | None) -> None:
    """Commit a release into an ops repository, with author, reason and changes. Other files there are left alone.

    Exit status: 0 when it is committed or was there already, 1 when Git refuses or what it would replace was changed.

    Example: postmta policy export --git ops && git -C ops push
    """
    exported = with_system(lambda system: exporting.export(system, release))
    done = ops_repository.commit(folder, exported)
    said = f"Committed release {exported.number} as {done}" if done else f"Release {exported.number} is there already"
    click.echo(said)


@policy.command()
@click.option(
    "--set",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replace the scenarios by those in a file; an empty file takes all away.",
)
@as_json
def scenarios(path: Path | None, as_json: bool) -> None:
    """Show or replace the scenarios: messages, and what each policy must do with them before it is published.

    Example: postmta policy scenarios --set scenarios.toml
    """
    if path is None:
        found = with_system(scenario_service.get)
    else:
        update = ScenariosUpdate(toml=bundle_folder.read_scenarios(path))
        found = with_system(lambda system: scenario_service.put(system, author(), update, Condition()))
    if as_json:
        print_json(found)
    elif path is None:
        click.echo(found.toml, nl=False)
    else:
        click.echo(f"Kept {len(found.scenarios)} scenarios.")


@policy.command()
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGES} when there is something to publish.")
@as_json
def plan(exit_code: bool, as_json: bool) -> None:
    """Show what publishing would do: the difference, what it takes, and the proofs. Nothing is written.

    Exit status: 0, or 1 when a proof failed. With --exit-code also 3 when there is something to publish.

    Example: postmta policy plan --exit-code
    """
    found = with_system(service.plan)
    if as_json:
        print_json(found)
    else:
        _show_plan(found)
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
        _show(with_system(publishing.rehearse), as_json)
        return
    wanted = bool(canary) or canary_percent is not None
    request = CanaryRequest(nodes=canary, percent=canary_percent, watch_seconds=watch) if wanted else None
    done = with_system(lambda system: publishing.publish(system, By(author()), reason=reason, canary=request))
    _finish(done, as_json)


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
    _finish(with_system(lambda system: roll_back(system, By(author()), release, reason=reason)), as_json)


@policy.command()
@click.argument("release", type=click.IntRange(1))
@as_json
def approve(release: int, as_json: bool) -> None:
    """Publish a release that somebody else proposed.

    Exit status: 0 when every node runs it, 1 when it cannot be approved or a node does not run it.

    Example: postmta policy approve 42
    """
    _finish(with_system(lambda system: approval.approve(system, By(author()), release)), as_json)


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
    _show_nodes(with_system(lambda system: canaries.promote(system, By(author()), release)))


@policy.command()
@click.argument("release", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for the history.")
def stop(release: int, reason: str) -> None:
    """Stop a canary: its nodes go back to the release of the others.

    Example: postmta policy stop 42 --reason "deferrals at outlook"
    """
    _show_nodes(with_system(lambda system: canaries.stop(system, By(author()), release, note=reason)))


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


@policy.command("drift")
@click.option("--fix", is_flag=True, help="Bring the nodes back; files changed by hand are kept in the folder edited.")
@as_json
def show_drift(fix: bool, as_json: bool) -> None:
    """Show how each node differs from what was published.

    Exit status: 0 when none does, 1 when one does, or could not be mended.

    Example: postmta policy drift --fix
    """
    if fix:
        outcomes = with_system(lambda system: drift.fix(system, By(author())))
        _show_nodes(outcomes)
        raise SystemExit(0 if all(one.ok for one in outcomes) else 1)
    found = with_system(drift.look)
    if as_json:
        print_json(found)
    else:
        for one in found:
            _show_drift(one)
    raise SystemExit(0 if all(one.is_as_published for one in found) else 1)


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
    click.echo(_describe(one.change_class))
    _show_proofs(found.proofs)
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


def _finish_proofs(proofs: Sequence[Proof], as_json: bool) -> None:
    """Print proofs; exit with 1 when one failed."""
    if as_json:
        print_json(proofs)
    else:
        _show_proofs(proofs)
    if any(proof.ok is False for proof in proofs):
        raise SystemExit(1)


def _finish(done: Publication, as_json: bool) -> None:
    """Print what a publication did; exit with 1 when a node did not come to run it."""
    _show(done, as_json)
    if not all(one.ok for one in done.nodes):
        raise SystemExit(1)


def _show(done: Publication, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    click.echo(f"{_OUTCOMES[done.outcome].format(done.release)}: {_describe(done.change_class)}")
    _show_nodes(done.nodes)


def _show_nodes(outcomes: Sequence[NodeOutcome]) -> None:
    for one in outcomes:
        click.echo(f"  {'ok  ' if one.ok else 'FAIL'} {one.node}: {one.detail}")


def _show_drift(found: NodeDrift) -> None:
    click.echo(f"{'ok  ' if found.is_as_published else 'FAIL'} {found.node}: release {found.release or 'none yet'}")
    for problem in found.problems:
        click.echo(f"     {problem}")
    for difference in found.files:
        click.echo(f"     {difference.kind}: {difference.path}")
    for suspension in found.foreign_suspensions:
        click.echo(f"     held on the node itself: {suspension}")


def _show_plan(found: Plan) -> None:
    if found.release == found.previous_release:
        click.echo(f"Nothing changed since release {found.release}.")
    elif found.change_class is not None:
        click.echo(f"Release {found.release}: {_describe(found.change_class)}")
    if found.stands_still:
        click.echo(f"Nothing is published unasked: {found.stands_still}.")
    for change in found.changes:
        click.echo(f"  {change.summary} ({change.author})")
    _show_proofs(found.proofs)
    if found.diff:
        click.echo()
        click.echo(found.diff, nl=False)


def _describe(change: ChangeClass) -> str:
    texts = {
        "nothing": "nothing to do on the nodes",
        "live": "takes effect at once",
        "restart": f"takes effect after a restart of the nodes: {', '.join(change.settings)}",
    }
    return texts[change.kind]


def _show_proofs(proofs: Sequence[Proof]) -> None:
    words = {True: "ok  ", False: "FAIL", None: "skip"}
    for proof in proofs:
        click.echo(f"{words[proof.ok]} {proof.name}: {proof.detail}")
        for finding in proof.findings:
            click.echo(f"     {_line(finding)}")


def _line(finding: Finding) -> str:
    return f"{finding.severity} {finding.code}: {finding.where}: {finding.message}"
