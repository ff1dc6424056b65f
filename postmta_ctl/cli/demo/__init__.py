"""``postmta demo``: the main job, from an empty folder to delivered mail, on embedded defaults."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import rich_click as click

from postmta_ctl.cli.demo import scenario
from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.server import running_server
from postmta_ctl.cli.demo.show import Screen


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where everything is kept. Emptied first, unless --serve is given.",
)
@click.option("--port", type=int, default=0, help="Port of the API; a free one when absent.")
@click.option("--serve", is_flag=True, help="Set up an account and stay, to be played with: no messages are sent.")
@click.option("--keep", is_flag=True, help="Stay after the demonstration, with its data.")
def demo(data_dir: Path, port: int, serve: bool, keep: bool) -> None:
    """Do the whole job against the embedded sandbox node, and show it.

    No mail leaves this machine and no DNS is asked: receivers and records are simulated. Exits with status 0 only if
    every message met the fate that was meant for it.

    Example: postmta demo --keep
    """
    screen = Screen()
    if not serve:
        shutil.rmtree(data_dir, ignore_errors=True)
    # The demonstration publishes by hand, after it has shown the plan.
    with running_server(data_dir, port, auto_publish=serve) as server, Api(server.url) as api:
        account = scenario.set_up(screen, api, server)
        as_meant = serve or scenario.send_and_watch(screen, api, server, account)
        if serve or keep:
            screen.invitation(server.url, account.api_key, f"{account.email} with {account.password}")
            server.wait()
    sys.exit(0 if as_meant else 1)
