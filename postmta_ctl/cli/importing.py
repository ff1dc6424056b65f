"""``postmta import``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.core.warmup import SCHEDULES
from postmta_ctl.features.importing import service
from postmta_ctl.features.importing.files import Files
from postmta_ctl.features.importing.schemas import Import
from postmta_ctl.importing import kumomta, powermta
from postmta_ctl.importing.wanted import Defaults, Wanted
from postmta_ctl.system import System


@click.group("import")
def importing() -> None:
    """Move in: read another configuration, show what becomes of every line of it, and make that."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    options: list[Callable[[Any], Any]] = [
        click.option("--apply/--plan", "apply", default=False, help="Write it, or only show it (the default)."),
        click.option("--organization", metavar="SLUG", help="Whose it becomes; the only one there is when absent."),
        click.option(
            "--root",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Where absolute paths in the configuration are looked up; / on the machine that it is of. "
            "Without it nothing outside its folder is read.",
        ),
        click.option("--ehlo-domain", default="", help="EHLO name of addresses that have none of their own."),
        click.option(
            "--warmup",
            default="standard",
            show_default=True,
            type=click.Choice(sorted(SCHEDULES)),
            help="Schedule for addresses that were being warmed up.",
        ),
        click.option("--despite-findings", is_flag=True, help="Write what can be written, and leave out the rest."),
        as_json,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@importing.command("kumomta")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_options
def import_kumomta(folder: Path, root: Path | None, ehlo_domain: str, **options: Any) -> None:
    """Read the files of KumoMTA's policy helpers: sources, queues, listener_domains, dkim_data, shaping.

    Example: postmta import kumomta /opt/kumomta/etc/policy --root / --organization acme
    """
    files = Files(folder, root)
    _run(kumomta.read(files, Defaults(ehlo_domain=ehlo_domain)), files, **options)


@importing.command("powermta")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options
def import_powermta(file: Path, root: Path | None, ehlo_domain: str, **options: Any) -> None:
    """Read a configuration of PowerMTA, and the files that it includes.

    Example: postmta import powermta /etc/pmta/config --organization acme --apply
    """
    whole = file.resolve()  # a link that was named here is meant
    files = Files(whole.parent, root)
    _run(powermta.read(whole.name, files, Defaults(ehlo_domain=ehlo_domain)), files, **options)


def _run(
    wanted: Wanted,
    files: Files,
    *,
    apply: bool,
    organization: str | None,
    warmup: str,
    despite_findings: bool,
    as_json: bool,
) -> None:
    async def action(system: System) -> Import:
        principal = await service.principal_of(system, organization, author())
        if not apply:
            return await service.plan(system, principal, wanted, files, warmup)
        return await service.apply(system, principal, wanted, files, warmup, despite_findings=despite_findings)

    done = with_system(action, what="Making what it says", steps={"things": 1})
    if as_json:
        print_json(done)
    else:
        _print(done)


def _print(done: Import) -> None:
    columns = ("PLACE", "DIRECTIVE", "OUTCOME", "NOTE")
    print_table(
        columns,
        ((f"{one.file}:{one.line}", one.directive, one.outcome.replace("_", " "), one.note) for one in done.report),
    )
    click.echo()
    print_table(
        ("KIND", "NAME", "ACTION", "DETAIL"), ((one.kind, one.name, one.action, one.detail) for one in done.items)
    )
    if done.settings:
        click.echo(f"\nFor the settings file, where it is yours to put:\n\n{done.settings}")
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.outcomes.items())
    click.echo(f"\n{len(done.report)} directives: {counts}. {_summary(done)}")


def _summary(done: Import) -> str:
    changed = sum(one.action == "create" for one in done.items)
    if done.applied:
        return f"{changed} things made for {done.organization}; {len(done.findings)} left out."
    hint = "look at them before --apply" if done.findings else "--apply writes it"
    return f"{changed} things to make for {done.organization}, {len(done.findings)} findings; {hint}."
