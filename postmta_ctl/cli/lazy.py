"""A group that imports a command when it is run: completion and the list of commands must not wait for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import rich_click as click


class Where(NamedTuple):
    """Where a command is."""

    place: str
    """Module and name, such as ``postmta_ctl.cli.db:db``."""
    summary: str
    """What the list of commands says of it: the first sentence of its own help."""

    def load(self) -> click.Command:
        """The command itself."""
        module, _, name = self.place.partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found


class LazyGroup(click.RichGroup):
    """A group of commands that are imported when they are run; the list shows them by their summaries."""

    places: Mapping[str, Where] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return [*self.places, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What the list shows of a command."""
        if where := self.places.get(cmd_name):
            return click.RichCommand(name=cmd_name, help=where.summary)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command itself, to be run."""
        name, shown, rest = super().resolve_command(ctx, args)
        return name, self.places[name].load() if name and name in self.places else shown, rest
