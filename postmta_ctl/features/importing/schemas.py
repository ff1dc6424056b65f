"""What an import shows."""

from typing import Literal

import msgspec

from postmta_ctl.importing.report import Line

Kind = Literal["vmta", "pool", "domain"]
Action = Literal["create", "unchanged", "conflict"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that the configuration asks for."""

    kind: Kind
    name: str
    action: Action
    """``conflict``: it cannot be made, or there is another one of its name; it is left as it is."""
    detail: str


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of an import, or what was done by it."""

    organization: str
    applied: bool
    items: list[Item]
    settings: str
    """What belongs into the settings file, in TOML, and is the operator's to put there."""
    outcomes: dict[str, int]
    """Directives by what became of them."""
    unreadable: list[str]
    """``file:line`` of what could not be read."""
    report: list[Line]
    """Every directive of the configuration, once."""

    @property
    def findings(self) -> list[str]:
        """What a person has to look at before anything is written."""
        conflicts = [f"{one.kind} {one.name}: {one.detail}" for one in self.items if one.action == "conflict"]
        return [*(f"{place}: cannot be read" for place in self.unreadable), *conflicts]
