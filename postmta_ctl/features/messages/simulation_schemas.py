"""What a simulated delivery tells."""

from typing import Any

import msgspec


class DkimIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that the message would carry (RFC 6376)."""

    domain: str
    selector: str
    algorithm: str


class HeaderSize(msgspec.Struct, frozen=True, kw_only=True):
    """A header field of the message, unfolded, and its octets as it travels."""

    name: str
    value: str
    octets: int


class VmtaOdds(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA that the message may leave through; of a pair of addresses, by one of them."""

    vmta: str
    egress_source: str
    """Its name in KumoMTA."""
    ip_address: str | None
    ehlo_domain: str | None
    share: float
    """Of 1,000 messages sent one after the other into a fresh queue, with no allowance used yet: 0 to 1."""
    limits: dict[str, Any]
    """KumoMTA's options of the path that limit it."""


class SimulatedReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandbox's simulated receiver would answer. A real one decides for itself."""

    sandbox: bool
    meaning: str
    code: int
    enhanced_code: str
    reply: str


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """When a message is tried that nobody takes, by KumoMTA's doubling intervals. It varies them a little."""

    max_age: int
    """Seconds after which it is given up."""
    after: list[int]
    """Seconds from the first attempt to each further one, the first hundred of them."""
    is_all: bool
    """There are no more than these."""


class SimulatedRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to the message to one recipient."""

    address: str
    outcome: str
    """``sent``, ``suppressed``, or ``refused`` by the policy."""
    refusal: str | None = None
    """The policy's words."""
    tenant: str | None = None
    queue: str | None = None
    pool: str | None = None
    first_vmta: str | None = None
    """The one that a fresh queue chooses first."""
    vmtas: list[VmtaOdds] = []
    delayed_share: float = 0.0
    """Of the same 1,000, those that would find every vMTA out of its allowance, and wait."""
    queue_limits: dict[str, Any] = {}
    """How long and how often it is tried."""
    retries: Retries | None = None
    dkim: list[DkimIdentity] = []
    headers: list[HeaderSize] = []
    header_octets: int = 0
    octets: int = 0
    """All of the message, as it travels."""
    receiver: SimulatedReceiver | None = None


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """A problem to be expected."""

    severity: str
    """``error``: it will not arrive. ``warning``: it may not, or not as meant."""
    code: str
    message: str
    recipient: str | None = None


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to a message, by the published policy. Nothing was sent or stored."""

    release: int
    """The release whose policy it went through."""
    recipients: list[SimulatedRecipient]
    problems: list[Predicted]
