"""The contract of the API, and what the OpenAPI document says of every operation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from postmta_ctl.app import create_app
from postmta_ctl.features.auth.principal import SCOPES
from postmta_ctl.features.docs.document import describe
from postmta_ctl.settings import Settings
from tests.contract import Endpoint, endpoints, shape_of

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), jobs=False)


@pytest.fixture(scope="module")
def document(app: Litestar) -> dict[str, Any]:
    return describe(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def by_shape(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method.upper(), shape_of(path)): operation for method, path, operation in operations(document)}


def test_the_contract_has_all_rows() -> None:
    groups = Counter(one.group for one in endpoints())
    assert (len(endpoints()), len({one.shape for one in endpoints()}), len(groups)) == (81, 81, 13)


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda one: f"{one.method} {one.path}")
def test_every_row_is_there_as_promised(document: dict[str, Any], endpoint: Endpoint) -> None:
    operation = by_shape(document)[endpoint.shape]
    assert operation["summary"] == endpoint.description
    assert operation["tags"] == [endpoint.group]


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    lacking = [
        f"{method} {path}: {part}"
        for method, path, operation in operations(document)
        for part in ("summary", "description", "tags", "operationId")
        if not operation.get(part)
    ]
    assert lacking == []


def test_operation_ids_are_unique_names(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(one.isidentifier() for one in ids)


def test_every_operation_declares_its_errors(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        declared = operation["responses"]
        assert "default" in declared, path
        if path.startswith("/api/"):
            assert "429" in declared, path
        if operation.get("security") != []:
            assert {"401", "403"} <= set(declared), path
        if "{" in path:
            assert "404" in declared, path
        if "requestBody" in operation:
            # SendGrid's form has 400 for both.
            assert {"400", "422"} - {"422" if path.startswith("/v3/") else ""} <= set(declared), (method, path)


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                assert content.get("example") is not None, (method, path)
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json", {})
            if status.startswith("2") and content.get("schema"):
                assert "example" in content, (method, path, status)


def test_every_route_but_the_public_ones_has_a_scope_that_exists(app: Litestar, document: dict[str, Any]) -> None:
    public = set()
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if handler.opt.get("public"):
                public.add(f"{method} {route.path_format}")
            elif method != "OPTIONS":
                assert handler.opt["scope"] in SCOPES, route.path
    assert {one for one in public if " /api/" in one} == {
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/logout",
        "POST /api/v1/billing/callbacks/stripe",
    }
    without = [
        operation["operationId"] for _, path, operation in operations(document) if operation.get("security") == []
    ]
    assert len(without) == len(set(without) - {""})


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    """Every reference leads somewhere, and no name is of our modules."""
    text = json.dumps(document)
    assert "postmta_ctl." not in text
    for piece in text.split('"$ref": "#/components/')[1:]:
        kind, _, name = piece.partition('"')[0].partition("/")
        assert name in document["components"][kind], name


def test_what_the_page_loads_is_vendored_with_its_licence() -> None:
    assets = Path(describe.__code__.co_filename).parent / "assets"
    names = {path.name for path in assets.iterdir()}
    assert {"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui-bundle.js"} <= names
    for name in ("index.html", "start.js"):
        assert "//" not in (assets / name).read_text().replace("// ", ""), "an address of another host"
