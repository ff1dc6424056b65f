"""How far back events and contents are kept. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from postmta_ctl.settings import Settings


def horizon(settings: Settings, now: datetime) -> datetime | None:
    """Events that came before this moment may be gone; None: all are kept."""
    return _before(settings.event_retention_days, now)


def content_horizon(settings: Settings, now: datetime) -> datetime | None:
    """Contents of messages that were accepted before this moment may be gone; None: all are kept."""
    return _before(settings.content_retention_days, now)


def missing_before(settings: Settings, created_at: datetime, now: datetime) -> datetime | None:
    """Of a message, the moment before which its events are no longer kept; None: none is missing."""
    found = horizon(settings, now)
    return found if found is not None and created_at < found else None


def _before(days: int, now: datetime) -> datetime | None:
    return now - timedelta(days=days) if days > 0 else None
