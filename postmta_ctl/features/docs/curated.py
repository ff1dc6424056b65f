"""Examples of requests whose fields say too little one by one."""

from __future__ import annotations

from typing import Any

_MESSAGE = {
    "from": "Example <news@example.com>",
    "to": ["recipient@example.org"],
    "subject": "Hello from PostMTA",
    "text": "Hello!",
    "html": "<h1>Hello!</h1>",
}

_TEMPLATE = {"subject": "Welcome, {{ name }}", "text": "Hello {{ name }}!", "html": "<h1>Hello {{ name }}!</h1>"}

REQUESTS: dict[str, Any] = {
    "send_message": _MESSAGE | {"track_opens": True, "track_clicks": True},
    "messages_send_batch": {
        "messages": [_MESSAGE, _MESSAGE | {"to": ["other@example.org"], "subject": "Hello again"}],
        "batch_id": "campaign_spring_2026",
    },
    "messages_simulate_delivery": _MESSAGE,
    "create_template": {"name": "welcome"} | _TEMPLATE,
    "update_template": _TEMPLATE,
    "preview_template": {"variables": {"name": "Ann"}},
    "create_auto_block_rule": {
        "name": "Hard bounces of a sending domain",
        "metric": "hard_bounce_rate",
        "scope": "domain",
        "window_minutes": 60,
        "threshold": 0.05,
        "minimum_volume": 500,
        "action": "pause",
        "block_minutes": 120,
    },
    "update_auto_block_rule": {"threshold": 0.03, "action": "pause"},
    "toggle_auto_block_rule": {"rule_id": "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79", "enabled": False},
    "resolve_block": {"note": "the list was cleaned"},
    "act_on_queue": {"reason": "the receiver asked us to wait"},
    "start_warmup": {"schedule": "standard", "provider_shares": {"gmail": 0.4}},
    "forecast_warmup": {
        "daily_volume": [20000],
        "days": 45,
        "provider_mix": {"gmail": 0.4, "outlook": 0.25},
        "new_vmtas": [{"name": "mx2", "schedule": "standard"}],
        "established": 1,
    },
    "warmup_create_schedule": {"name": "newsletter", "daily_allowances": [50, 100, 200, 400]},
    "suppressions_check_addresses": {"addresses": ["recipient@example.org"]},
    "score_message": _MESSAGE,
    "scan_files": {
        "files": [{"filename": "invoice.pdf", "content_type": "application/pdf", "content": "JVBERi0xLjcKJSVFT0YK"}]
    },
    "add_shaping_rule": {
        "kind": "provider",
        "target": "gmail",
        "limits": {"connection_limit": 40, "max_message_rate": "600/min"},
        "organization": "acme",
    },
    "add_automation_rule": {
        "kind": "provider",
        "target": "gmail",
        "regex": r"\b4\.7\.28\b",
        "action": "limit",
        "limits": {"max_message_rate": "10/min"},
        "threshold": 3,
        "duration": 1800,
    },
    "update_automation_rule": {"duration": 3600},
    "update_shaping_rule": {"limits": {"connection_limit": 60}},
    "blocklists_check_dnsbl": {"ip_address": "9.9.9.9"},
}
"""By operation id."""
