"""The ``postmta`` command: a module for each group of subcommands."""

from __future__ import annotations

import sys

import rich_click as click

from postmta_ctl.agent.command import agent
from postmta_ctl.cli.db import db
from postmta_ctl.cli.demo import demo
from postmta_ctl.cli.explain import explain
from postmta_ctl.cli.importing import importing
from postmta_ctl.cli.logs import logs
from postmta_ctl.cli.node import node
from postmta_ctl.cli.policy import policy
from postmta_ctl.cli.serve import serve
from postmta_ctl.cli.state import apply, export
from postmta_ctl.cli.user import user
from postmta_ctl.cli.warmup import warmup
from postmta_ctl.errors import PostMTAError
from postmta_ctl.sandbox.command import sandbox


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postmta-ctl", prog_name="postmta")
def cli() -> None:
    """PostMTA: the control plane for KumoMTA."""


for command in (serve, demo, policy, explain, node, logs, db, user, warmup, importing, export, apply, sandbox, agent):
    cli.add_command(command)
# Under both names: it is asked as often by who looks after mail as by who looks after the policy.
policy.add_command(explain)


def main() -> None:
    """Entry point: errors of ours become one line and exit status 1."""
    try:
        cli(standalone_mode=True)
    except PostMTAError as error:
        click.echo(f"postmta: {error.detail}", err=True)
        for one in error.errors:
            click.echo(f"  {one.field}: {one.message}", err=True)
        sys.exit(1)
