"""Which engines judge content here, and whether they answer."""

from __future__ import annotations

import asyncio

import msgspec

from postmta_ctl.clients.engines import EngineState
from postmta_ctl.core.spam.score import ENGINE as BUILTIN
from postmta_ctl.system import System

NO_ANTIVIRUS = "no antivirus engine is configured: only the kind and the structure of files are looked at"
NO_SPAM_FILTER = "no spam filter is configured: the built-in rules judge"


class Engines(msgspec.Struct, frozen=True, kw_only=True):
    """The engine for each kind of check; ``builtin`` where none is configured, which is always there."""

    spam: EngineState
    antivirus: EngineState


async def describe(system: System) -> Engines:
    """Ask the configured engines whether they are there. Takes seconds when they are not; never raises."""
    spam, antivirus = await asyncio.gather(_spam(system), _antivirus(system))
    return Engines(spam=spam, antivirus=antivirus)


async def _spam(system: System) -> EngineState:
    if system.spam is None:
        return EngineState(name=BUILTIN, reachable=True, detail=NO_SPAM_FILTER)
    return await system.spam.state()


async def _antivirus(system: System) -> EngineState:
    if system.antivirus is None:
        return EngineState(name=BUILTIN, reachable=True, detail=NO_ANTIVIRUS)
    return await system.antivirus.state()
