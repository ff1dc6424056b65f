"""Whether a policy does what the scenarios say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal import lay_out
from postmta_ctl.features.policy.scenarios.format import Expectation, Scenario
from postmta_ctl.features.policy.scenarios.journey import Outcome, domains_of, travel
from postmta_ctl.features.policy.scenarios.sessions import Stage
from postmta_ctl.luavm import ManualClock, PolicyError

_IN_ANY_ORDER = ("vmtas", "signed_by")


def judge(scenarios: Sequence[Scenario], contents: Contents, bundle: Bundle) -> list[Finding]:
    """Where the policy does something else, with what was expected and what came of it."""
    if not scenarios:
        return []
    senders = {domain: domain for each in scenarios for domain in domains_of(each) if domain in contents.domains}
    findings: list[Finding] = []
    clock = ManualClock(datetime.now(UTC))
    with TemporaryDirectory(prefix="postmta-scenarios-") as name:
        folder = Path(name)
        try:
            vm = lay_out(folder, contents, bundle, senders, clock).start()
        except PolicyError as error:
            return [Finding(code="scenario-failed", message=str(error), where="start")]
        stage = Stage(vm, contents, folder, clock)
        for number, scenario in enumerate(scenarios, 1):
            try:
                problems = list(_compare(scenario.expect, travel(stage, scenario, number)))
            except PolicyError as error:
                problems = [f"the policy fails: {error}"]
            where = f"scenario {scenario.name}"
            findings += [Finding(code="scenario-failed", message=each, where=where) for each in problems]
    return findings


def _compare(expected: Expectation, actual: Outcome) -> Iterator[str]:
    if expected.refused is not None:
        if actual.refused is None:
            yield f"expected to be refused with {expected.refused!r}, and it is taken: queue {actual.queue}"
        elif expected.refused not in actual.refused:
            yield f"expected to be refused with {expected.refused!r}, and it is with {actual.refused!r}"
        return
    if actual.refused is not None:
        yield f"expected to be taken, and it is refused: {actual.refused}"
        return
    for name, wanted in msgspec.structs.asdict(expected).items():
        found = getattr(actual, name)
        if wanted is None:
            continue
        if name == "per_day":
            yield from _compare_limits(wanted, actual.per_day)
        elif (sorted(wanted) != sorted(found)) if name in _IN_ANY_ORDER else (wanted != found):
            yield f"{name}: expected {_shown(wanted)}, found {_shown(found)}"


def _compare_limits(wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for vmta, limit in wanted.items():
        if vmta not in found:
            yield f"per_day: expected {vmta} to have a limit of {limit}, and it does not leave from there"
        elif (actual := found[vmta]) == limit:
            continue
        elif isinstance(limit, str) or not isinstance(actual, int):
            yield f"per_day: expected {vmta} to have a limit of {limit}, found {actual or 'none'}"
        elif actual > limit:
            yield f"per_day: expected {vmta} to send at most {limit}, and it may send {actual}, a full bucket included"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
