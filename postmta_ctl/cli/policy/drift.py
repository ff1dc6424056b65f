"""``postmta policy drift``."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json
from postmta_ctl.cli.policy.group import policy
from postmta_ctl.cli.policy.printing import show_nodes
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.core.drift import PathComparison
from postmta_ctl.features.policy import drift
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.releasing import By


@policy.command("drift")
@click.option("--fix", is_flag=True, help="Bring the nodes back; files changed by hand are kept in the folder edited.")
@as_json
def show_drift(fix: bool, as_json: bool) -> None:
    """Show how each node differs from what was published: its files, what it runs, its holds, how it resolves paths.

    Exit status: 0 when none does, 1 when one does, or could not be mended.

    Example: postmta policy drift --fix
    """
    if fix:
        outcomes = with_system(lambda system: drift.fix(system, By(author())))
        show_nodes(outcomes)
        raise SystemExit(0 if all(one.ok for one in outcomes) else 1)
    found = with_system(drift.look)
    if as_json:
        print_json(found)
    else:
        for one in found:
            _show_drift(one)
    raise SystemExit(0 if all(one.is_as_published for one in found) else 1)


def _show_drift(found: NodeDrift) -> None:
    click.echo(f"{'ok  ' if found.is_as_published else 'FAIL'} {found.node}: release {found.release or 'none yet'}")
    for problem in found.problems:
        click.echo(f"     {problem}")
    for difference in found.files:
        click.echo(f"     {difference.kind}: {difference.path}")
    for suspension in found.missing_suspensions:
        click.echo(f"     not on the node: {suspension}")
    for suspension in found.foreign_suspensions:
        click.echo(f"     held on the node itself: {suspension}")
    for suspension in found.automatic_suspensions:
        click.echo(f"     held by KumoMTA's automation, as it should: {suspension}")
    if found.paths is not None:
        _show_paths(found.paths)


def _show_paths(paths: PathComparison) -> None:
    for difference in paths.differences:
        click.echo(f"     {drift.path_text(difference)}")
    if paths.not_compared:
        click.echo(f"     live paths: {paths.not_compared}")
    else:
        click.echo(f"     live paths: {paths.compared} compared")
