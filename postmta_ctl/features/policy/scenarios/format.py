"""``scenarios.toml``: messages, and what the policy must do with them. Pure.

::

    [[scenario]]
    name = "mail of acme to gmail leaves by mx1, at most 500 a day"
    organization = "acme"
    from = "news@acme.example"
    to = "bob@gmail.com"

    [scenario.expect]
    pool = "acme"
    vmtas = ["mx1"]
    per_day = { mx1 = 500 }
    signed_by = ["pmta", "pmta-ed25519"]
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.core.client_address import parse_networks
from postmta_ctl.luavm.formats import parse_duration

MAX_TEXT = 256 * 1024
MAX_SCENARIOS = 500
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Address = Annotated[str, Meta(min_length=3, max_length=320, pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+$")]
_Envelope = Annotated[str, Meta(max_length=320, pattern=r"^(?:[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+)?$")]
_Word = Annotated[str, Meta(pattern=r"^[a-z0-9._-]{1,63}$")]


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come of a message; what is absent may be anything."""

    refused: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    """Part of the reply that it is refused with, such as ``550 5.7.1 postmta-foreign-domain``."""
    queue: str | None = None
    """KumoMTA's name of the scheduled queue."""
    pool: str | None = None
    vmtas: tuple[str, ...] | None = None
    """All vMTAs that it may leave from, in any order."""
    per_day: dict[str, Annotated[int, Meta(ge=0)] | Literal["warm-up"]] | None = None
    """By vMTA, the most that may leave from it in any 24 hours, to hosts such as the recipient's; ``warm-up``: its
    tickets say."""
    signed_by: tuple[str, ...] | None = None
    """DKIM selectors, in any order; empty: it leaves without a signature."""
    reports: bool | None = None
    """Whether it is to the domain where bounces and complaints come back: they are read, and nothing is passed on."""
    hosts: tuple[str, ...] | None = None
    """Where it is passed on to instead of to the domain's mail exchangers; empty: to these."""
    retry_interval: str | None = None
    max_age: str | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With what a message is submitted; those who keep to a policy need not have made it."""

    username: _Word = "scenario"
    domains: tuple[str, ...] | None = None
    """From domains that it may be used for; absent: all of the organization."""
    networks: tuple[str, ...] | None = None
    """Addresses and networks from which it may be used; absent: from anywhere."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message, and what must come of it."""

    name: _Name
    sender: _Address = msgspec.field(name="from")
    """In the From field."""
    to: _Address
    organization: _Word | None = None
    """Whose it is. Of a host that may relay it is told by the From domain, so it is not said."""
    via: Literal["api", "submission", "smtp", "inbound"] = "api"
    """``submission``: by SMTP, with a credential of the organization; ``smtp``: from a host that may relay;
    ``inbound``: by a stranger's mail server."""
    credential: Credential | None = None
    """Of a submission; absent: one without limits."""
    client: Annotated[str, Meta(max_length=45)] | None = None
    """The address that a submission or a stranger comes from."""
    mail_from: _Envelope | None = None
    """Envelope sender of a submission or a stranger, empty for the null sender; absent: as in From."""
    came_before: Annotated[str, Meta(max_length=50)] | None = None
    """How long before, such as ``10m``, the stranger tried the same message for the first time."""
    vmta: _Word | None = None
    """The only one that it may leave from, by its sender's wish."""
    pool: _Word | None = None
    """The named pool that its sender chose; else that of its domain, if any."""
    tag: _Word | None = None
    mx: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Name of the recipient's mail exchanger, which tells the provider; one that nobody knows when absent."""
    expect: Expectation


class ScenarioError(ValueError):
    """The text is no list of scenarios; ``field`` says where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scenario: tuple[dict[str, Any], ...] = ()


def parse(text: str) -> tuple[Scenario, ...]:
    """The scenarios of a file; none in an empty one.

    Raises:
        ScenarioError: It is no TOML, or a scenario has no sense.
    """
    if len(text) > MAX_TEXT:
        raise ScenarioError("scenarios.toml", f"has more than {MAX_TEXT} characters")
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise ScenarioError("scenarios.toml", str(error) or "nested too deeply") from error
    if len(file.scenario) > MAX_SCENARIOS:
        raise ScenarioError("scenarios.toml", f"has more than {MAX_SCENARIOS} scenarios")
    scenarios = tuple(_scenario(index, entry) for index, entry in enumerate(file.scenario))
    names = [each.name for each in scenarios]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ScenarioError(f"scenario[{index}].name", f"there are two scenarios {name!r}")
    return scenarios


def _scenario(index: int, entry: dict[str, Any]) -> Scenario:
    where = f"scenario[{index}]"
    try:
        scenario = msgspec.convert(entry, Scenario)
    except msgspec.ValidationError as error:
        name = entry.get("name")
        raise ScenarioError(where, f"{error} (in {name!r})" if isinstance(name, str) else str(error)) from error
    for name, message in _problems(scenario):
        raise ScenarioError(f"{where}.{name}", message)
    if all(value is None for value in msgspec.structs.asdict(scenario.expect).values()):
        raise ScenarioError(f"{where}.expect", "expects nothing")
    return scenario


def _problems(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Fields that make no sense together."""
    if (scenario.via in ("api", "submission")) == (scenario.organization is None):
        yield "organization", "by API or submission it says whose it is; of other mail its domains do"
    if scenario.via != "api" and scenario.pool is not None:
        yield "pool", "mail by SMTP takes the pool of its From domain"
    for name, ways in _ONLY_BY.items():
        if getattr(scenario, name) is not None and scenario.via not in ways:
            yield name, f"has no meaning by {scenario.via}"
    yield from _unreadable("client", ipaddress.ip_address, scenario.client)
    yield from _unreadable("came_before", parse_duration, scenario.came_before)
    if scenario.credential is not None:
        yield from _unreadable("credential.networks", parse_networks, scenario.credential.networks)


_ONLY_BY = {
    "credential": ("submission",),
    "client": ("submission", "inbound"),
    "mail_from": ("submission", "inbound"),
    "came_before": ("inbound",),
    "vmta": ("api", "submission", "smtp"),
    "tag": ("api", "submission", "smtp"),
}


def _unreadable(name: str, parse: Callable[[Any], object], value: object) -> Iterator[tuple[str, str]]:
    try:
        if value is not None:
            parse(value)
    except ValueError as error:
        yield name, str(error)
