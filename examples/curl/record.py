"""Run every script here against a service of its own, and keep what it printed: ``python examples/curl/record.py``.

The service is that of ``make run``, in an empty folder. What differs from run to run (ids, moments, secrets) is kept as
it came but for secrets, which are cut short.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postmta_ctl.cli.demo import scenario
from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.server import running_server
from postmta_ctl.cli.demo.show import Screen

HERE = Path(__file__).parent
SCRIPTS = sorted(HERE.glob("[0-9]*.sh"))
TRANSCRIPTS = HERE / "transcripts"
SECONDS = 120.0
_SECRETS = re.compile(r"\b(pmta_[0-9a-z]{4}|eyJ|whsec_)[\w.+/=-]+|(?<=token\": \")[\w-]{8,}|(?<=token\":\")[\w-]{8,}")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def service() -> Iterator[dict[str, str]]:
    """A running service, as the variables that the scripts read."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "data") as server,
        Api(server.url) as api,
    ):
        account = scenario.set_up(Screen(), api, server)
        yield {"POSTMTA_URL": server.url, "POSTMTA_API_KEY": account.api_key, "RUN": "7"}


def run(script: Path, variables: dict[str, str]) -> str:
    """What a script prints.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    done = subprocess.run(
        ["sh", str(script)], env=os.environ | variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script.name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return _SECRETS.sub(lambda found: f"{found[0][:8]}…", _ADDRESS.sub("http://127.0.0.1:8080", done.stdout))


def main() -> None:
    """Write the transcripts anew."""
    with service() as variables:
        for script in SCRIPTS:
            print(script.name, file=sys.stderr)
            (TRANSCRIPTS / f"{script.stem}.txt").write_text(run(script, variables), encoding="utf-8")


if __name__ == "__main__":
    main()
