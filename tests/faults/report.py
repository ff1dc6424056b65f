"""What a run of the fault tests found, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields


@dataclass
class Outcome:
    """One scenario."""

    scenario: str
    kills: int = 0
    accepted: int = 0
    """Recipients of messages that were acknowledged."""
    delivered: int = 0
    """Of those: delivered, or refused by the receiver for good."""
    lost: int = 0
    duplicates: int = 0
    """Recipients whose mail was sent more than once."""
    interrupted: int = 0
    """Requests of customers that got no answer, and were made again."""
    put_off: int = 0
    """Requests that were answered with 503, or 409 while their repetition was under way, and made again."""
    webhooks_told_twice: int = 0
    seconds: float = 0.0


Scenario = Callable[[str], AbstractContextManager[Outcome]]
"""What the tests run in."""


def table(outcomes: Sequence[Outcome]) -> str:
    """The report as Markdown."""
    names = [field.name for field in fields(Outcome)]
    rows = [names, ["---", *("---:" for _ in names[1:])]]
    rows += [[_text(getattr(one, name)) for name in names] for one in [*outcomes, _total(outcomes)]]
    heads = [name.replace("_", " ") for name in rows[0]]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, *rows[1:]])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _total(outcomes: Sequence[Outcome]) -> Outcome:
    total = Outcome("**all**")
    for field in fields(Outcome)[1:]:
        setattr(total, field.name, sum(getattr(one, field.name) for one in outcomes))
    return total
