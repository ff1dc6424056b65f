"""Sealing anew what is sealed under a former master key."""

from __future__ import annotations

import msgspec

from postmta_ctl.core import secrets
from postmta_ctl.features.sealing import queries
from postmta_ctl.features.sealing.queries import PLACES, Place
from postmta_ctl.system import System

AT_ONCE = 200
"""Values of one transaction: others write in between."""


class Resealed(msgspec.Struct, kw_only=True):
    """What became of the values of one column."""

    place: str
    """Table and column."""
    resealed: int = 0
    unreadable: int = 0
    """Sealed under none of the keys that are known, or damaged: left as they are."""


async def reseal(system: System) -> list[Resealed]:
    """Seal everything under the present master key that is sealed under a former one.

    Each transaction is whole by itself: what was cut off goes on where it was when it is run again.
    """
    return [await _reseal(system, place) for place in PLACES]


async def _reseal(system: System, place: Place) -> Resealed:
    done = Resealed(place=place.name)
    after, is_more = "", True
    while is_more:
        async with system.db.transaction() as connection:
            rows = await queries.under_other_keys(
                connection, place, secrets.key_id(system.keys.master_key), after=after, limit=AT_ONCE
            )
            for row in rows:
                aad = place.aad(row)
                try:
                    value = secrets.unseal(system.keys.master_keys, row.sealed, aad=aad)
                except secrets.SealError:
                    done.unreadable += 1
                    continue
                nonce = system.random(secrets.NONCE_OCTETS)
                sealed = secrets.seal(system.keys.master_key, value, aad=aad, nonce=nonce)
                done.resealed += await queries.replace(connection, place, row, sealed)
        is_more = len(rows) == AT_ONCE
        after = rows[-1].id if rows else after
    return done


async def waiting(system: System) -> int:
    """How many values are sealed under another master key than the present one."""
    key_id = secrets.key_id(system.keys.master_key)
    async with system.db.reading() as connection:
        return sum([await queries.count(connection, place, key_id) for place in PLACES])
