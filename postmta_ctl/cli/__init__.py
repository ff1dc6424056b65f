"""The ``postmta`` command: a module for each group of subcommands."""

from __future__ import annotations

import sys

import rich_click as click

from postmta_ctl.cli.serve import serve
from postmta_ctl.errors import PostMTAError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postmta-ctl", prog_name="postmta")
def cli() -> None:
    """PostMTA: the control plane for KumoMTA."""


cli.add_command(serve)


def main() -> None:
    """Entry point: errors of ours become one line and exit status 1."""
    try:
        cli(standalone_mode=True)
    except PostMTAError as error:
        click.echo(f"postmta: {error.detail}", err=True)
        for one in error.errors:
            click.echo(f"  {one.field}: {one.message}", err=True)
        sys.exit(1)
