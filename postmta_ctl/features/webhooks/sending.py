"""One attempt: sign, send, and note what came of it. Touches no database."""

from __future__ import annotations

from datetime import datetime

import msgspec

from postmta_ctl.clients.webhooks import Reply
from postmta_ctl.core import webhooks
from postmta_ctl.features.webhooks import secrets
from postmta_ctl.features.webhooks.queries import AttemptRow, WebhookRow
from postmta_ctl.system import System

HEADERS = {"Content-Type": "application/json", "User-Agent": "PostMTA-Webhooks/1", "Accept-Encoding": "identity"}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was made."""

    webhook: WebhookRow
    row: AttemptRow
    reply: Reply
    ended_at: datetime

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took the event."""
        return self.reply.status is not None and 200 <= self.reply.status < 300

    def verdict(self, *, step: int, chance: float) -> webhooks.Verdict:
        """What becomes of the delivery, see :func:`postmta_ctl.core.webhooks.judge`."""
        reply = self.reply
        return webhooks.judge(reply.status, step=step, now=self.ended_at, chance=chance, retry_after=reply.retry_after)


async def attempt(system: System, webhook: WebhookRow, delivery_id: str, body: bytes) -> Attempt:
    """Send a delivery to its endpoint."""
    at = system.now()
    signed = webhooks.sign(secrets.live(system, webhook, at), message_id=delivery_id, at=at, body=body)
    headers = HEADERS | signed
    reply = await system.webhooks.post(webhook.url, body, headers)
    row = AttemptRow(
        delivery_id=delivery_id,
        at=at,
        url=webhook.url,
        headers=headers,
        status_code=reply.status,
        body=reply.body,
        error=reply.error,
        detail=reply.detail,
        milliseconds=reply.milliseconds,
    )
    return Attempt(webhook=webhook, row=row, reply=reply, ended_at=system.now())
