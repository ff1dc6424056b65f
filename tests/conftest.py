"""Fixtures of the API tests: the real application over a fresh database, with faked seams."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from argon2 import PasswordHasher
from litestar import Litestar
from litestar.testing import AsyncTestClient

from postmta_ctl.app import create_app
from postmta_ctl.clients.dns import Answer
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.clients.limiter import MemoryLimiter
from postmta_ctl.features.docs.document import describe
from postmta_ctl.keys import load_keys
from postmta_ctl.passwords import Passwords
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.migrate import newest, upgrade
from postmta_ctl.store.tables import metadata
from postmta_ctl.system import System
from tests import postgres
from tests.declared import Declared

Client = AsyncTestClient[Litestar]
CHEAP_PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
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


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest schema, copied by each test."""
    path = tmp_path_factory.mktemp("sqlite") / "postmta.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server's database at the newest schema, which the tests use one after the other."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running_server() as url:
        asyncio.run(migrate(url))
        yield url


async def migrate(url: str) -> None:
    db = Database(url)
    await upgrade(db)
    await db.close()


@cache
def emptying() -> str:
    """Statements that remove every row, and put the schema's revision right."""
    # As a replica, the server runs no triggers: neither those of foreign keys, nor those that keep logs append-only.
    statements = ["SET session_replication_role = replica"]
    statements += [f"DELETE FROM {table.name}" for table in metadata.tables.values()]
    statements += [f"UPDATE alembic_version SET version_num = '{newest()}'"]
    return ";".join(statements)


async def empty(url: str) -> None:
    """Remove every row. A database of its own for each test would take ten times as long to make as this takes."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    # What a test left open would hold locks.
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.execute(emptying())
    sequences = await connection.fetch("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
    await connection.execute(";".join(f"ALTER SEQUENCE {name} RESTART" for (name,) in sequences))
    await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at the newest schema: every test that needs one runs on both engines."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "postmta.db")
        yield f"sqlite+aiosqlite:///{tmp_path / 'postmta.db'}"
        return
    url = request.getfixturevalue("postgres_url")
    yield url
    asyncio.run(empty(url))


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        embedded_node=False,
        bounce_domain="bounce.postmta.test",
    )


@pytest.fixture
async def system(settings: Settings, clock: FakeClock, resolver: FakeResolver) -> AsyncIterator[System]:
    settings.data_dir.mkdir(parents=True)
    system = System(
        settings=settings,
        db=Database(settings.database),
        keys=load_keys(settings),
        resolver=resolver,
        kumod=KumodClient(timeout=5),
        passwords=CHEAP_PASSWORDS,
        limiter=MemoryLimiter(lambda: clock().timestamp()),
        now=clock,
    )
    yield system
    await system.kumod.close()
    await system.db.close()


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    """The same database as the application's, by connections of the test's own event loop."""
    db = Database(settings.database)
    yield db
    await db.close()


@pytest.fixture(scope="session")
def application() -> Litestar:
    """The application, which takes a while to build, once for all tests; each gives it parts of its own."""
    return create_app(Settings(embedded_node=False), system=cast(System, object()), jobs=False)


@pytest.fixture(scope="session")
def declared(application: Litestar) -> Declared:
    return Declared(describe(application))


@pytest.fixture
async def client(application: Litestar, system: System, declared: Declared) -> AsyncIterator[Client]:
    """A client whose every answer must be one that the OpenAPI document declares."""
    application.state.system = system
    async with AsyncTestClient(application) as client:
        client.event_hooks["response"].append(declared.check)
        yield client


async def register(client: Client, email: str = "ann@acme.test", organization: str = "acme") -> dict[str, str]:
    """Register a user and log it in; returns the headers that authenticate it."""
    answer = await client.post(
        "/api/v1/auth/register", json={"email": email, "password": PASSWORD, "organization": organization}
    )
    assert answer.status_code == 201, answer.text
    answer = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def work(client: Client, job: Callable[[System], Awaitable[object]]) -> None:
    """Run a background job as the application does: on its own event loop, where its connections live."""
    await asyncio.to_thread(client.blocking_portal.call, job, client.app.state.system)


async def join(client: Client, inviter: dict[str, str], email: str, role: str) -> dict[str, str]:
    """Have somebody invited, register and log in; returns the headers that authenticate it."""
    body = {"email": email, "role": role}
    made = await client.post("/api/v1/users/invitations", json=body, headers=inviter)
    assert made.status_code == 201, made.text
    account = {"email": email, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/register", json=account | {"invitation": made.json()["token"]})
    assert answer.status_code == 201, answer.text
    answer = await client.post("/api/v1/auth/login", json=account)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def ann(client: Client) -> dict[str, str]:
    """Owner of the organization ``acme``, and operator since the first to register."""
    return await register(client)


@pytest.fixture
async def bob(client: Client, ann: dict[str, str]) -> dict[str, str]:
    """Owner of another organization, and no operator."""
    return await register(client, "bob@bolt.test", "bolt")


async def verify_domain(client: Client, resolver: FakeResolver, headers: dict[str, str], name: str) -> None:
    """Make a domain, publish what it asks for, and have it verified."""
    made = (await client.post("/api/v1/domains", json={"domain": name}, headers=headers)).json()
    for record in made["dns_records"]:
        resolver.records[record["name"], record["type"]] = (record["value"],)
    answer = await client.post(f"/api/v1/domains/{made['id']}/verify", headers=headers)
    assert answer.json()["status"] == "verified", answer.text


@pytest.fixture
async def acme(client: Client, resolver: FakeResolver, ann: dict[str, str]) -> dict[str, str]:
    """Like ``ann``, whose organization has the verified domain ``acme.test``."""
    await verify_domain(client, resolver, ann, "acme.test")
    return ann
