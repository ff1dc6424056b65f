"""``postmta policy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from postmta_ctl.cli import bundle_folder
from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.compiler.check import Finding
from postmta_ctl.features.policy import publish as publishing
from postmta_ctl.features.policy import service
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.schemas import Plan

CHANGES = 3
"""Exit status of ``plan --exit-code`` when there is something to publish."""


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
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_json
def check(folder: Path | None, as_json: bool) -> None:
    """Prove the policy as it is configured now, or the bundle in a folder, which needs no database.

    Exit status: 0 when every proof holds, 1 when one does not.

    Example: postmta policy check ops/policy
    """
    proofs = bundle_folder.prove(folder) if folder else with_system(service.check).proofs
    if as_json:
        print_json(proofs)
    else:
        _show_proofs(proofs)
    if any(proof.ok is False for proof in proofs):
        raise SystemExit(1)


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
@as_json
def publish(reason: str | None, as_json: bool) -> None:
    """Prove the policy, make it a release, and bring every node to it.

    Exit status: 0 when every node runs the release, 1 when the policy was refused or a node does not run it.

    Example: postmta policy publish --reason "mx2 joins the pool"
    """
    done = with_system(lambda system: publishing.publish(system, author=author(), reason=reason))
    if as_json:
        print_json(done)
    else:
        word = "Published" if done.outcome == "published" else "Nothing changed since"
        click.echo(f"{word} release {done.release}: {_describe(done.change_class)}")
        for one in done.nodes:
            click.echo(f"  {'ok  ' if one.ok else 'FAIL'} {one.node}: {one.detail}")
    if not all(one.ok for one in done.nodes):
        raise SystemExit(1)


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


def _show_plan(found: Plan) -> None:
    if found.release == found.previous_release:
        click.echo(f"Nothing changed since release {found.release}.")
    elif found.change_class is not None:
        click.echo(f"Release {found.release}: {_describe(found.change_class)}")
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
