"""What the service costs before anybody uses it: memory, and the time from its start to its first answer."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.rows import Measure, Row, Sample, add
from bench.servers import ENVIRONMENT, bare, memory, product, seconds_until_it_answers
from tests.serving import free_port

SETTLED_SECONDS = 3.0


@contextmanager
def _memory() -> Iterator[tuple[Measure, Measure]]:
    with product() as service, bare() as (_, process):
        # As on any day but the first: what made the tables is gone.
        service.stop()
        service.start()
        time.sleep(SETTLED_SECONDS)
        yield lambda: Sample(value=memory(service.pid)), lambda: Sample(value=memory(process))


@contextmanager
def _start() -> Iterator[tuple[Measure, Measure]]:
    with tempfile.TemporaryDirectory(prefix="postmta-bench-") as folder:
        port = free_port()
        own = {"POSTMTA_DATA_DIR": folder, "POSTMTA_PORT": str(port)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTMTA_")}
        environment = inherited | ENVIRONMENT | own

        def ours() -> Sample:
            command = [sys.executable, "-m", "postmta_ctl", "serve"]
            return Sample(value=seconds_until_it_answers(command, port, environment))

        def other() -> Sample:
            command = [sys.executable, "-m", "bench.bare", str(port)]
            return Sample(value=seconds_until_it_answers(command, port, inherited))

        ours()  # makes the database
        yield ours, other


add(
    Row(
        name="idle-memory",
        what="memory of the idle service",
        against="bare Litestar application under the same server",
        unit="MB",
        reach=3,
        better="less",
        rounds=3,
        sides=_memory,
    )
)
add(
    Row(
        name="start",
        what="start to the first answer, database in place",
        against="bare Litestar application under the same server",
        unit="s",
        reach=2.5,
        better="less",
        rounds=3,
        sides=_start,
    )
)
