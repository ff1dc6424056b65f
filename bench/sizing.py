"""Octets of database for each message, by table: ``python -m bench.sizing [MESSAGES]``; docs/sizing.md has a run.

Messages of one recipient are sent to the sandbox's receivers until each was delivered; what is compared is the pages of
SQLite in use before and after.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.serving import Service, wait_for

TEXT, HTML = "Thank you for your order. " * 70, "<p>Thank you for your order.</p>" * 65
"""3,900 octets together."""


def octets(database: Path) -> dict[str, int]:
    """The pages in use by table, those of its indexes with it."""
    query = "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return dict(connection.execute(query))


def main(messages: int) -> None:
    """Send, wait, and print a line for each table that grew by more than ten octets a message."""
    with tempfile.TemporaryDirectory() as folder, closing(Service(Path(folder), {})) as service:
        service.start()
        service.register()
        service.verified_domain("sender.test")
        vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.sender.test"}
        service.call("POST", "/api/v1/vmtas", vmta)
        service.call("POST", "/api/v1/policy/publish", {})
        database = service.data_dir / "postmta.db"
        before = octets(database)
        for number in range(messages):
            service.http.headers["Idempotency-Key"] = f"sizing-{number}"
            service.send(f"ok{number}@example.org", text=TEXT, html=HTML, tags=["orders"])
        del service.http.headers["Idempotency-Key"]

        def delivered() -> bool:
            counts = service.call("GET", "/api/v1/analytics/summary")["counts"]
            return bool(counts["delivered"] >= messages)

        wait_for(delivered, "delivery", 120)
        grown = {name: (size - before.get(name, 0)) / messages for name, size in octets(database).items()}
    for name, size in sorted(grown.items(), key=lambda one: -one[1]):
        if size > 10:
            print(f"{size:8,.0f}  {name}")
    print(f"{sum(grown.values()):8,.0f}  all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
