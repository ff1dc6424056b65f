"""The ``postmta`` command: a module for each group of subcommands, imported when it is run.

Exit status: 0; 1, something was refused or found wrong; 2, wrong usage; 3, there is a difference, where it was asked
for; 4, no answer. ``docs/cli.md`` tells which command uses which.
"""

from __future__ import annotations

import sys

import rich_click as click
from rich.console import Console

from postmta_ctl.cli.lazy import LazyGroup, Where
from postmta_ctl.errors import NodeUnreachable, PostMTAError

NO_ANSWER = 4
_HERE, _API = "postmta_ctl.cli", "postmta_ctl.cli.remote.groups"

PLACES = {
    "serve": Where(
        f"{_HERE}.serve:serve", "Run the API, the relay, ingestion and the background jobs, or some of them."
    ),
    "demo": Where(f"{_HERE}.demo:demo", "Do the whole job against the embedded sandbox node, and show it."),
    "doctor": Where(f"{_HERE}.doctor:doctor", "Look for what is wrong with the installation, and say what to do."),
    "policy": Where(f"{_HERE}.policy:policy", "Render, prove and publish the policy of the KumoMTA nodes."),
    "explain": Where(f"{_HERE}.explain:explain", "Show why a message would go where it goes."),
    "export": Where(f"{_HERE}.state:export", "Write the configuration down."),
    "apply": Where(f"{_HERE}.state:apply", "Bring the configuration to what a file says."),
    "import": Where(f"{_HERE}.importing:importing", "Move in: read another configuration, and make what it says."),
    "node": Where(f"{_HERE}.node:node", "Add, list and remove KumoMTA nodes."),
    "db": Where(f"{_HERE}.db:db", "Look after the database."),
    "user": Where(f"{_HERE}.user:user", "Look at the users, and say who operates the installation."),
    "logs": Where(f"{_HERE}.logs:logs", "KumoMTA's log files."),
    "warmup": Where(f"{_HERE}.warmup:warmup", "Look at warm-ups, and plan them."),
    "sandbox": Where("postmta_ctl.sandbox.command:sandbox", "Run a simulated KumoMTA node."),
    "agent": Where("postmta_ctl.agent.command:agent", "Bring releases to the kumod beside it."),
    "messages": Where(f"{_API}:messages", "Send messages, follow and cancel them."),
    "queues": Where(f"{_API}:queues", "Look at queues; hold, release and flush them."),
    "suppressions": Where(f"{_API}:suppressions", "The addresses that get no more mail."),
    "templates": Where(f"{_API}:templates", "Templates of messages and their versions."),
    "domains": Where(f"{_API}:domains", "Sending domains: what to publish in DNS, verification, DKIM keys."),
    "vmtas": Where(f"{_API}:vmtas", "Virtual MTAs: addresses that mail leaves from."),
    "pools": Where(f"{_API}:pools", "Named pools of vMTAs."),
    "ips": Where(f"{_API}:ips", "The installation's addresses, and who may send from them."),
    "shaping": Where(f"{_API}:shaping", "How much is sent to a provider or a domain at once."),
    "automation": Where(f"{_API}:automation", "What TSA daemons do upon answers of providers."),
    "webhooks": Where(f"{_API}:webhooks", "Endpoints that are told of events, and what they were told."),
    "analytics": Where(f"{_API}:analytics", "What became of the mail, in figures."),
    "security": Where(
        f"{_API}:security", "Rules that stop mail, blocks, greylisting, blocklists, judging of drafts and files."
    ),
    "users": Where(f"{_API}:users", "People of the organization, and invitations."),
    "api-keys": Where(f"{_API}:api_keys", "Keys of programs that use the API."),
    "smtp-credentials": Where(f"{_API}:smtp_credentials", "User names and secrets for submission by SMTP."),
    "credits": Where(f"{_API}:credits", "Balances, what used them, and alerts."),
    "billing": Where(f"{_API}:billing", "The plan, invoices and what they are made of."),
    "audit": Where(f"{_API}:audit", "Who did what."),
    "health": Where(f"{_API}:health", "How a running service is."),
    "completion": Where(
        f"{_HERE}.completion:completion", "Print the script that completes commands, options and choices in a shell."
    ),
}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postmta-ctl", prog_name="postmta")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """PostMTA: the control plane for KumoMTA.

    Groups named after parts of the API (messages, domains, …) go through it: POSTMTA_URL and POSTMTA_API_KEY say where
    and as whom. The others work on the installation itself, by its settings.

    Example: postmta doctor
    """
    if Console().no_color:
        # Rich goes by NO_COLOR (https://no-color.org), click by itself does not.
        ctx.color = False


cli.places = PLACES


def main() -> None:
    """Entry point: errors of ours become one line and an exit status."""
    try:
        cli(standalone_mode=True, prog_name="postmta")
    except PostMTAError as error:
        click.echo(f"postmta: {error.detail}", err=True)
        for one in error.errors:
            click.echo(f"  {one.field}: {one.message}", err=True)
        sys.exit(NO_ANSWER if isinstance(error, NodeUnreachable) else 1)
