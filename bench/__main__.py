"""``python -m bench [--only NAME] [--json FILE]``: measure, and print the table."""

from __future__ import annotations

import argparse
import sys
import traceback
from itertools import count
from pathlib import Path

import msgspec

from bench import accepting, ingestion, ingestion_postgresql, kumod, policy, process, relaying, tracking
from bench.rows import ROWS, Result, Row, measure, table
from postmta_ctl.cli.progress import progress_of

MODULES = (accepting, relaying, kumod, ingestion, ingestion_postgresql, tracking, policy, process)
"""Each adds its rows when it is imported."""


def main() -> None:
    """Measure the rows that are asked for, all of them if none is."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=[*ROWS, ""], default="", help="measure this row only")
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    options = parser.parse_args()
    found, failed = measured(list(ROWS.values()) if not options.only else [ROWS[options.only]])
    print("\n".join(table(found)))
    if options.json is not None:
        content = msgspec.json.format(msgspec.json.encode([one for _, one in found]), indent=2)
        options.json.write_bytes(content + b"\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def measured(rows: list[Row]) -> tuple[list[tuple[Row, Result]], list[str]]:
    """Measure these rows; at a terminal a bar counts the measurements, two for each round of a row.

    What cannot be measured here is skipped, says why, and is left out.

    Returns:
        What came out, and the names of the rows that failed: the others are worth their half hour all the same.
    """
    counted, total = count(1), sum(2 * row.rounds for row in rows if row.missing is None)
    found, failed = [], []
    with progress_of("Measuring") as report:
        for row in rows:
            if row.missing is not None:
                print(f"skipping {row.name}: {row.missing}", file=sys.stderr, flush=True)
                continue
            print(f"measuring {row.name} …", file=sys.stderr, flush=True)
            try:
                found.append((row, measure(row, lambda: report(next(counted), total))))
            except Exception:
                traceback.print_exc()
                failed.append(row.name)
    return found, failed


if __name__ == "__main__":
    main()
