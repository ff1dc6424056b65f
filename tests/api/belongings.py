"""One thing of each kind that an organization can have, by the name that paths use for its id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import FakeResolver, join, verify_domain

Headers = dict[str, str]


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
        "domain_id": domains[0]["id"],
        "vmta_id": await made("/vmtas", vmta),
        "message_id": await made("/messages/send", message),
        "suppression_id": await made("/suppressions", {"address": "gone@example.org", "reason": "manual"}),
        "webhook_id": webhook_id,
        "alert_id": await made("/credits/alerts", {"type": "email", "threshold": 100}),
        "invoice_id": await made("/billing/checkout", {"package": "email-10k", "provider": "manual"}, "invoice"),
        "node_id": await made(
            "/nodes", {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(folder)}, "node"
        ),
        "template_id": await made("/templates", {"name": "acme's", "subject": "Hi", "text": "Hi"}),
        "number": "1",
        "version": "1",
        "queue": "acme@example.com",
        "action": "hold",
        "credit_type": "email",
    }
    deliveries = (await client.get(f"/api/v1/webhooks/{webhook_id}/deliveries", headers=owner)).json()["data"]
    return ids | {"delivery_id": deliveries[0]["id"]}
