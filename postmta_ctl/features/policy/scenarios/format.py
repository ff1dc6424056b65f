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

import tomllib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_TEXT = 256 * 1024
MAX_SCENARIOS = 500
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Address = Annotated[str, Meta(min_length=3, max_length=320, pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+$")]
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
    hosts: tuple[str, ...] | None = None
    """Where it is passed on to instead of to the domain's mail exchangers; empty: to these."""
    retry_interval: str | None = None
    max_age: str | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message, and what must come of it."""

    name: _Name
    sender: _Address = msgspec.field(name="from")
    """In the From field."""
    to: _Address
    organization: _Word | None = None
    """Whose it is. By SMTP that is told by the From domain, so it is not said."""
    via: Literal["api", "smtp"] = "api"
    """``smtp``: from a host that may relay."""
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
    if (scenario.via == "api") == (scenario.organization is None):
        message = "by API it says whose it is, by SMTP the From domain does"
        raise ScenarioError(f"{where}.organization", message)
    if scenario.via == "smtp" and scenario.pool is not None:
        raise ScenarioError(f"{where}.pool", "mail by SMTP takes the pool of its From domain")
    if all(value is None for value in msgspec.structs.asdict(scenario.expect).values()):
        raise ScenarioError(f"{where}.expect", "expects nothing")
    return scenario
