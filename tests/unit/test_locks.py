"""The lock of publishing: one holder at a time, whoever asks, and none after a kill."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from postmta_ctl.errors import Busy
from postmta_ctl.store.engine import Database
from postmta_ctl.store.locks import exclusive


async def test_one_task_at_a_time(db: Database) -> None:
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with exclusive(db, "work"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.02)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert (inside, most) == (0, 1)


async def test_who_does_not_wait_is_told(db: Database) -> None:
    async with exclusive(db, "work"):
        with pytest.raises(Busy):
            async with exclusive(db, "work", wait=0):
                raise AssertionError("two holders")
        async with exclusive(db, "other work", wait=0):
            pass
    async with exclusive(db, "work", wait=0):
        pass


async def test_an_exception_frees_it(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with exclusive(db, "work"):
            raise ZeroDivisionError
    async with exclusive(db, "work", wait=0):
        pass


HOLD = """
import asyncio, sys
from postmta_ctl.store.engine import Database
from postmta_ctl.store.locks import exclusive

async def hold():
    async with exclusive(Database(sys.argv[1]), "work"):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


async def test_a_killed_holder_frees_it(db: Database, database_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, database_url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            async with exclusive(db, "work", wait=0.1):
                raise AssertionError("two holders")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with exclusive(db, "work", wait=5):
        pass
