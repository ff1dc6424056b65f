"""How plans, proofs and publications are printed."""

from __future__ import annotations

from collections.abc import Sequence

import rich_click as click

from postmta_ctl.cli.output import print_json
from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.compiler.check import Finding
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.policy.schemas import Plan

_OUTCOMES = {
    "published": "Published release {}",
    "nothing": "Nothing changed since release {}",
    "proposed": "Proposed release {}, which somebody else has to approve",
    "canary": "Release {} runs on its canary nodes",
    "stopped": "Stopped release {}",
    "dry_run": "Would publish release {}",
}


def finish_proofs(proofs: Sequence[Proof], as_json: bool) -> None:
    """Print proofs; exit with 1 when one failed."""
    if as_json:
        print_json(proofs)
    else:
        show_proofs(proofs)
    if any(proof.ok is False for proof in proofs):
        raise SystemExit(1)


def finish(done: Publication, as_json: bool) -> None:
    """Print what a publication did; exit with 1 when a node did not come to run it."""
    show_publication(done, as_json)
    if not all(one.ok for one in done.nodes):
        raise SystemExit(1)


def show_publication(done: Publication, as_json: bool) -> None:
    """What a publication did, or would do."""
    if as_json:
        print_json(done)
        return
    click.echo(f"{_OUTCOMES[done.outcome].format(done.release)}: {describe(done.change_class)}")
    show_nodes(done.nodes)


def show_nodes(outcomes: Sequence[NodeOutcome]) -> None:
    """What each node came to."""
    for one in outcomes:
        click.echo(f"  {'ok  ' if one.ok else 'FAIL'} {one.node}: {one.detail}")


def show_plan(found: Plan) -> None:
    """What publishing would do."""
    if found.release == found.previous_release:
        click.echo(f"Nothing changed since release {found.release}.")
    elif found.change_class is not None:
        click.echo(f"Release {found.release}: {describe(found.change_class)}")
    if found.stands_still:
        click.echo(f"Nothing is published unasked: {found.stands_still}.")
    for change in found.changes:
        click.echo(f"  {change.summary} ({change.author})")
    show_proofs(found.proofs)
    if found.diff:
        click.echo()
        click.echo(found.diff, nl=False)


def describe(change: ChangeClass) -> str:
    """What it takes for a change to have effect."""
    texts = {
        "nothing": "nothing to do on the nodes",
        "live": "takes effect at once",
        "restart": f"takes effect after a restart of the nodes: {', '.join(change.settings)}",
    }
    return texts[change.kind]


def show_proofs(proofs: Sequence[Proof]) -> None:
    """Each proof, and what it found."""
    words = {True: "ok  ", False: "FAIL", None: "skip"}
    for proof in proofs:
        click.echo(f"{words[proof.ok]} {proof.name}: {proof.detail}")
        for finding in proof.findings:
            click.echo(f"     {_line(finding)}")


def _line(finding: Finding) -> str:
    return f"{finding.severity} {finding.code}: {finding.where}: {finding.message}"
