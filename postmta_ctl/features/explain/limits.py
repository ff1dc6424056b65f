"""What bounds a message's way out, with as much of today's use as is known here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postmta_ctl.features.explain.schemas import Limit
from postmta_ctl.features.messages.simulation_schemas import SimulatedRecipient
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.luavm.trace import Step

_PACE = "throttle_insert_ready_queue"
_NOTES = {
    "connection_limit": "connections at a time, by node and site",
    "max_connection_rate": "new connections, by node and site",
    "max_deliveries_per_connection": "messages on one connection",
    "max_message_rate": "messages, by node and site",
    "source_selection_rate": "messages that may choose this vMTA, by node and site",
    "additional_source_selection_rates": "messages that may choose this vMTA, by node",
    "additional_connection_limits": "connections at a time, shared under this name",
    "additional_message_rate_throttles": "messages, shared under this name",
}


def of_path(options: Mapping[str, Any]) -> Iterator[Limit]:
    """The options of an egress path that limit it, one for each name of those that have several."""
    for name, note in _NOTES.items():
        value = options.get(name)
        if isinstance(value, Mapping):
            yield from (Limit(name=f"{name}.{key}", value=str(each), note=note) for key, each in sorted(value.items()))
        elif value is not None:
            yield Limit(name=name, value=str(value), note=note)


def of_warmup(row: VmtaRow, delivered: Mapping[str, int], provider: str) -> Iterator[Limit]:
    """Today's allowance of a warming vMTA, and that for the recipient's provider if it has one of its own.

    Args:
        row: The vMTA.
        delivered: Today's deliveries by provider.
        provider: Of the recipient.
    """
    progress = row.warmup
    if row.state != "warming" or progress is None:
        return
    stage = f"stage {progress.day} of {len(progress.allowances)}"
    yield _allowance("warmup", progress.allowance, sum(delivered.values()), f"deliveries today, {stage}")
    if provider in progress.limited:
        limit = progress.limit_at(provider)
        yield _allowance(f"warmup.{provider}", limit, delivered.get(provider, 0), f"deliveries to {provider} today")


def _allowance(name: str, allowed: int, used: int, note: str) -> Limit:
    return Limit(name=name, value=f"{allowed}/day", used_today=used, left_today=max(0, allowed - used), note=note)


def of_queue(one: SimulatedRecipient, steps: Sequence[Step]) -> list[Limit]:
    """How long the queue keeps and tries mail, and the pace at which its pool lets it go."""
    found = [Limit(name=name, value=str(value)) for name, value in one.queue_limits.items()]
    calls = [call for step in steps if step.event == _PACE for call in step.calls]
    for call in calls:
        if call.function == "kumo.make_throttle" and len(call.arguments) == 2:
            name, rate = call.arguments
            note = f"messages of the pool that go on to be sent, by node (throttle {name})"
            found.append(Limit(name="pool_rate", value=str(rate), note=note))
    return found
