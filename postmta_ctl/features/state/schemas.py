"""State files, and what is said of them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.declarative.document import Problem
from postmta_ctl.declarative.steps import Step


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration as it is."""

    yaml: str
    """The same configuration gives the same text, and applying it changes nothing."""


class StateFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration as it is to be."""

    yaml: Annotated[str, Meta(max_length=2_000_000, examples=["version: 1\norganizations: {}\n"])]
    """As ``docs/declarative.md`` describes it, without references to secrets."""
    prune: bool = False
    """Delete what the file does not have, in the sections that it has."""


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a file would change, or what was changed by it."""

    applied: bool
    steps: list[Step]
    """In the order in which they are done; none: everything is as the file says."""
    problems: list[Problem]
    """Why it cannot be applied."""
