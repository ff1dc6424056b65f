"""``postmta export`` and ``postmta apply``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, printable
from postmta_ctl.cli.progress import progress_of
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.core.errors import InputError
from postmta_ctl.declarative.steps import Step, title
from postmta_ctl.features.state import service
from postmta_ctl.features.state.keys import Secrets
from postmta_ctl.features.state.schemas import StateChange
from postmta_ctl.settings import named_variable
from postmta_ctl.system import System

CHANGES = 3
"""Exit status of ``apply --plan --exit-code`` when there is something to do."""
MAX_FILE = 64 * 1024 * 1024
MAX_SECRET = 64 * 1024
_MARKS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, writable=True, path_type=Path))
def export(file: Path | None) -> None:
    """Write the configuration down: organizations, addresses, vMTAs, pools, warm-up, domains and rules, as YAML.

    The same configuration gives the same bytes, and applying it changes nothing. It holds no keys or other secrets.

    Example: postmta export state.yaml
    """
    text = with_system(service.export)
    if file is None:
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")


@click.command()
@click.option(
    "-f",
    "--file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration as it is to be (docs/declarative.md).",
)
@click.option("--plan", is_flag=True, help="Only show what would be changed, field by field.")
@click.option("--prune", is_flag=True, help="Delete what the file does not have, in the sections that it has.")
@click.option("--exit-code", is_flag=True, help=f"With --plan: exit with {CHANGES} when there is something to change.")
@as_json
def apply(file: Path, plan: bool, prune: bool, exit_code: bool, as_json: bool) -> None:
    """Bring the configuration to what a file says: all of it or, when something is wrong, nothing.

    What the file does not say stays as it is. Nodes get it with the next release of the policy.

    Exit status: 0, or 1 when the file cannot be applied. With --plan --exit-code also 3 when there is something to do.

    Example: postmta apply -f state.yaml --plan
    """
    text, secrets = _read(file), _secrets_beside(file)

    async def run(system: System) -> StateChange:
        who = service.operator(author())
        if plan:
            return await service.plan(system, who, text, str(file), secrets, prune=prune)
        with progress_of("Making DKIM keys") as report:
            return await service.apply(system, who, text, str(file), secrets, prune=prune, progress=report)

    done = with_system(run)
    if as_json:
        print_json(done)
    else:
        _show(done)
    if done.problems:
        raise SystemExit(1)
    if plan and exit_code and done.steps:
        raise SystemExit(CHANGES)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise click.UsageError(f"{file} is larger than {MAX_FILE} octets.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not in UTF-8, from octet {error.start} on.") from None


def _secrets_beside(file: Path) -> Secrets:
    """Reads what a file refers to; relative paths are beside it."""

    def read(reference: Mapping[str, str]) -> bytes:
        if len(reference) != 1:
            raise InputError("secret_reference", "give either env or file")
        if (name := reference.get("env")) is not None:
            value = named_variable(name)
            if not value:
                raise InputError("secret_missing", f"the variable {name} is not set")
            return value.encode()
        try:
            with (file.parent / reference["file"]).expanduser().open("rb") as opened:
                return opened.read(MAX_SECRET)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is no path"
            raise InputError("secret_missing", f"{reference['file']} cannot be read: {reason}") from None

    return read


def _show(done: StateChange) -> None:
    for step in done.steps:
        mark, color = _MARKS[step.action]
        click.secho(f"{mark} {step.action} {printable(title(step))}", fg=color)
        for one in step.changes if step.action != "delete" else ():
            was = "" if step.action == "create" else f"{_text(one.before)} -> "
            click.echo(f"    {one.field}: {was}{_text(one.after)}")
    for problem in done.problems:
        click.echo(printable(str(problem)), err=True)
    click.echo(_summary(done.steps, done))


def _text(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False))


def _summary(steps: list[Step], done: StateChange) -> str:
    if not steps and not done.problems:
        return "Nothing to do: everything is as the file says."
    counts = {action: sum(step.action == action for step in steps) for action in _MARKS}
    if done.applied:
        return "Done: " + ", ".join(f"{count} {action}d" for action, count in counts.items()) + "."
    planned = ", ".join(f"{count} to {action}" for action, count in counts.items())
    return f"{planned}; {len(done.problems)} problems: it cannot be applied." if done.problems else f"{planned}."
