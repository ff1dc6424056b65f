"""What the scenario routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.policy.scenarios.format import MAX_TEXT, Scenario

_EXAMPLE = """\
[[scenario]]
name = "acme signs with both keys"
organization = "acme"
from = "news@acme.example"
to = "bob@gmail.com"

[scenario.expect]
signed_by = ["pmta", "pmta-ed25519"]
"""


class ScenariosUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole list, as text."""

    toml: Annotated[
        str,
        Meta(
            max_length=MAX_TEXT,
            examples=[_EXAMPLE],
        ),
    ]
    """An empty text takes all scenarios away."""


class Scenarios(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's scenarios, which every policy must pass before it is published."""

    toml: str
    """As it was written, comments and all."""
    scenarios: list[Scenario]
    updated_at: datetime | None
    updated_by: str | None
