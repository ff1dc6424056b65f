"""Roles: which routes and jobs a process has, and what SQLite allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from postmta_ctl.app import create_app
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.roles import ALL_ROLES, Role, parse_roles
from postmta_ctl.settings import Settings, load
from postmta_ctl.store.engine import Database
from postmta_ctl.store.locks import only_one
from postmta_ctl.workers.schedule import JOBS, jobs_of

POSTGRESQL = "postgresql+asyncpg://u@h/d"


def paths(roles: str) -> set[str]:
    settings = Settings(roles=roles, database_url=POSTGRESQL, embedded_node=False)
    parts: Any = object()
    app: Litestar = create_app(settings, system=parts, jobs=False)
    return {route.path for route in app.routes if isinstance(route, HTTPRoute)}


def test_each_route_belongs_to_one_role_but_for_those_of_every_process() -> None:
    everywhere = {"/health", "/health/ready", "/metrics"}
    found = {role: paths(role) for role in Role}
    assert found[Role.RELAY] == found[Role.WORKER] == everywhere
    assert found[Role.INGEST] == everywhere | {"/ingest/v1/logs"}
    assert "/ingest/v1/logs" not in found[Role.API]
    assert paths("api,ingest") == found[Role.API] | found[Role.INGEST] == paths(",".join(Role))


def test_each_job_belongs_to_one_role() -> None:
    assert [job.name for job in jobs_of({Role.RELAY})] == ["relay"]
    assert [job.name for job in jobs_of({Role.API, Role.INGEST})] == ["keep opens and clicks"]
    assert sum(len(jobs_of({role})) for role in Role) == len(JOBS) == len(jobs_of(ALL_ROLES))


def test_names_are_read_and_others_refused() -> None:
    assert parse_roles(" api, relay ,") == {Role.API, Role.RELAY}
    assert load({"POSTMTA_DATABASE_URL": POSTGRESQL, "POSTMTA_ROLES": "worker"}).role_set == {Role.WORKER}
    for text in ("", ",", "api,sender"):
        with pytest.raises(ConfigurationError, match="there are api, relay, ingest, worker"):
            load({"POSTMTA_ROLES": text})


def test_sqlite_has_one_process_that_does_everything() -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL"):
        load({"POSTMTA_ROLES": "api"})
    assert load({"POSTMTA_ROLES": "worker,ingest,relay,api"}).role_set == ALL_ROLES


async def test_a_second_process_over_sqlite_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'postmta.db'}"
    first, second = Database(url), Database(url)
    async with only_one(first):
        with pytest.raises(ConfigurationError, match="served by another process"):
            async with only_one(second, wait=0):
                pass
    async with only_one(second, wait=0):
        pass


def test_the_embedded_node_is_for_the_process_that_does_everything() -> None:
    assert Settings().has_embedded_node
    assert not Settings(roles="worker").has_embedded_node
    assert not Settings(embedded_node=False).has_embedded_node
