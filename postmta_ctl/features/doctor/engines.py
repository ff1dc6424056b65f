"""The programs that judge content or keep rate limits: do those that the settings name answer."""

from __future__ import annotations

from postmta_ctl.clients.engines import EngineState
from postmta_ctl.features.doctor.findings import Finding
from postmta_ctl.features.security import engines
from postmta_ctl.system import System


async def look(system: System) -> list[Finding]:
    """A finding for each that is configured; the built-in rules are always there."""
    states = await engines.describe(system)
    asked = ((states.spam, system.spam), (states.antivirus, system.antivirus))
    return [_finding(state) for state, configured in asked if configured is not None] + await _redis(system)


async def _redis(system: System) -> list[Finding]:
    if not system.settings.redis_url:
        return []
    if (trouble := await system.limiter.trouble()) is None:
        return [Finding(check="engine", subject="redis", level="ok", found="answers")]
    todo = "See that it runs at POSTMTA_REDIS_URL; until then each process counts requests for itself."
    return [Finding(check="engine", subject="redis", level="warning", found=trouble, todo=todo)]


def _finding(state: EngineState) -> Finding:
    if state.reachable:
        return Finding(
            check="engine", subject=state.name, level="ok", found=f"answers, {state.version or state.detail}"
        )
    todo = f"See that {state.name} runs where the settings say; until then its checks are answered with an error."
    return Finding(check="engine", subject=state.name, level="error", found=state.detail or "no answer", todo=todo)
