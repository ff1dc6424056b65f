"""One thing of each kind that an organization can have, by the name that paths use for its id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from postmta_ctl.core.ids import new_id
from postmta_ctl.features.security.auto_block.block_queries import BlockRow
from postmta_ctl.features.security.auto_block.block_queries import add as add_block
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System
from tests.conftest import FakeResolver, join, verify_domain

Headers = dict[str, str]
RULE: dict[str, Any] = {
    "name": "acme's",
    "metric": "bounce_rate",
    "scope": "domain",
    "window_minutes": 60,
    "threshold": 0.5,
}


async def create_all(client: Any, owner: Headers, resolver: FakeResolver, folder: Path) -> dict[str, str]:
    """Make them for the organization ``acme``, whose owner is an operator; returns the ids by parameter.

    A new kind of thing is added here: the matrix fails for a parameter that it finds no id for.
    """

    async def made(path: str, body: Any, *within: str) -> str:
        answer = await client.post(f"/api/v1{path}", json=body, headers=owner)
        assert answer.status_code in (201, 202), f"{path}: {answer.status_code} {answer.text}"
        found = answer.json()
        for name in within:
            found = found[name]
        return str(found["id"])

    me = (await client.get("/api/v1/auth/me", headers=owner)).json()
    ben = await join(client, owner, "ben@acme.test", "viewer")
    await verify_domain(client, resolver, owner, "acme.test")
    domains = (await client.get("/api/v1/domains", headers=owner)).json()["data"]
    vmta = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
    message = {"from": "a@acme.test", "to": ["b@example.com"], "subject": "For Bea only", "text": "Hi"}
    webhook_id = await made("/webhooks", {"url": "https://example.com/hook", "events": ["message.queued"]}, "webhook")
    await client.post("/api/v1/policy/publish", headers=owner)
    ids = {
        "user_id": str((await client.get("/api/v1/auth/me", headers=ben)).json()["user"]["id"]),
        "organization_id": me["organization"]["id"],
        "invitation_id": await made("/users/invitations", {"email": "c@acme.test", "role": "viewer"}, "invitation"),
        "key_id": await made("/api-keys", {"name": "acme's", "scopes": ["messages:read"]}, "api_key"),
        "credential_id": await made("/smtp-credentials", {"name": "acme's"}, "smtp_credential"),
        "domain_id": domains[0]["id"],
        "vmta_id": await made("/vmtas", vmta),
        "ip_id": await made("/ips", {"ip_address": "192.0.2.11", "organization": "acme"}),
        "shaping_id": await made(
            "/shaping",
            {"kind": "provider", "target": "yahoo", "limits": {"connection_limit": 5}, "organization": "acme"},
        ),
        "automation_id": await made(
            "/policy/tsa/rules",
            {"kind": "provider", "target": "yahoo", "regex": "TSS04", "action": "suspend", "duration": 600},
        ),
        "pool_id": await made("/pools", {"name": "news", "members": [{"vmta": "mx1"}]}),
        "message_id": await made("/messages/send", message),
        "suppression_id": await made("/suppressions", {"address": "gone@example.org", "reason": "manual"}),
        "webhook_id": webhook_id,
        "alert_id": await made("/credits/alerts", {"type": "email", "threshold": 100}),
        "invoice_id": await made("/billing/checkout", {"package": "email-10k", "provider": "manual"}, "invoice"),
        "node_id": await made(
            "/nodes", {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(folder)}, "node"
        ),
        "schedule_id": await made("/warmup/schedules", {"name": "acme-s-own", "daily_allowances": [50, 100]}),
        "template_id": await made("/templates", {"name": "acme's", "subject": "Hi", "text": "Hi"}),
        "rule_id": await made("/security/auto-block/rules", RULE),
        "number": "1",
        "version": "1",
        "queue": "acme@example.com",
        "action": "hold",
        "credit_type": "email",
    }
    deliveries = (await client.get(f"/api/v1/webhooks/{webhook_id}/deliveries", headers=owner)).json()["data"]
    return ids | {"delivery_id": deliveries[0]["id"], "block_id": await block_of(client.app.state.system, ids)}


async def block_of(system: System, ids: dict[str, str]) -> str:
    """A block of the rule, which no request can make."""
    now, db = system.now(), Database(system.settings.database)
    row = BlockRow(
        id=new_id(now),
        organization_id=ids["organization_id"],
        rule_id=ids["rule_id"],
        rule_name=RULE["name"],
        metric=RULE["metric"],
        scope=RULE["scope"],
        value="acme.test",
        action="pause",
        threshold=RULE["threshold"],
        count=1,
        volume=1,
        window_start=now,
        window_end=now,
        expires_at=None,
        created_at=now,
    )
    async with db.transaction() as connection:
        assert await add_block(connection, row)
    await db.close()
    return row.id
