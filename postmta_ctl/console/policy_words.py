"""What is said before and after something is done to the policy. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.console.filters import counted
from postmta_ctl.features.nodes.schemas import Node
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.policy.schemas import Difference, Plan, Release

ACTIONS = {
    "rollback": "Roll back to",
    "approve": "Approve and publish",
    "reject": "Turn down",
    "promote": "Bring to all nodes",
    "stop": "Stop the canary",
}
"""What can be done with a release, and how it is called."""
WITH_REASON = ("reject", "stop")
_OUTCOMES = {
    "published": "Release {} is published.",
    "nothing": "Nothing has changed since release {}.",
    "proposed": "Release {} is proposed; another operator approves it.",
    "canary": "Some nodes try release {} now.",
    "stopped": "Release {} is stopped: a node that was to try it did not come to run it.",
}


def takes(change: ChangeClass) -> str:
    """What it takes to bring a change to running nodes."""
    if change.kind == "restart":
        return f"KumoMTA reads some of it at its start only, so the nodes need a restart: {', '.join(change.settings)}."
    return "Running nodes take it up without a restart." if change.kind == "live" else "Nothing changes on the nodes."


def before_publishing(plan: Plan, fleet: Sequence[Node], *, approval: bool) -> tuple[str, ...]:
    """What publishing the plan will do."""
    if plan.change_class is None or not plan.is_publishable:
        return ("A proof failed, so it cannot be published. No node has seen it.",)
    if plan.change_class.kind == "nothing":
        return ("The policy is that of the newest release; publishing changes nothing.",)
    away = [one.name for one in fleet if not one.is_online]
    touches = f"Release {plan.release} takes up {counted(len(plan.changes), 'change')} and goes to {nodes(len(fleet))}."
    said = [f"Release {plan.release} is proposed, and another operator approves it." if approval else touches]
    said.append(takes(plan.change_class))
    if away:
        said.append(f"Not online, and brought up to date when they are: {', '.join(away)}.")
    return tuple(said)


def before_going_back(found: Difference, running: int, number: int, fleet: int) -> tuple[str, ...]:
    """What a roll-back will do."""
    if found.change_class.kind == "nothing":
        return (f"The nodes run the policy of release {number} already; nothing will change.",)
    return (
        f"The policy of release {number} comes back as a new release in the place of {running}, on {nodes(fleet)}.",
        takes(found.change_class),
        "What was configured since stays configured, and is not published again until somebody publishes.",
    )


def before(action: str, release: Release) -> tuple[str, ...]:
    """What deciding about a proposal or a canary will do."""
    on = ", ".join(release.canary.nodes) if release.canary else "no node"
    return {
        "approve": (f"Release {release.number}, proposed by {release.author}, goes to every node.",),
        "reject": (
            f"Release {release.number}, proposed by {release.author}, is not published; it stays in the history.",
        ),
        "promote": (f"Release {release.number}, which runs on {on}, goes to every node now.",),
        "stop": (f"The nodes that try release {release.number} ({on}) go back to the release of the others.",),
    }[action]


def before_mending(found: Sequence[NodeDrift]) -> tuple[str, ...]:
    """What mending will change, node by node."""
    foreign = any(one.foreign_suspensions for one in found)
    return (
        *(f"{one.node}: {drift_words(one)}." for one in found),
        "What was changed by hand is kept beside the releases, in the folder edited.",
        *(["Holds that somebody placed on a node itself stay there."] if foreign else []),
    )


def drift_words(one: NodeDrift) -> str:
    """What differs on a node."""
    parts = list(one.problems[:3])
    if len(one.problems) > 3:
        parts.append(counted(len(one.problems) - 3, "more problem"))
    if one.files:
        parts.append(f"{counted(len(one.files), 'file')} changed")
    if one.missing_suspensions:
        parts.append(f"{counted(len(one.missing_suspensions), 'hold')} missing")
    if one.paths and one.paths.differences:
        parts.append(f"{counted(len(one.paths.differences), 'option')} of paths resolved otherwise")
    if one.foreign_suspensions:
        parts.append(f"{counted(len(one.foreign_suspensions), 'hold')} placed on the node itself")
    return "; ".join(parts) or "it runs another release"


def actions(release: Release, newest_digest: str) -> tuple[tuple[str, str], ...]:
    """What can be done with a release now: name and words."""
    names: tuple[str, ...] = ()
    if release.state == "proposed":
        names = ("approve", "reject")
    elif release.state == "canary":
        names = ("promote", "stop")
    elif release.state == "published" and release.digest != newest_digest and release.files_removed_at is None:
        names = ("rollback",)
    return tuple((name, "Roll back to this" if name == "rollback" else ACTIONS[name]) for name in names)


def after(outcome: str, number: int, reached: Sequence[NodeOutcome]) -> str:
    """What a publication did."""
    return " ".join(part for part in (_OUTCOMES[outcome].format(number), outcomes(reached)) if part)


def outcomes(reached: Sequence[NodeOutcome]) -> str:
    """How it ended at the nodes."""
    good = sum(one.ok for one in reached)
    failed = [f"{one.node}: {one.detail}" for one in reached if not one.ok]
    said = [f"{nodes(good)} {'runs' if good == 1 else 'run'} what is wanted."] if good else []
    return " ".join([*said, *([f"Not yet: {'; '.join(failed)}."] if failed else [])])


def nodes(count: int) -> str:
    """``2 nodes``."""
    return counted(count, "node")
