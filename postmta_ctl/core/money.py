"""Money as an integer of minor units and an ISO 4217 code: no amount is ever a float."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec

_NO_DECIMALS = re.compile(r"BIF|CLP|DJF|GNF|ISK|JPY|KMF|KRW|PYG|RWF|UGX|UYI|VND|VUV|XAF|XOF|XPF")
_THREE_DECIMALS = re.compile(r"BHD|IQD|JOD|KWD|LYD|OMR|TND")
MAX_MINOR = 10**12
"""More than any invoice of this product; well inside what databases and JSON readers hold exactly."""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount."""

    minor: int
    """In the smallest unit of the currency: cents for EUR, yen for JPY."""
    currency: str
    """ISO 4217 code in capitals."""

    def __str__(self) -> str:
        decimals = decimals_of(self.currency)
        digits = f"{abs(self.minor):0{decimals + 1}d}"
        whole, part = (digits[:-decimals], f".{digits[-decimals:]}") if decimals else (digits, "")
        return f"{'-' if self.minor < 0 else ''}{int(whole):,}{part} {self.currency}"


def decimals_of(currency: str) -> int:
    """Decimal places of the currency (ISO 4217, list one)."""
    if _NO_DECIMALS.fullmatch(currency):
        return 0
    return 3 if _THREE_DECIMALS.fullmatch(currency) else 2


def prorate(amount: int, *, start: datetime, end: datetime, now: datetime) -> int:
    """The part of a period's amount that falls on the time from ``now`` to its end, rounded down.

    Args:
        amount: Of the whole period, not negative.
        start: Beginning of the period.
        end: End of the period, after its beginning.
        now: Moments before the period count as its beginning, those after it as its end.
    """
    remaining = end - min(max(now, start), end)
    # Whole microseconds, so that nothing is rounded but the result.
    return amount * _micros(remaining) // _micros(end - start)


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
