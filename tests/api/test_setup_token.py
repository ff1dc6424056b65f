"""Who may be the first to register where others can reach the service."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from litestar.testing import AsyncTestClient

from postmta_ctl.app import create_app
from postmta_ctl.features.auth.service import setup_token
from tests.conftest import PASSWORD

ANN = {"email": "ann@acme.test", "password": PASSWORD, "organization": "acme"}


@pytest.fixture
def exposed(system: Any, settings: Any) -> Any:
    """The parts of a service that listens on all addresses."""
    return dataclasses.replace(system, settings=msgspec.structs.replace(settings, host="0.0.0.0"))


async def test_on_loopback_none_is_needed(system: Any, db: Any) -> None:
    assert await setup_token(dataclasses.replace(system, db=db)) is None


async def test_elsewhere_the_first_one_needs_the_token_and_nobody_after(exposed: Any, db: Any) -> None:
    here = dataclasses.replace(exposed, db=db)
    token = await setup_token(here)
    assert token is not None
    async with AsyncTestClient(create_app(exposed.settings, system=exposed, jobs=False)) as client:
        for wrong in ({}, {"setup_token": token[:-1]}):
            answer = await client.post("/api/v1/auth/register", json=ANN | wrong)
            assert (answer.status_code, answer.json()["code"]) == (403, "setup_token_required")
        answer = await client.post("/api/v1/auth/register", json=ANN | {"setup_token": token})
        assert (answer.status_code, answer.json()["user"]["is_operator"]) == (201, True)
        answer = await client.post("/api/v1/auth/register", json=ANN | {"email": "b@b.test", "organization": "b"})
        assert (answer.status_code, answer.json()["user"]["is_operator"]) == (201, False)
    assert await setup_token(here) is None
