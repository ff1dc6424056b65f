"""The groups themselves, each made when it is asked for: it needs the schemas of its part of the API."""

from __future__ import annotations

from functools import cache

import rich_click as click

from postmta_ctl.cli.remote import table_account, table_mail
from postmta_ctl.cli.remote.commands import group_of

TABLE = {one.name.replace("-", "_"): one for one in (*table_mail.GROUPS, *table_account.GROUPS)}


@cache
def made(name: str) -> click.Group:
    """The group of this name."""
    group = group_of(TABLE[name])
    if name == table_mail.SUPPRESSIONS.name:
        from postmta_ctl.cli.remote.suppression_files import import_file  # noqa: PLC0415 - needs that part only

        group.add_command(import_file)
    return group


def __getattr__(name: str) -> click.Group:
    if name not in TABLE:
        raise AttributeError(name)
    return made(name)
