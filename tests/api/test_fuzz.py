"""Requests that the OpenAPI document allows, and such as it does not: none may be answered by a server error.

``FUZZ_EXAMPLES`` sets how many for each operation: 100 in CI, few by default.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from schemathesis import GenerationMode

from postmta_ctl.app import create_app
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.features.docs.document import describe
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System
from tests.conftest import CHEAP_PASSWORDS, PASSWORD, FakeResolver

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
SKIPPED = {"add_node": "it would write into folders of this host that chance names"}
UNLIMITED = {f"rate_limit_{kind}": 0 for kind in ("key", "user", "organization", "address")}
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _operations() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        document = describe(create_app(Settings(data_dir=Path(folder)), jobs=False))
    schema = schemathesis.openapi.from_dict(document)
    return {one.ok().definition.raw["operationId"]: one.ok() for one in schema.get_all_operations()}


OPERATIONS = _operations()


@dataclass
class Service:
    client: TestClient[Litestar]
    owner: dict[str, str]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all of them: what one request leaves behind, the next one meets."""
    folder = tmp_path_factory.mktemp("fuzz")
    configured = Settings(
        data_dir=folder, embedded_node=False, login_attempts_per_address=0, login_attempts_per_account=0, **UNLIMITED
    )
    system = System(
        settings=configured,
        db=Database(configured.database),
        keys=load_keys(configured),
        resolver=FakeResolver(),
        kumod=KumodClient(timeout=1),
        passwords=CHEAP_PASSWORDS,
    )
    with TestClient(create_app(configured, system=system, jobs=False), raise_server_exceptions=False) as client:
        account = {"email": "ann@acme.test", "password": PASSWORD}
        client.post("/api/v1/auth/register", json=account | {"organization": "acme"})
        token = client.post("/api/v1/auth/login", json=account).json()["access_token"]
        yield Service(client, {"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - SKIPPED.keys()))
def test_nothing_is_answered_by_a_server_error(service: Service, name: str) -> None:
    operation = OPERATIONS[name]
    modes = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    @FUZZ
    @given(st.one_of(modes))
    def check(case: Any) -> None:
        answer = _call(service, case)
        is_not_offered = answer.status_code == 501
        assert answer.status_code < 500 or is_not_offered, f"{_shown(answer)}\n{answer.status_code} {answer.text}"
        _check_declared(operation, answer)
        if answer.status_code >= 400:
            declared = operation.definition.raw["responses"][str(answer.status_code)]
            if "$ref" in declared:  # others are in the form of another service
                assert answer.headers["content-type"] == "application/problem+json", answer.text
                assert answer.json()["status"] == answer.status_code
            else:
                assert answer.headers["content-type"] in declared["content"], answer.text

    check()


def _check_declared(operation: Any, answer: httpx.Response) -> None:
    """The status stands in the document, which the catch-all would hide, and so does the media type."""
    declared = operation.definition.raw["responses"]
    assert str(answer.status_code) in declared, f"{_shown(answer)}\nundeclared: {answer.status_code} {answer.text}"
    if answer.content and answer.status_code < 300:
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in declared[str(answer.status_code)].get("content", {}), f"{_shown(answer)}\nundeclared: {kind}"


def _call(service: Service, case: Any) -> httpx.Response:
    wanted = case.as_transport_kwargs(base_url="http://testserver.local")
    prepared = requests.Request(
        **{
            name: wanted[name]
            for name in ("method", "url", "params", "headers", "data", "json", "files")
            if name in wanted
        }
    ).prepare()
    headers = {**dict(prepared.headers), **service.owner}
    return service.client.request(str(prepared.method), str(prepared.url), content=prepared.body, headers=headers)


def _shown(answer: httpx.Response) -> str:
    request = answer.request
    return f"{request.method} {request.url}\n{dict(request.headers)}\n{request.content!r}"
