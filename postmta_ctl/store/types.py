"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, LargeBinary, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Id = String(36)
"""A UUIDv7 in its canonical text form: sorts by time of creation, and reads the same everywhere."""


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC moment that many microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=micros)


class Timestamp(TypeDecorator[datetime]):
    """An aware moment, kept as whole microseconds since the epoch.

    SQLite has no time type and compares its texts by letter; an integer sorts and subtracts alike on both
    engines, and the event path writes it without conversion.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database; a naive datetime is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database, always UTC."""
        return None if value is None else from_micros(value)


class Json(TypeDecorator[Any]):
    """Any JSON value, written by msgspec as UTF-8 bytes; never queried into, so it needs no engine's own type."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else msgspec.json.encode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """From the database."""
        return None if value is None else msgspec.json.decode(value)
