"""Whether an address has a name, and the name that address (forward-confirmed reverse DNS)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from postmta_ctl.core.verdicts import Verdict, missing, ok, unknown, warning, wrong

MAX_NAMES = 5
"""Names of one address that are followed."""


def reverse_name(address: str) -> str:
    """Where the PTR record of an address is (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return ipaddress.ip_address(address).reverse_pointer


def judge_reverse(address: str, ehlo: str, names: Mapping[str, Collection[str] | None] | None) -> Verdict:
    """Judge an address that mail leaves from.

    Args:
        address: The address.
        ehlo: The name that is said in EHLO.
        names: The names of its PTR records, each with the addresses that it has; None where DNS gave no answer.
    """
    if names is None:
        return unknown(f"DNS gave no answer for the name of {address}.")
    if not names:
        return missing(f"{address} has no PTR record; large receivers refuse mail from such addresses.")
    own = ipaddress.ip_address(address)
    confirmed = {name for name, found in names.items() if own in {ipaddress.ip_address(one) for one in found or ()}}
    if not confirmed and None in names.values():
        return unknown(f"DNS gave no answer for the addresses of {next(iter(names))}.")
    if not confirmed:
        return wrong(f"{address} is named {next(iter(names))[:200]}, which does not lead back to it.")
    if ehlo.lower() not in {name.lower() for name in confirmed}:
        return warning(f"{address} is named {min(confirmed)[:200]}, and says {ehlo} in EHLO; they should be the same.")
    return ok(f"{address} is named {ehlo}, and {ehlo} leads back to it.")
