"""The command line, both of ``postmta sandbox`` and of ``python -m postmta_ctl.sandbox``."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import UUID

import rich_click as click

from postmta_ctl.luavm.formats import parse_host_port
from postmta_ctl.sandbox.options import Options
from postmta_ctl.sandbox.process import run
from postmta_ctl.sandbox.receivers import table


class _Address(click.ParamType[object]):
    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int] | object:
        if not isinstance(value, str):
            return value
        try:
            return parse_host_port(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(epilog=table().replace("\n", "\n\n"))
@click.option("--policy-dir", type=click.Path(path_type=Path), required=True, help="The node's folder, as published.")
@click.option("--listen", type=_Address(), default="127.0.0.1:0", show_default=True, help="Port 0: any free one.")
@click.option(
    "--time-scale",
    type=click.FloatRange(min=0.001, max=1_000_000),
    default=1.0,
    show_default=True,
    help="Simulated seconds in a real one, for retries, expiry and reports.",
)
@click.option("--node-id", type=click.UUID, help="Id in log records; kept in the spool's folder by default.")
@click.option("--spool-dir", type=click.Path(path_type=Path), help="[default: POLICY_DIR/spool]")
@click.option("--log-dir", type=click.Path(path_type=Path), help="[default: POLICY_DIR/logs]")
@click.option("--open-faults", is_flag=True, help="Let anybody order faults by /sandbox/…, whatever the policy says.")
def sandbox(
    policy_dir: Path,
    listen: tuple[str, int],
    time_scale: float,
    node_id: UUID | None,
    spool_dir: Path | None,
    log_dir: Path | None,
    open_faults: bool,
) -> None:
    """Run a simulated KumoMTA node that executes the policy published into a folder.

    No mail leaves it: what becomes of a message is decided by the recipient's local part, as told below. The
    listeners of the policy are not opened, only --listen is.

    Example: postmta sandbox --policy-dir data/sandbox --listen 127.0.0.1:8000 --time-scale 60
    """
    options = Options(
        policy_dir=policy_dir.absolute(),
        host=listen[0],
        port=listen[1],
        time_scale=time_scale,
        node_id=str(node_id) if node_id else None,
        spool_dir=spool_dir,
        log_dir=log_dir,
        open_faults=open_faults,
    )
    sys.exit(run(options))
