"""What must hold at any moment, looked at from outside: in a copy of the database of a process that is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from postmta_ctl.core.status import summarise
from postmta_ctl.store.engine import Database
from tests.api.test_rollups import check as check_counts
from tests.faults.looking import looking_at

SLOT = 15 * 60 * 1_000_000
"""Microseconds of a slot of ``rollup_types``."""

_LEDGER = """
SELECT organization_id, type, sum(available), sum(reserved) FROM credit_entries GROUP BY 1, 2
"""
_BALANCES = "SELECT organization_id, type, available, reserved FROM credit_balances"
_HELD = "SELECT coalesce(sum(credits), 0) FROM recipients WHERE credit_state = 'reserved'"
_RESERVED = "SELECT coalesce(sum(reserved), 0) FROM credit_balances"
_HAPPENED = f"""
SELECT organization_id, occurred_at - occurred_at % {SLOT}, type, count(*)
FROM events WHERE organization_id IS NOT NULL AND record_type <> 'Notice' GROUP BY 1, 2, 3
UNION ALL
SELECT organization_id, m.created_at - m.created_at % {SLOT}, 'message.queued', count(*)
FROM recipients r JOIN messages m USING (organization_id) WHERE m.id = r.message_id GROUP BY 1, 2
"""
_COUNTED = "SELECT organization_id, slot, type, count FROM rollup_types"
_STRANDED = """
SELECT id FROM recipients WHERE status = 'queued' AND id NOT IN (SELECT recipient_id FROM outbox)
"""
_STATUSES = """
SELECT m.id, m.status, group_concat(r.status) FROM messages m JOIN recipients r ON r.message_id = m.id GROUP BY m.id
"""


def check(database: Path | str, acknowledged: Collection[str]) -> None:
    """Nothing that was acknowledged is lost, and all that is kept agrees with itself."""
    with looking_at(database) as ask:
        if isinstance(database, Path):
            assert ask("PRAGMA integrity_check") == [("ok",)]
            assert ask("PRAGMA foreign_key_check") == []
        lost = set(acknowledged) - {message_id for (message_id,) in ask("SELECT id FROM messages")}
        assert not lost, f"{len(lost)} acknowledged messages are lost"
        assert sorted(ask(_LEDGER)) == sorted(ask(_BALANCES))
        assert ask(_HELD) == ask(_RESERVED)
        happened, counted = set(ask(_HAPPENED)), set(ask(_COUNTED))
        assert happened == counted, f"only in the events {happened - counted}, only counted {counted - happened}"
        assert ask(_STRANDED) == []
        wrong = [row for row in ask(_STATUSES) if row[1] != summarise(row[2].split(","))]
        assert not wrong, f"messages whose status is not that of their recipients: {wrong[:3]}"


def check_all_counts(database: Path | str) -> None:
    """Every roll-up equals the raw events, by every property."""

    async def compare() -> None:
        opened = Database(database if isinstance(database, str) else f"sqlite+aiosqlite:///{database}")
        try:
            await check_counts(opened)
        finally:
            await opened.close()

    asyncio.run(compare())
