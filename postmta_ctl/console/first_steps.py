"""The way from an empty installation to a delivered message: which steps are done, and which is next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from postmta_ctl.features.domains.schemas import Domain
from postmta_ctl.features.messages.schemas import Summary
from postmta_ctl.features.nodes.schemas import Node
from postmta_ctl.features.vmtas.schemas import Vmta

NAMES = ("account", "node", "domain", "vmta", "message")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is there."""

    nodes: Sequence[Node]
    domains: Sequence[Domain]
    vmtas: Sequence[Vmta]
    is_published: bool
    """Nothing waits to be published."""
    messages: Sequence[Summary]
    """The newest."""


class Step(msgspec.Struct, frozen=True):
    """One step."""

    name: str
    state: Literal["good", "now", "later"]
    waits: bool = False
    """It is under way, and nothing is to be done but to wait."""


def steps(found: Found) -> list[Step]:
    """Every step; one is done only when it was verified, and the next begins only then."""
    verdicts = {
        "account": (True, False),
        "node": (any(_runs(one) for one in found.nodes), bool(found.nodes)),
        "domain": (verified(found.domains) is not None, False),
        "vmta": (bool(found.vmtas) and found.is_published, False),
        "message": (delivered(found.messages) is not None, is_under_way(found.messages)),
    }
    shown: list[Step] = []
    for name in NAMES:
        done, waits = verdicts[name]
        reached = all(one.state == "good" for one in shown)
        state: Literal["good", "now", "later"] = "later" if not reached else "good" if done else "now"
        shown.append(Step(name, state, waits and state == "now"))
    return shown


def _runs(node: Node) -> bool:
    return node.is_online and node.running_release is not None


def verified(domains: Sequence[Domain]) -> Domain | None:
    """A domain that mail may come from."""
    return next((one for one in domains if one.status == "verified"), None)


def delivered(messages: Sequence[Summary]) -> Summary | None:
    """A message that reached its receiver."""
    return next((one for one in messages if one.status == "delivered"), None)


def is_under_way(messages: Sequence[Summary]) -> bool:
    """Whether the newest message may still be delivered."""
    return bool(messages) and messages[0].status in ("queued", "injected", "accepted")
