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
    "act_on_queue": {"reason": "the receiver asked us to wait"},
    "suppressions_check_addresses": {"addresses": ["recipient@example.org"]},
}
"""By operation id."""
