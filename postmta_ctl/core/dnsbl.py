"""DNS blocklists (RFC 5782): the name to ask for, and what an answer means.

A list answers with addresses in 127.0.0.0/8. Two kinds of answer look like a listing and are none: 127.255.255.x, by
which the large lists say that they refuse the question (a public resolver, too many questions, a mistyped zone), and
any address outside 127/8, which comes from a resolver that answers in place of the list, or from a dead list's zone
that somebody else has registered. Taken for listings, either would list the whole world.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Literal

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import IPAddress

Status = Literal["listed", "clean", "refused", "error"]

MIN_TTL = 60
MAX_TTL = 3600
"""Seconds that an answer is kept at least and at most: a listing should be seen within the hour, and so its end."""
MAX_REASON = 500
"""Characters kept of a list's explanation."""

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_REFUSALS = ipaddress.ip_network("127.255.255.0/24")
_REFUSED = {
    "127.255.255.252": "the zone is mistyped",
    "127.255.255.254": "the question came through a public resolver, or one without a proper reverse name",
    "127.255.255.255": "too many questions",
}
"""As Spamhaus documents them; other lists have taken them over."""


class Blocklist(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of the catalogue."""

    id: str
    """Short and stable; also what the API names it by."""
    name: str
    zone: str
    ipv4: bool = True
    ipv6: bool = False
    enabled: bool = False
    """Unless the settings choose the lists."""
    secret_zone: bool = False
    """Whether the zone holds a customer's key, and is therefore never shown."""
    codes: dict[str, str] = {}
    """Return code → what it means. A code in 127/8 that is not here is a listing all the same."""
    not_listed: tuple[str, ...] = ()
    """Codes of a list of many purposes that say something else than bad."""
    test_points: dict[str, Literal["listed", "clean"]] | None = None
    """Address → what it must be; absent: those of RFC 5782 §5."""
    source: str
    """The page that the codes and terms are taken from."""
    terms: str = ""
    """What the maintainer asks of those who use it."""

    @property
    def expectations(self) -> dict[str, Literal["listed", "clean"]]:
        """The test points, each with what it must be."""
        if self.test_points is not None:
            return self.test_points
        points: dict[str, Literal["listed", "clean"]] = {}
        if self.ipv4:
            points |= {"127.0.0.2": "listed", "127.0.0.1": "clean"}
        if self.ipv6:
            points |= {"::ffff:7f00:2": "listed", "::ffff:7f00:1": "clean"}
        return points

    def takes(self, address: IPAddress) -> bool:
        """Whether the list has addresses of this family."""
        return self.ipv4 if address.version == 4 else self.ipv6


class Code(msgspec.Struct, frozen=True):
    """One return code."""

    code: str
    meaning: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of an address."""

    status: Status
    """``refused``: the list does not answer us; ``error``: nobody could tell."""
    codes: tuple[Code, ...] = ()
    detail: str = ""


def parse_address(text: str) -> IPAddress:
    """Read an address that a list can be asked about; IPv4 written as IPv6 is the IPv4 address.

    Raises:
        InputError: ``ip_address_syntax``, or ``ip_address_not_public``: no list knows private addresses.
    """
    try:
        address: IPAddress = ipaddress.ip_address(text)
    except ValueError:
        raise InputError("ip_address_syntax", "not an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise InputError("ip_address_syntax", "an address must not have a zone")
        address = address.ipv4_mapped or address
    if not address.is_global or address.is_multicast:
        raise InputError("ip_address_not_public", "is private or reserved: blocklists hold public addresses only")
    return address


def query_name(address: IPAddress, zone: str) -> str:
    """The name to ask for: octets (RFC 5782 §2.1) or nibbles (§2.4) reversed, before the zone."""
    reversed_labels = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return f"{reversed_labels}.{zone}"


def decode(blocklist: Blocklist, values: Sequence[str]) -> Verdict:
    """The verdict of the A records found.

    Args:
        blocklist: Whose records.
        values: Their addresses; none: the name does not exist.
    """
    if not values:
        return Verdict(status="clean")
    addresses = sorted({address for value in values if (address := _ipv4(value))})
    if foreign := [value for value in values if (one := _ipv4(value)) is None or one not in _LOOPBACK]:
        shown = ", ".join(foreign)[:100]
        return Verdict(status="error", detail=f"answered with {shown}, which no blocklist does (RFC 5782 §2.1)")
    if refusals := [str(one) for one in addresses if one in _REFUSALS]:
        why = "; ".join(_REFUSED.get(one, "no reason that we know") for one in refusals)
        return Verdict(status="refused", codes=tuple(Code(one, "question refused") for one in refusals), detail=why)
    listings = [str(one) for one in addresses if str(one) not in blocklist.not_listed]
    codes = tuple(Code(one, blocklist.codes.get(one, "listed")) for one in listings)
    return Verdict(status="listed" if codes else "clean", codes=codes)


def clean_reason(texts: Sequence[str]) -> str | None:
    """A list's explanation (TXT records) as one line of printable text; anybody may have written it."""
    joined = " ".join(texts)[: 4 * MAX_REASON]
    printable = "".join(char if char.isprintable() else " " for char in joined)
    return " ".join(printable.split())[:MAX_REASON] or None


def keep_for(ttl: int | None) -> int:
    """Seconds that an answer is kept, from the TTL of its records or the negative TTL of its zone (RFC 2308 §5)."""
    return max(MIN_TTL, min(MAX_TTL, MIN_TTL if ttl is None else ttl))


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A test point of a list (RFC 5782 §5), and how it answered."""

    address: str
    expected: Literal["listed", "clean"]
    status: Status


Health = Literal["working", "refused", "failing", "unknown"]


def judge(probes: Sequence[Probe]) -> tuple[Health, str]:
    """The health of a list by its test points, and what is wrong with it.

    That an IPv6 test point is not listed is told but not held against a list that has one for IPv4: many maintain
    the one and forgot the other.
    """
    if not probes:
        return "unknown", "has no test points"
    if any(probe.status == "refused" for probe in probes):
        return "refused", "refuses our resolver's questions: see its terms of use"
    wrong = [probe for probe in probes if probe.status != probe.expected]
    detail = ", ".join(f"{probe.address} is {probe.status} instead of {probe.expected}" for probe in wrong)
    has_ipv4 = any("." in probe.address for probe in probes)
    if all(has_ipv4 and _is_forgotten(probe) for probe in wrong):
        return "working", detail
    return "failing", f"not to be relied upon: {detail}"


def _is_forgotten(probe: Probe) -> bool:
    return ":" in probe.address and (probe.expected, probe.status) == ("listed", "clean")


def overall(statuses: Sequence[Status]) -> Literal["listed", "clean", "unknown"]:
    """What many lists say together: one listing is enough, and silence is no innocence."""
    if "listed" in statuses:
        return "listed"
    return "clean" if "clean" in statuses else "unknown"


def _ipv4(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None
