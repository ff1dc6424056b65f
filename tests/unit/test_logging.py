from __future__ import annotations

import json
import socket
import subprocess
import sys

SCRIPT = """
import asyncio
import structlog
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import Settings

configure_logging(Settings(log_format="json"))
log = structlog.get_logger()
log.info("first", text="a\\nb")
log.info("second")

async def turns():
    log.info("third")
    log.info("fourth")
    await asyncio.sleep(0)
    log.info("fifth")

async def last():
    log.info("sixth")

asyncio.run(turns())
asyncio.run(last())
log.info("seventh")
asyncio.run(last())
"""


def test_lines_are_written_whole_and_those_of_one_turn_of_a_loop_together() -> None:
    """What is written at once is a datagram here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run([sys.executable, "-c", SCRIPT], stderr=theirs, check=True)
        ours.setblocking(False)
        written = [ours.recv(65_536).decode() for _ in range(7)]

    assert all(text.endswith("}\n") for text in written)
    told = [[json.loads(line)["event"] for line in text.splitlines()] for text in written]
    assert told == [["first"], ["second"], ["third", "fourth"], ["fifth"], ["sixth"], ["seventh"], ["sixth"]]
