"""The benchmarks write rows past the product, which must be rows that the product has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import records, stored
from postmta_ctl.store.tables import metadata

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
