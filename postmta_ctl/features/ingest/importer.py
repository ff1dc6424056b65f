"""KumoMTA's local log files: zstd-compressed JSON lines, read with the same effect as if the hook had sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

from postmta_ctl.core.kumo_log import MAX_RECORD
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.ingest.schemas import Ingested
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.system import System

BATCH = 1000
"""Lines of one transaction."""
Report = Callable[[int], None]
"""Is told how many octets of a file have been read."""


def _ignore(_octets: int) -> None:
    """For whoever does not wait."""


async def import_file(system: System, path: Path, node: str, report: Report = _ignore) -> Ingested:
    """Read a log segment to its end. Reading it again changes nothing.

    Args:
        system: Where to.
        path: A segment as ``kumo.configure_local_logs`` writes them.
        node: Name to file the events under.
        report: Is told how far it is.

    Raises:
        InvalidRequest: The file cannot be read, or is not zstd.
    """
    total = Ingested(added=0, duplicates=0, ignored=0, unreadable=0)
    lines = read_lines(path, report)
    while batch := list(islice(lines, BATCH)):
        one = await ingest(system, node, b"\n".join(batch))
        total = Ingested(**{name: getattr(total, name) + getattr(one, name) for name in msgspec.structs.asdict(one)})
    return total


def read_lines(path: Path, report: Report = _ignore) -> Iterator[bytes]:
    """The lines of a segment.

    One that is still written, or was cut off by a crash, ends where its last whole block ends; the beginning of a
    line that is left there is no record: each has its line end.

    Raises:
        InvalidRequest: The file cannot be read, or is not zstd.
    """
    rest = b""
    try:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            while chunk := reader.read(1 << 20):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
                report(file.tell())
                if len(rest) > MAX_RECORD:
                    # Only garbage has such a line; it is reported as one bad record and not kept in memory.
                    yield rest
                    rest = b""
    except (OSError, zstandard.ZstdError) as error:
        raise InvalidRequest(f"{path}: {error}", code="unreadable_log") from None
