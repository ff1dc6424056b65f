"""Logos of domains that a file asks for, and what lies behind their URLs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from postmta_ctl.declarative.document import Key
from postmta_ctl.declarative.kinds import DOMAIN
from postmta_ctl.declarative.steps import Step
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.domains import bimi
from postmta_ctl.features.domains.records import Logo
from postmta_ctl.system import System

Logos = Mapping[Key, Logo]
AT_ONCE = 8


async def fetch(system: System, steps: Iterable[Step]) -> Logos:
    """The logos of all domains that get another one, checked before any transaction: their files are elsewhere.

    Those that nobody would fetch are left out; carrying out says why.
    """
    wanted = {step.key: data for step in steps if step.kind == DOMAIN.name and (data := step.values().get("bimi"))}
    turns = asyncio.Semaphore(AT_ONCE)

    async def checked(key: Key, data: dict[str, Any]) -> Logo | None:
        async with turns:
            try:
                return await bimi.checked(system, key.name, bimi.read_update(data))
            except (InvalidRequest, msgspec.ValidationError):
                return None

    found = await asyncio.gather(*(checked(key, data) for key, data in wanted.items()))
    return {key: logo for key, logo in zip(wanted, found, strict=True) if logo is not None}


def unchecked(system: System, wanted: dict[str, Any] | None) -> Logo | None:
    """The logo without a look at its files.

    Raises:
        InvalidRequest: A URL is none that requests are sent to.
        msgspec.ValidationError: One is too long.
    """
    if wanted is None:
        return None
    try:
        return bimi.unchecked(system, bimi.read_update(wanted))
    except InvalidRequest as error:
        errors = tuple(msgspec.structs.replace(one, field=f"bimi.{one.field}") for one in error.errors)
        raise InvalidRequest(error.detail, errors=errors) from None
