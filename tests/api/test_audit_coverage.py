"""Every operation that writes leaves an entry in the audit log, or is one of a few that say why not.

Generated from the OpenAPI document: a new route is in it from its first day.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.settings import Settings
from tests.api.belongings import Headers, create_all
from tests.api.operations import Operation, operations
from tests.conftest import PASSWORD, Client, FakeClock, FakeResolver

UNRECORDED = {
    "send_message": "the message is the record, with who sent it and when",
    "messages_send_batch": "as with one message",
    "sendgrid_mail_send": "as with one message",
    "messages_simulate_delivery": "changes nothing",
    "preview_template": "changes nothing",
    "suppressions_check_addresses": "changes nothing",
    "verify_domain": "looks at DNS; a status that changes by it has an entry (test_audit)",
    "score_message": "keeps nothing; the ledger is the record of what it costs",
    "scan_files": "keeps nothing; the ledger is the record of what it costs",
    "forecast_warmup": "changes nothing",
    "spam_score_message": "looks at what it is given; the ledger is the record of what it costs",
    "virus_scan_files": "looks at what it is given; the ledger is the record of what it costs",
    "blocklists_check_dnsbl": "looks at DNS; the ledger is the record of what it costs",
    "plan_state": "changes nothing",
    "test_webhook": "the delivery log is the record",
}
ELSEWHERE = ("policy_roll_back", "policy_approve", "policy_reject", "policy_promote", "policy_stop", "fix_drift")
"""They need several operators, releases or nodes; ``test_releases`` and ``test_drift`` look."""
LAST = ("auth_change_password",)
"""Ends every login."""


@pytest.fixture
async def ids(client: Client, resolver: FakeResolver, ann: Headers, tmp_path: Path) -> dict[str, str]:
    return await create_all(client, ann, resolver, tmp_path / "node")


def bodies(ids: dict[str, str], clock: FakeClock, folder: Path) -> dict[str, Any]:
    """What the examples of the document cannot know: ids, and what must be new or ahead."""
    message = {"from": "a@acme.test", "to": ["b@example.com"], "subject": "Hello", "text": "Hi"}
    soon = (clock() + timedelta(hours=1)).isoformat()
    return {
        "auth_change_password": {"current_password": PASSWORD, "new_password": "another horse, just as correct"},
        "send_message": message,
        "messages_simulate_delivery": message,
        "sendgrid_mail_send": {
            "personalizations": [{"to": [{"email": "b@example.com"}]}],
            "from": {"email": "a@acme.test"},
            "subject": "Hello",
            "content": [{"type": "text/plain", "value": "Hi"}],
        },
        "reschedule_message": {"send_at": soon},
        "update_vmta": {"ehlo_domain": "mx9.acme.test"},
        # The example names a user that nodes run as, who need not be on this host.
        "add_node": {"name": "mx9", "admin_url": "http://127.0.0.1:8001", "policy_dir": str(folder / "mx9")},
        "update_node": {"weight": 2},
        "update_pool": {"domains": ["other.example.com"]},
        "create_vmta": {"name": "mx2", "ip_address": "192.0.2.11", "ehlo_domain": "mx2.acme.test"},
        "import_suppressions": b"address\nimported@example.org\n",
        "credits_update_alert": {"threshold": 50},
        "update_domain": {"dkim_rotation_days": 90},
        "forecast_warmup": {
            "daily_volume": [20000],
            "days": 45,
            "new_vmtas": [{"name": "mx9", "schedule": "standard"}],
        },
        "warmup_update_schedule": {"name": "slower", "daily_allowances": [50, 100]},
        "create_auto_block_rule": {
            "name": "new",
            "metric": "hard_bounce_rate",
            "scope": "domain",
            "window_minutes": 60,
            "threshold": 0.05,
        },
        "toggle_auto_block_rule": {"rule_id": ids["rule_id"], "enabled": False},
        "spam_score_message": message,
        "virus_scan_files": {"files": [{"content": "SGVsbG8="}]},
        "billing_assign_plan": {"plan": "starter"},
        "billing_upgrade_plan": {"plan": "growth"},
        "billing_downgrade_plan": {"plan": "starter"},
        "apply_state": {"yaml": "version: 1\norganizations: {acme: {pools: {by-file: {}}}}"},
        "grant_credits": {"organization_id": ids["organization_id"], "type": "email", "amount": 1, "reason": "x"},
    }


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a plan that there are smaller and larger ones of."""
    return msgspec.structs.replace(settings, default_plan="starter")


async def test_every_write_leaves_an_entry(
    client: Client, ann: Headers, ids: dict[str, str], clock: FakeClock, tmp_path: Path
) -> None:
    chosen = bodies(ids, clock, tmp_path)
    writing = [one for one in await operations(client) if one.method != "get"]
    reader, problems = await key_of_everything(client, ann), []
    writing = [one for one in writing if one.name not in ELSEWHERE]
    for operation in sorted(writing, key=lambda one: (one.name in LAST, one.method == "delete")):
        body = chosen.get(operation.name, operation.body)
        sent: Any = {"content": body} if isinstance(body, bytes) else {"json": body}
        path = operation.at(ids | await own_ids(client, ann, operation))
        headers = ann | {"X-Request-ID": operation.name}
        answer = await client.request(operation.method, path, headers=headers, **sent)
        if answer.status_code >= 300:
            problems.append(f"{operation.name}: {answer.status_code} {answer.text}")
        recorded = await entries(client, reader, operation)
        if recorded == (operation.name in UNRECORDED):
            problems.append(f"{operation.name}: {'an entry' if recorded else 'no entry'}")
    assert not problems, "\n".join(problems)


async def own_ids(client: Client, headers: Headers, operation: Operation) -> dict[str, str]:
    """Ids of things in the state that the operation needs."""
    if operation.name == "delete_domain":  # that of the others has mail which waits
        made = await client.post("/api/v1/domains", json={"domain": "idle.test"}, headers=headers)
        return {"domain_id": made.json()["id"]}
    if operation.name == "remove_ip_address":  # a vMTA has the other one
        made = await client.post("/api/v1/ips", json={"ip_address": "192.0.2.99"}, headers=headers)
        return {"ip_id": made.json()["id"]}
    if operation.name != "reschedule_message":
        return {}
    message = {"from": "a@acme.test", "to": ["b@example.com"], "subject": "Later", "text": "Hi"}
    later = {"send_at": "2026-11-23T12:00:00Z"}
    made = await client.post("/api/v1/messages/send", json=message | later, headers=headers)
    return {"message_id": made.json()["id"]}


async def key_of_everything(client: Client, headers: Headers) -> Headers:
    scopes = (await client.get("/api/v1/auth/me", headers=headers)).json()["scopes"]
    made = await client.post("/api/v1/api-keys", json={"name": "reader", "scopes": scopes}, headers=headers)
    return {"X-API-Key": made.json()["secret"]}


async def entries(client: Client, headers: Headers, operation: Operation) -> int:
    answer = await client.get("/api/v1/audit?limit=20", headers=headers)
    assert answer.status_code == 200, (operation.name, answer.text)
    found = answer.json()["data"]
    return len([one for one in found if one["request_id"] == operation.name])
