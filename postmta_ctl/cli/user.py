"""``postmta user``."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import author, with_system
from postmta_ctl.features.auth import service
from postmta_ctl.features.auth.principal import ROLES
from postmta_ctl.features.auth.schemas import Registered
from postmta_ctl.features.importing.service import principal_of
from postmta_ctl.features.users import invitations
from postmta_ctl.features.users import service as users
from postmta_ctl.features.users.profile import Role
from postmta_ctl.features.users.schemas import InvitationCreate, InvitationCreated
from postmta_ctl.system import System


@click.group()
def user() -> None:
    """Look at the users, and say who operates the installation."""


@user.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """List the users of all organizations.

    Example: postmta user list
    """
    found = with_system(service.all_users)
    if as_json:
        print_json(found)
        return
    columns = ("EMAIL", "ORGANIZATION", "ROLE", "OPERATOR", "CREATED")
    print_table(columns, (_cells(one) for one in found))


@user.command()
@click.argument("email")
@click.option("--revoke", is_flag=True, help="Make the user an operator no longer.")
def operator(email: str, revoke: bool) -> None:
    """Make a user an operator: one who publishes the policy and sees every organization.

    Example: postmta user operator bob@example.com
    """
    with_system(lambda system: users.set_operator(system, email, is_operator=not revoke, actor=author()))
    click.echo(f"{email} is {'no longer' if revoke else 'now'} an operator.")


@user.command()
@click.argument("email")
@click.option("--organization", metavar="SLUG", help="Into which; the only one there is when absent.")
@click.option("--role", default="owner", show_default=True, type=click.Choice(list(ROLES)))
@as_json
def invite(email: str, organization: str | None, role: Role, as_json: bool) -> None:
    """Invite somebody into an organization, such as the first owner of one that a file has made.

    Prints the token that registering takes, this once.

    Example: postmta user invite ann@example.com --organization acme
    """

    async def run(system: System) -> InvitationCreated:
        principal = await principal_of(system, organization, author())
        return await invitations.invite(system, principal, InvitationCreate(email=email, role=role))

    made = with_system(run)
    if as_json:
        print_json(made)
        return
    click.echo(f"Token of the invitation, good until {made.invitation.expires_at:%Y-%m-%d %H:%M} UTC: {made.token}")


def _cells(one: Registered) -> tuple[object, ...]:
    user = one.user
    return user.email, one.organization.slug, user.role, "yes" if user.is_operator else None, user.created_at
