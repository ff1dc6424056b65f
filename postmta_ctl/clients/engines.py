"""What is asked of an engine that judges content, whichever it is."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from postmta_ctl.core.spam.verdicts import SpamVerdict

CONNECT_SECONDS = 5.0
PING_SECONDS = 3.0


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an engine answers."""

    name: str
    reachable: bool
    version: str | None = None
    """As it tells; None: it does not."""
    detail: str = ""


class FileScan(msgspec.Struct, frozen=True, kw_only=True):
    """What an antivirus engine says of one file."""

    status: Literal["clean", "infected", "suspicious", "not_scanned"]
    """``suspicious``: a heuristic, or one of the engine's limits; ``not_scanned``: it would not take the file."""
    signature: str | None = None
    """What it recognised."""
    detail: str = ""


class SpamEngine(Protocol):
    """Somebody who tells spam from other mail."""

    @property
    def name(self) -> str:
        """As answers and errors call it."""
        ...

    async def check(self, message: bytes) -> SpamVerdict:
        """Judge a message, and learn nothing from it as far as that can be asked for.

        Raises:
            EngineFailed: It refused, or its answer makes no sense.
            EngineUnreachable: There was no answer.
        """
        ...

    async def state(self) -> EngineState:
        """Whether it answers; never raises for what it does."""
        ...

    async def close(self) -> None:
        """End its connections."""
        ...


class AntivirusEngine(Protocol):
    """Somebody who finds viruses."""

    @property
    def name(self) -> str:
        """As answers and errors call it."""
        ...

    async def scan(self, data: bytes) -> FileScan:
        """Scan a file.

        Raises:
            EngineFailed: It broke, or its answer makes no sense.
            EngineUnreachable: There was no answer.
        """
        ...

    async def state(self) -> EngineState:
        """Whether it answers; never raises for what it does."""
        ...
