"""A start imports what it needs, and nothing that only some installations ever use."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
from litestar import Litestar

from postmta_ctl.app import create_app
from postmta_ctl.assembly import create_system
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.settings import Settings, foreign_environment
from postmta_ctl.starting import Starting
from postmta_ctl.system import System


def test_what_a_start_does_not_need_is_not_run() -> None:
    seldom = ["alembic.op", "aiohttp.connector", "redis", "stripe", "asyncpg", "postmta_ctl.sandbox.node"]
    # Nor does it wait for these, which are for the requests after it.
    seldom += ["postmta_ctl.api", "postmta_ctl.features.auth.users", "jinja2", "cryptography", "dns.message"]
    script = f"import sys, postmta_ctl.serving; print([name for name in {seldom} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    environ = foreign_environment() | {"POSTMTA_DATA_DIR": str(tmp_path), "POSTMTA_PORT": "0"}
    for url, told in (
        ("postgresql+asyncpg://nobody:secret@127.0.0.1:9/x", "cannot start"),
        ("mysql://x", "postmta: database_url: mysql is not supported"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "postmta_ctl", "serve"],
            env=environ | {"POSTMTA_DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert (done.returncode, told in said, "Traceback" in said, "secret" in said) == (1, True, False, False), said


def door(settings: Settings, load: Callable[[System], Litestar], ended: list[int]) -> Starting:
    return Starting(create_system(settings), load, ended.append)


@asynccontextmanager
async def living(app: Starting) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Queue[str]]]:
    """A client of the application once it has started, and what it told the server after that."""
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def tell(message: Any) -> None:
        told.put_nowait(message["type"])

    await asked.put({"type": "lifespan.startup"})
    life = asyncio.create_task(app(cast(Any, {"type": "lifespan"}), cast(Any, asked.get), tell))
    assert await asyncio.wait_for(told.get(), 20) == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app=cast(Any, app))
    async with httpx.AsyncClient(transport=transport, base_url="http://x.test") as client:
        yield client, told
    await asked.put({"type": "lifespan.shutdown"})
    await asyncio.wait_for(life, 20)


async def test_health_is_told_while_the_rest_is_loaded_and_other_requests_wait_for_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedded_node=False)
    may_load = threading.Event()

    def load(system: System) -> Litestar:
        assert may_load.wait(20)
        return create_app(settings, system=system, jobs=False, is_open=True)

    async with living(door(settings, load, [])) as (client, told):
        early = await client.get("/health")
        assert (early.status_code, early.json()["parts"]["database"]) == (200, {"status": "ok"})
        assert early.headers["x-request-id"]
        waiting = [asyncio.create_task(client.get(path)) for path in ("/api/v1/domains", "/health/ready")]
        assert (await client.post("/health")).status_code == 405
        assert not any(one.done() for one in waiting)
        may_load.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert [one.status_code for one in answers] == [401, 200]
        assert (await client.get("/health")).json() == (await client.get("/health")).json()
    assert told.get_nowait() == "lifespan.shutdown.complete"


async def test_a_process_that_cannot_be_loaded_ends(tmp_path: Path) -> None:
    ended: list[int] = []

    def load(_system: System) -> Litestar:
        raise ConfigurationError("smtp_port: somebody else has it")

    async with living(door(Settings(data_dir=tmp_path, embedded_node=False), load, ended)) as (_client, told):
        assert await asyncio.wait_for(told.get(), 20) == "lifespan.shutdown.complete"
    assert ended == [os.EX_SOFTWARE]
