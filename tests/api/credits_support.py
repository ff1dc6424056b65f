"""A catalogue of the tests' own, and the question that every test of credits ends with."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import func, select

from postmta_ctl.store.tables import credit_balances, credit_entries

CATALOGUE = """
currency = "EUR"

[[plans]]
id = "small"
name = "Small"
credits = { email = 10, av_scan = 5 }
limits = { users = 1, domains = 1, vmtas = 1, webhooks = 1, api_keys = 1 }

[[plans]]
id = "middle"
name = "Middle"
price = 3000
credits = { email = 1000, av_scan = 100 }
limits = { users = 2, domains = 3 }

[[plans]]
id = "large"
name = "Large"
price = 9000
credits = { email = 5000, av_scan = 100, spam_check = 50 }

[[plans]]
id = "own"
name = "Own"
unmetered = true
offered = false

[[packages]]
id = "email-100"
name = "100 emails"
type = "email"
amount = 100
price = 500
"""

MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hello", "text": "Hi"}


async def sums_equal_balances(db: Any) -> None:
    """The sums over the ledger are the balances, of every organization and type."""
    sums: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    entries, table = credit_entries.c, credit_balances.c
    summed = select(
        entries.organization_id, entries.type, func.sum(entries.available), func.sum(entries.reserved)
    ).group_by(entries.organization_id, entries.type)
    async with db.reading() as connection:
        for organization_id, kind, available, reserved in await connection.execute(summed):
            sums[organization_id, kind] = (int(available), int(reserved))
        query = select(table.organization_id, table.type, table.available, table.reserved)
        balances = {(row[0], row[1]): (row[2], row[3]) for row in await connection.execute(query)}
    assert balances == {key: sums[key] for key in balances}
    assert all(value == (0, 0) for key, value in sums.items() if key not in balances)


async def email(client: Any, headers: dict[str, str]) -> tuple[int | None, int, int]:
    """Available, reserved and used email credits."""
    answer = (await client.get("/api/v1/credits/email", headers=headers)).json()
    return answer["available"], answer["reserved"], answer["used"]


async def organization_of(client: Any, headers: dict[str, str]) -> str:
    """The id of the caller's organization."""
    found: str = (await client.get("/api/v1/auth/me", headers=headers)).json()["organization"]["id"]
    return found


async def available(client: Any, headers: dict[str, str], kind: str) -> int | None:
    """Available credits of a type; None if the plan is not metered."""
    answer = (await client.get(f"/api/v1/credits/{kind}", headers=headers)).json()
    found: int | None = answer["available"]
    return found
