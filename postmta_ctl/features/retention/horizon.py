"""How far back events are kept. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from postmta_ctl.settings import Settings


def horizon(settings: Settings, now: datetime) -> datetime | None:
    """Events that came before this moment may be gone; None: all are kept."""
    days = settings.event_retention_days
    return now - timedelta(days=days) if days > 0 else None


def missing_before(settings: Settings, created_at: datetime, now: datetime) -> datetime | None:
    """Of a message, the moment before which its events are no longer kept; None: none is missing."""
    found = horizon(settings, now)
    return found if found is not None and created_at < found else None
