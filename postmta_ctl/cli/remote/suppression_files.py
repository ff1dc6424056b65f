"""``postmta suppressions import``: a file of any size, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import rich_click as click

from postmta_ctl.cli.output import print_json
from postmta_ctl.cli.progress import progress_of
from postmta_ctl.cli.remote.commands import JSON
from postmta_ctl.cli.remote.connecting import API_KEY, URL, connected
from postmta_ctl.features.suppressions.schemas import Imported, LineError

LINES = 5_000
"""That are sent at once: well below what the API takes in one request."""
MAX_ERRORS = 100


def _import(file: Path, api_url: str, api_key: str | None, as_json: bool) -> None:
    added = existing = rejected = sent = 0
    errors = list[LineError]()
    with connected(api_url, api_key) as client, progress_of(f"Importing {file.name}", unit="octets") as report:
        for first, part in _parts(file):
            done: Imported = client.suppressions.import_csv(part)
            added, existing, rejected = added + done.added, existing + done.existing, rejected + done.rejected
            errors += [LineError(first + one.line, one.message) for one in done.errors]
            sent += len(part)
            report(sent, max(sent, file.stat().st_size))
    whole = Imported(added=added, existing=existing, rejected=rejected, errors=errors[:MAX_ERRORS])
    if as_json:
        print_json(whole)
    else:
        for one in whole.errors:
            click.echo(f"{file}:{one.line}: {one.message}", err=True)
        click.echo(f"{added} added, {existing} known, {rejected} rejected.")
    if rejected:
        raise SystemExit(1)


def _parts(file: Path) -> Iterator[tuple[int, bytes]]:
    """Parts of a file, each under its header if it has one, and how far their lines are ahead of the file's."""
    with file.open("rb") as opened:
        lines = iter(opened)
        start = list(islice(lines, 1))
        header = start[0] if start and b"address" in _names(start[0]) else b""
        number, part = 0, start + list(islice(lines, LINES))
        while part:
            again = header if number else b""
            yield number - bool(again), again + b"".join(part)
            number += len(part)
            part = list(islice(lines, LINES))


def _names(line: bytes) -> list[bytes]:
    return [cell.strip(b' "\r\n').lower() for cell in line.removeprefix(b"\xef\xbb\xbf").split(b",")]


import_file = click.RichCommand(
    name="import",
    params=[
        click.Argument(["file"], type=click.Path(exists=True, dir_okay=False, path_type=Path)),
        URL,
        API_KEY,
        JSON,
    ],
    callback=_import,
    help="""Add the addresses of a file (CSV: address, reason, note), a part at a time.

    The same file can be imported again: it adds what is missing. Exit status: 0, or 1 when a line was not taken.

    Example: postmta suppressions import list.csv
    """,
)
