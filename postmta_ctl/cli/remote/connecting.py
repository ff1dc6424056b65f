"""Reaching the API from the command line, and finding things there by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rich_click as click

from postmta_ctl.cli import NO_ANSWER
from postmta_ctl.cli.output import printable
from postmta_ctl.client import ApiError, Client, ClientError
from postmta_ctl.core.ids import is_id

UNAUTHENTICATED = 401
TIMEOUT = 120.0
"""Seconds: some answers wait for every node."""
NAMED = {
    "domain_id": ("domains", "list", "domain"),
    "vmta_id": ("vmtas", "list", "name"),
    "pool_id": ("pools", "list", "name"),
    "template_id": ("templates", "list", "name"),
    "webhook_id": ("webhooks", "list", "url"),
    "key_id": ("api_keys", "list", "name"),
    "credential_id": ("smtp_credentials", "list", "name"),
    "user_id": ("users", "list", "email"),
    "invitation_id": ("users", "list_invitations", "email"),
    "rule_id": ("auto_block", "list_rules", "name"),
    "suppression_id": ("suppressions", "list", "address"),
    "ip_id": ("ips", "list", "ip_address"),
    "schedule_id": ("warmup", "list_schedules", "name"),
    "node_id": ("nodes", "list", "name"),
}
"""What people call a thing: group and operation that list them, and the field with its name."""

URL = click.Option(
    ["api_url", "--api-url"],
    envvar="POSTMTA_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    show_envvar=True,
    help="Where the API is.",
)
API_KEY = click.Option(
    ["api_key", "--api-key"], envvar="POSTMTA_API_KEY", show_envvar=True, help="Of the organization."
)


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator[Client]:
    """A client for one command, whose errors become lines and an exit status.

    Raises:
        click.UsageError: The address is none.
        SystemExit: 1 when the API refuses, 4 when there is no answer, or none of this API.
    """
    try:
        client = Client(url, api_key, timeout=TIMEOUT)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        with client:
            yield client
    except ApiError as error:
        click.echo(printable(f"postmta: {error}"), err=True)
        for one in error.errors:
            click.echo(printable(f"  {one.field}: {one.message}"), err=True)
        if error.status == UNAUTHENTICATED and not api_key:
            click.echo("Set POSTMTA_API_KEY, or give --api-key.", err=True)
        raise SystemExit(1) from None
    except ClientError as error:
        click.echo(printable(f"postmta: {url}: {error}"), err=True)
        raise SystemExit(NO_ANSWER) from None


def id_of(client: Client, parameter: str, given: str) -> str:
    """The id of a thing that was named by its id or by what people call it.

    Raises:
        click.ClickException: There is none of this name, or more than one.
    """
    if parameter not in NAMED or is_id(given):
        return given
    group, operation, field = NAMED[parameter]
    filters = {"address": given} if parameter == "suppression_id" else {}
    listed = getattr(getattr(client, group), operation)(**filters)
    things = getattr(listed, "data", listed)
    found = [one.id for one in things if getattr(one, field) == given and one.id]
    if len(found) != 1:
        what = parameter.removesuffix("_id").replace("_", " ")
        raise click.ClickException(f"There {'is no' if not found else 'is more than one'} {what} {given}; give its id.")
    return str(found[0])
