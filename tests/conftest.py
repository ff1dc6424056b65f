"""Fixtures of the API tests: the real application over a fresh database, with faked seams."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from postmta_ctl.app import create_app
from postmta_ctl.clients.dns import Answer
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.migrate import upgrade
from postmta_ctl.system import System

Client = AsyncTestClient[Litestar]
PASSWORD = "correct horse battery staple"


@dataclass
class FakeClock:
    """Time that passes only when told to."""

    moment: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@dataclass
class FakeResolver:
    """A DNS of its own: ``records[name, type]`` are the values, ``broken`` the names nobody can ask for."""

    records: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    async def lookup(self, name: str, kind: str) -> Answer:
        if name in self.broken:
            return Answer(status="failed", reason="SERVFAIL")
        values = self.records.get((name, kind))
        return Answer(status="found", values=values) if values else Answer(status="missing")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def resolver() -> FakeResolver:
    return FakeResolver()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", embedded_node=False, bounce_domain="bounce.postmta.test")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest schema, made once and copied by each test."""
    path = tmp_path_factory.mktemp("template") / "postmta.db"

    async def make() -> None:
        db = Database(f"sqlite+aiosqlite:///{path}")
        await upgrade(db)
        await db.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def system(
    settings: Settings, clock: FakeClock, resolver: FakeResolver, migrated_database: Path
) -> AsyncIterator[System]:
    settings.data_dir.mkdir(parents=True)
    shutil.copy(migrated_database, settings.data_dir)
    system = System(
        settings=settings,
        db=Database(settings.database),
        keys=load_keys(settings),
        resolver=resolver,
        kumod=KumodClient(timeout=5),
        now=clock,
    )
    yield system
    await system.kumod.close()
    await system.db.close()


@pytest.fixture
async def client(settings: Settings, system: System) -> AsyncIterator[Client]:
    async with AsyncTestClient(create_app(settings, system=system, jobs=False)) as client:
        yield client


async def register(client: Client, email: str = "ann@acme.test", organization: str = "acme") -> dict[str, str]:
    """Register a user and log it in; returns the headers that authenticate it."""
    answer = await client.post(
        "/api/v1/auth/register", json={"email": email, "password": PASSWORD, "organization": organization}
    )
    assert answer.status_code == 201, answer.text
    answer = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def ann(client: Client) -> dict[str, str]:
    """Owner of the organization ``acme``, and operator since the first to register."""
    return await register(client)


@pytest.fixture
async def bob(client: Client, ann: dict[str, str]) -> dict[str, str]:
    """Owner of another organization, and no operator."""
    return await register(client, "bob@bolt.test", "bolt")
