"""``postmta logs``."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json
from postmta_ctl.cli.progress import progress_of
from postmta_ctl.cli.running import with_system
from postmta_ctl.features.ingest.importer import import_file
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.system import System


@click.group()
def logs() -> None:
    """KumoMTA's log files."""


@logs.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--node", default="import", show_default=True, help="Name of the node that wrote the files.")
@as_json
def import_logs(files: tuple[Path, ...], node: str, as_json: bool) -> None:
    """Read KumoMTA's local log files (zstd), with the same effect as if the log hook had sent them.

    Reading a file twice changes nothing, nor does reading what the hook had delivered.

    Example: postmta logs import --node mx1 /var/log/kumomta/*
    """

    async def run(system: System) -> dict[str, Ingested]:
        found = {}
        total, before = sum(file.stat().st_size for file in files), 0
        with progress_of(f"Reading {len(files)} files", unit="octets") as bar:
            for file in files:
                one = await import_file(system, file, node, lambda octets: bar(before + octets, total))  # noqa: B023
                before += file.stat().st_size
                found[str(file)] = one
                if not as_json:
                    kept = f"{one.added} events, {one.duplicates} known"
                    click.echo(f"{file}: {kept}, {one.ignored} ignored, {one.unreadable} unreadable")
        return found

    found = with_system(run)
    if as_json:
        print_json(found)
