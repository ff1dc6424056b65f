from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

BEGINNING = """
import asyncio, os
import structlog
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import Settings

configure_logging(Settings(log_format="json"))
log = structlog.get_logger()
"""
TURNS = """
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


LAST_WORDS = """
async def dies(tell):
    log.info("before")
    tell("cannot start")
    os._exit(70)

asyncio.run(dies(log.LEVEL))
"""


def written_by(script: str, status: int = 0) -> list[list[str]]:
    """The events of each writing to standard error: what is written at once is a datagram here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    found = []
    with ours, theirs:
        ended = subprocess.run([sys.executable, "-c", BEGINNING + script], stderr=theirs, check=False)
        assert ended.returncode == status
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                found.append(ours.recv(65_536).decode())
    assert all(text.endswith("}\n") for text in found)
    return [[json.loads(line)["event"] for line in text.splitlines()] for text in found]


def test_lines_are_written_whole_and_those_of_one_turn_of_a_loop_together() -> None:
    told = written_by(TURNS)
    assert told == [["first"], ["second"], ["third", "fourth"], ["fifth"], ["sixth"], ["seventh"], ["sixth"]]


@pytest.mark.parametrize("level", ["warning", "error", "critical", "exception"])
def test_what_is_worse_than_information_is_written_before_the_process_ends(level: str) -> None:
    assert written_by(LAST_WORDS.replace("LEVEL", level), status=70) == [["before", "cannot start"]]
