"""The addresses of a vMTA: one of either family, or a pair; each belongs to one vMTA unless operators share it."""

from __future__ import annotations

import re

import msgspec
from msgspec import UnsetType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ip_addresses import is_ipv6, parse_ipv6_address
from postmta_ctl.errors import AlreadyExists, FieldError, InvalidRequest
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.ips.service import require_assigned
from postmta_ctl.features.vmtas.queries import VmtaRow

_HELD_IPV6 = "held_ipv6_address"
_HELD = re.compile(f"{_HELD_IPV6}|held_address")


def read_second(text: str | None, fields: Fields) -> str | None:
    """The IPv6 address of a pair, or None."""
    return None if text is None else fields.read("ipv6_address", parse_ipv6_address, text)


def require_pair(ip_address: str, ipv6_address: str | None) -> None:
    """Refuse a second address beside one of the same family.

    Raises:
        InvalidRequest: ``ip_address_family``.
    """
    if ipv6_address is not None and is_ipv6(ip_address):
        message = "of a pair this is the IPv4 address; a vMTA of one address has no ipv6_address"
        raise InvalidRequest.of("ip_address", message, code="ip_address_family")


async def holding(connection: AsyncConnection, row: VmtaRow) -> VmtaRow:
    """The row with what it keeps from others: its addresses, but for those that are shared.

    By family, whichever field they are in: so one constraint of the database finds an address in both.

    Raises:
        InvalidRequest: ``ip_not_assigned``, for the field.
    """
    held = dict[str, str | None](held_address=None, held_ipv6_address=None)
    for field, address in zip(("ip_address", "ipv6_address"), row.addresses, strict=False):
        column = _HELD_IPV6 if is_ipv6(address) else "held_address"
        held[column] = await require_assigned(connection, row.organization_id, address, field=field)
    return msgspec.structs.replace(row, **held)


def taken(error: IntegrityError, second: str | UnsetType | None) -> AlreadyExists | None:
    """What to say where an address is somebody's already, given what was asked for as ``ipv6_address``."""
    # SQLite names the columns, PostgreSQL the constraint, which is named after them.
    found = _HELD.search(str(error.orig))
    if found is None:
        return None
    field = "ipv6_address" if found[0] == _HELD_IPV6 and isinstance(second, str) else "ip_address"
    message = "there is a vMTA of this address already; an address belongs to one only"
    return AlreadyExists(f"{field}: {message}.", errors=(FieldError(field=field, message=message, code="taken"),))
