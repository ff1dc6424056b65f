"""``postmta doctor``."""

from __future__ import annotations

from collections import Counter

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, printable
from postmta_ctl.cli.progress import progress_of
from postmta_ctl.cli.running import with_system
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.doctor import outgoing, service
from postmta_ctl.features.doctor.findings import LEVELS, Finding, worst
from postmta_ctl.settings import load

_MARKS = {"ok": ("ok  ", "green"), "warning": ("WARN", "yellow"), "error": ("FAIL", "red")}


@click.command()
@click.option("--port-25", is_flag=True, help="Try as well whether a mail server can be reached from here.")
@click.option("--port-25-host", default=outgoing.HOST, show_default=True, help="The mail server to try.")
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
@as_json
def doctor(port_25: bool, port_25_host: str, strict: bool, as_json: bool) -> None:
    """Look for what is wrong with the installation, and say what to do.

    Settings, files with secrets, room on the disk, database, nodes and their releases, clocks, engines that judge
    content, DNS of every domain, names of every vMTA's address. Nothing is changed. Exit status: 0, or 1 when something
    is wrong.

    Example: postmta doctor --port-25
    """
    found = _examine(port_25_host if port_25 else None)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if LEVELS.index(worst(found)) >= LEVELS.index("warning" if strict else "error"):
        raise SystemExit(1)


def _examine(port_25: str | None) -> list[Finding]:
    try:
        data_dir = load().data_dir
        if not data_dir.is_dir():
            found = "is not there: this installation has never run, or POSTMTA_DATA_DIR is another one"
            return [Finding(check="settings", subject=str(data_dir), level="error", found=found, todo="postmta serve")]
        with progress_of("Asking DNS") as report:
            return with_system(
                lambda system: service.examine(system, report, port_25=port_25), migrate=False, needed=False
            )
    except ConfigurationError as error:
        todo = "docs/settings.md has all settings."
        return [Finding(check="settings", subject="settings", level="error", found=error.detail, todo=todo)]


def _show(found: list[Finding]) -> None:
    for one in found:
        mark, color = _MARKS[one.level]
        click.echo(f"{click.style(mark, fg=color)} {one.check} {one.subject}: {printable(one.found)}")
        if one.todo:
            click.echo(f"     -> {printable(one.todo)}")
    counts = Counter(one.level for one in found)
    click.echo(f"{counts['ok']} good, {counts['warning']} warnings, {counts['error']} errors.")
