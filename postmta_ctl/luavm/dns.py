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
