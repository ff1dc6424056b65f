"""DNS as a policy asks it, answered by whoever the caller chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class DnsFailure(Exception):
    """No answer: NXDOMAIN, SERVFAIL, timeout. Raised by resolvers."""


class Resolver(Protocol):
    """Answers; each method raises :class:`DnsFailure` where there is no answer."""

    def mx(self, domain: str) -> Sequence[tuple[int, str]]:
        """Preference and host of each MX record, best first; empty when the domain has none."""
        ...

    def addresses(self, host: str) -> Sequence[str]:
        """IPv4 and IPv6 addresses."""
        ...

    def txt(self, domain: str) -> Sequence[str]:
        """TXT records, the strings of each joined."""
        ...

    def ptr(self, address: str) -> Sequence[str]:
        """Names of an address."""
        ...


class EveryHostHasBoth:
    """A DNS in which each domain has one exchanger, and each host an IPv4 and an IPv6 address for documentation."""

    def mx(self, domain: str) -> Sequence[tuple[int, str]]:
        """``mx`` in the domain."""
        return [(10, f"mx.{domain}")]

    def addresses(self, host: str) -> Sequence[str]:  # noqa: ARG002
        """One of RFC 5737, one of RFC 3849."""
        return ["203.0.113.1", "2001:db8::1"]

    def txt(self, domain: str) -> Sequence[str]:  # noqa: ARG002
        """None."""
        return []

    def ptr(self, address: str) -> Sequence[str]:  # noqa: ARG002
        """None."""
        return []
