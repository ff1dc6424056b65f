"""``postmta policy`` render, check, verify, export, scenarios: the policy as files."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from postmta_ctl.cli import bundle_folder, ops_repository
from postmta_ctl.cli.output import as_json, print_json
from postmta_ctl.cli.policy.group import policy
from postmta_ctl.cli.policy.printing import finish_proofs
from postmta_ctl.cli.progress import steps_of
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.features.policy import exporting, service, steps
from postmta_ctl.features.policy.scenarios import service as scenario_service
from postmta_ctl.features.policy.scenarios.schemas import ScenariosUpdate
from postmta_ctl.store.versions import Condition


@policy.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder that is new, empty, or holds an earlier bundle, which is replaced.",
)
@as_json
def render(out: Path, as_json: bool) -> None:
    """Write the policy, as it is configured now, into a folder.

    Example: postmta policy render --out ops/policy && git -C ops diff
    """
    number, bundle = with_system(service.render, what="Rendering the policy", steps=steps.RENDERING)
    bundle_folder.replace(out, bundle, number)
    files = len(bundle.files) + 1  # with the manifest
    if as_json:
        print_json({"folder": str(out), "files": files, "release": number, "digest": bundle.digest})
    else:
        click.echo(f"Wrote {files} files to {out}: release {number}, digest {bundle.digest}")


@policy.command()
@as_json
def check(as_json: bool) -> None:
    """Prove the policy as it is configured now.

    Exit status: 0 when every proof holds, 1 when one does not.

    Example: postmta policy check
    """
    found = with_system(service.check, what="Proving the policy", steps=steps.PROVING)
    finish_proofs(found.proofs, as_json)


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
    with steps_of("Proving the policy", steps.VERIFYING):
        proofs = bundle_folder.verify(folder, kumod=kumod, scenarios=scenarios)
    finish_proofs(proofs, as_json)


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
