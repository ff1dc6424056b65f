"""The benchmarks write rows past the product, which must be rows that the product has."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from bench import records, stored
from bench.__main__ import measured
from bench.rows import ROWS, Measure, Result, Sample, table
from postmta_ctl.store.engine import Database
from postmta_ctl.store.tables import metadata
from tests.api.test_rollups import check

DOCS = Path(__file__).parents[2] / "docs"
_, MESSAGES, RECIPIENTS = records.people("an organization", 1)
INSERTS = re.findall(r"INSERT INTO (\w+) \(([^)]+)\)", Path(stored.__file__).read_text())


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("nodes", list(records.node())),
        ("messages", list(MESSAGES[0])),
        ("recipients", list(RECIPIENTS[0])),
        *((table, re.split(r",\s*", names.strip())) for table, names in INSERTS),
    ],
)
def test_a_row_of_a_benchmark_has_what_its_table_needs(table: str, names: list[str]) -> None:
    columns = metadata.tables[table].columns
    needed = {one.name for one in columns if not one.nullable and one.server_default is None}
    given = set(names) | {
        one.name for one in columns if one.primary_key and one.name == "id" and one.autoincrement is True
    }
    assert needed <= given <= set(columns.keys())


async def test_the_roll_ups_of_many_events_equal_them(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "postmta.db"
    shutil.copy(sqlite_template, path)
    with closing(records.connect(path)) as database:
        organization = {"id": "o", "name": "Sender", "slug": "sender", "created_at": 0}
        records.insert(database, "organizations", [organization])
        indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY name"
        before = database.execute(indexes).fetchall()
        stored.fill(database, 2_000)
        assert database.execute("SELECT count(*) FROM events").fetchone() == (2_000,)
        assert database.execute(indexes).fetchall() == before
        assert len(stored.some_messages(database, 10)) == 10
    db = Database(f"sqlite+aiosqlite:///{path}")
    kept = await check(db)
    await db.close()
    assert all(kept.values())


def test_the_table_of_the_guide_is_what_was_measured() -> None:
    """``UPDATE_DOCS=1`` writes it anew from the figures that ``make bench BENCH_JSON=docs/benchmarks.json`` wrote."""
    page = DOCS / "benchmarks.md"
    figures = msgspec.json.decode((DOCS / "benchmarks.json").read_bytes(), type=list[Result])
    assert [one.name for one in figures] == list(ROWS), "all rows, of one run"
    wanted = "\n".join(table([(ROWS[one.name], one) for one in figures]))
    if os.environ.get("UPDATE_DOCS"):
        header = re.escape(wanted.partition("\n")[0])
        page.write_text(re.sub(rf"{header}(\n\|.*)*", lambda _: wanted, page.read_text()))
    assert f"\n{wanted}\n\n" in page.read_text()


def test_what_cannot_be_measured_is_left_out_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    row = msgspec.structs.replace(ROWS["kumod"], missing="needs KUMOD=/path/to/kumod")
    assert measured([row]) == ([], [])
    assert "skipping kumod: needs KUMOD=" in capsys.readouterr().err


def test_a_row_that_fails_does_not_take_the_others_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> AbstractContextManager[tuple[Measure, Measure]]:
        raise RuntimeError("no room")

    @contextmanager
    def whole() -> Iterator[tuple[Measure, Measure]]:
        yield lambda: Sample(value=3.0), lambda: Sample(value=2.0)

    rows = [msgspec.structs.replace(ROWS["kumod"], missing=None, sides=one) for one in (broken, whole)]
    ((_, kept),), failed = measured(rows)
    assert (kept.ratio, kept.reached) == (1.5, True)
    assert failed == ["kumod"]
    assert "RuntimeError: no room" in capsys.readouterr().err
