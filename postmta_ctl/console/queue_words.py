"""What is said before and after something is done to a queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from postmta_ctl.console.filters import counted
from postmta_ctl.features.queues.names import TenantQueue
from postmta_ctl.features.queues.schemas import ActionResult, NodeState, Queue

EXPIRIES = (
    ("", "until it is released"),
    ("3600", "one hour"),
    ("14400", "four hours"),
    ("86400", "one day"),
    ("604800", "seven days"),
)
"""How long a hold may be asked for: seconds, and what is said."""
DONE = {"flush": "flushed", "hold": "held", "release": "released"}


class Touched(msgspec.Struct, frozen=True):
    """What an action on a queue is about."""

    queue: str
    size: int
    """Messages that wait in it."""
    others: int
    """Messages in other queues of the same tenant and domain, which a flush reaches as well."""
    is_held: bool
    silent: tuple[str, ...]
    """Nodes that could not be asked, so that their messages are not counted."""


def touched(queue: TenantQueue, found: Sequence[Queue], nodes: Iterable[NodeState]) -> Touched:
    """Count what waits in the queue, out of the queues of its domain."""
    mine = next((one for one in found if one.id == queue.name), None)
    beside = queue.campaign is None
    others = sum(one.size for one in found if beside and one.tenant == queue.tenant and one.id != queue.name)
    is_held = mine is not None and mine.hold is not None and not mine.hold.releasing
    silent = tuple(one.node for one in nodes if not one.ok)
    return Touched(queue.name, mine.size if mine else 0, others, is_held, silent)


def before(action: str, what: Touched) -> tuple[str, ...]:
    """What will happen, with the number of messages."""
    count = counted(what.size, "message")
    said = {
        "flush": f"This touches {count}, which the nodes try at once, whenever their next attempt was due.",
        "hold": f"This touches {count}, which stay on the nodes and grow older there, and whatever comes to the queue.",
        "release": f"This touches {count}, which the nodes try at once.",
    }
    more = []
    if action != "hold" and what.others:
        more.append(
            f"KumoMTA cannot tell this queue from those of the same domain with a campaign: "
            f"{counted(what.others, 'message')} there are tried as well."
        )
    if what.silent:
        more.append(f"Not counted, since there is no answer: {', '.join(what.silent)}.")
    return (said[action], *more)


def after(done: ActionResult) -> str:
    """What came of it on the nodes."""
    failed = [f"{one.node}: {one.detail}" for one in done.nodes if not one.ok]
    said = f"{done.id} is {DONE[done.action]} on {counted(len(done.nodes) - len(failed), 'node')}."
    caught_up = "" if done.action == "flush" else " What a node missed is made up for when it is back."
    return f"{said} Not on {'; '.join(failed)}.{caught_up}" if failed else said


def expiry(seconds: str, now: datetime) -> datetime | None:
    """When a hold ends that was chosen in the form; None: when it is released."""
    known = {value for value, _ in EXPIRIES if value}
    return now + timedelta(seconds=int(seconds)) if seconds in known else None
