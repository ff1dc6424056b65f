"""The secrets of endpoints: sealed in the database, and which of them sign now."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from postmta_ctl.core import secrets, webhooks
from postmta_ctl.features.webhooks.queries import WebhookRow
from postmta_ctl.system import System


def new_secret(system: System, webhook_id: str) -> tuple[str, bytes]:
    """A secret as it is shown, and as it is kept."""
    shown = webhooks.make_secret(system.random(webhooks.SECRET_OCTETS))
    nonce = system.random(secrets.NONCE_OCTETS)
    return shown, secrets.seal(system.keys.master_key, shown.encode(), aad=place(webhook_id), nonce=nonce)


def rotated(system: System, row: WebhookRow, overlap: timedelta) -> tuple[str, WebhookRow]:
    """A new secret as it is shown, and the row that has it; the one before signs too until ``overlap`` is over."""
    shown, sealed = new_secret(system, row.id)
    now = system.now()
    changed = msgspec.structs.replace(
        row,
        sealed_secret=sealed,
        sealed_previous_secret=row.sealed_secret if overlap else None,
        previous_secret_expires_at=now + overlap if overlap else None,
        updated_at=now,
    )
    return shown, changed


def live(system: System, row: WebhookRow, now: datetime) -> list[str]:
    """The secrets that sign now, the newest first."""
    sealed = [row.sealed_secret]
    if row.sealed_previous_secret and row.previous_secret_expires_at and now < row.previous_secret_expires_at:
        sealed.append(row.sealed_previous_secret)
    return [secrets.unseal(system.keys.master_keys, one, aad=place(row.id)).decode() for one in sealed]


def place(webhook_id: str) -> bytes:
    """A secret, or the one before it, opens for its own endpoint only."""
    return f"webhooks/{webhook_id}/secret".encode()
