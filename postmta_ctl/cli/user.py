"""``postmta user``."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import with_system
from postmta_ctl.features.auth import service
from postmta_ctl.features.auth.schemas import Registered


@click.group()
def user() -> None:
    """Look at the users."""


@user.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """List the users of all organizations.

    Example: postmta user list
    """
    users = with_system(service.all_users)
    if as_json:
        print_json(users)
        return
    columns = ("EMAIL", "ORGANIZATION", "ROLE", "OPERATOR", "CREATED")
    print_table(columns, (_cells(one) for one in users))


def _cells(one: Registered) -> tuple[object, ...]:
    user = one.user
    return user.email, one.organization.slug, user.role, "yes" if user.is_operator else None, user.created_at
