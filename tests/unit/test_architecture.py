"""The dependency direction of ARCHITECTURE.md, and where SQL may stand, held by reading the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "postmta_ctl"

MAY_IMPORT = {
    "core": {"core"},
    "compiler": {"core", "compiler", "resources"},
    "luavm": {"core", "compiler", "luavm", "resources"},
    "importing": {"core", "compiler", "importing"},
    "declarative": {"core", "compiler", "declarative"},
    "sandbox": {"core", "compiler", "luavm", "sandbox", "resources"},
    "store": {"core", "errors", "store"},
    "clients": {"core", "errors", "clients", "lazy"},
}
"""What each layer may know of. Features, workers, app and cli stand above these and may know them all."""

ABOVE = {"features", "workers", "app", "api", "cli", "web", "console"}


def modules() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(path: Path) -> set[tuple[str, ...]]:
    return {tuple(name.split(".")[1:]) for name in imports(path) if name.startswith("postmta_ctl.")}


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(target)}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] == layer
        for target in own(path)
        if target and target[0] not in MAY_IMPORT[layer]
    ]
    assert wrong == []


CLIENT_MAY_ALSO = {"profile", "drift", "publish", "rollout"}
"""Modules that define an answer beside what makes it."""


def test_the_client_knows_what_goes_over_the_wire_and_no_more() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(target)}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] == "client"
        for target in own(path)
        if target[0] not in {"client", "core", "errors"}
        and not (target[0] == "features" and (set(target) & {"schemas", *CLIENT_MAY_ALSO} or "_schemas" in str(target)))
    ]
    assert wrong == []


def test_pure_packages_do_no_io() -> None:
    banned = {"sqlalchemy", "aiohttp", "httpx", "socket", "asyncio", "subprocess", "litestar", "time", "random"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] == "core"
        for name in imports(path)
        if name.split(".")[0] in banned
    ]
    assert wrong == []


def test_a_slice_uses_no_other_slices_routes_or_schemas() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(target)}"
        for path in modules()
        if (parts := path.relative_to(PACKAGE).parts)[0] == "features" and len(parts) > 2
        for target in own(path)
        if target[:1] == ("features",) and target[1:2] != parts[1:2] and set(target[2:3]) & {"routes", "schemas"}
    ]
    assert wrong == []


def test_the_console_does_what_services_do_and_nothing_depends_on_it() -> None:
    """So nothing is possible there that the API cannot do. Of queries it knows the filters, as routes do."""
    wrong = []
    for path in modules():
        is_console = path.relative_to(PACKAGE).parts[0] == "console"
        targets = own(path)
        for target in targets:
            within, name = target[:-1], target[-1]
            if target[:1] == ("console",):
                bad = not is_console and path.name != "api.py"
            elif name.endswith("queries"):
                bad = not any(one[:-1] == target and one[-1][0].isupper() for one in targets)
            else:
                bad = within[-1:] and within[-1].endswith("queries") and name[0].islower()
                bad = bad or bool({"routes", "tables"} & set(target))
            if bad and (is_console or target[:1] == ("console",)):
                wrong.append(f"{path.relative_to(ROOT)} imports {'.'.join(target)}")
    assert wrong == []


def test_sql_stands_in_queries_and_store_only() -> None:
    allowed = {"sqlalchemy.ext.asyncio", "sqlalchemy.ext.asyncio.AsyncConnection", "sqlalchemy.exc"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] != "store" and not path.stem.endswith("queries")
        for name in imports(path)
        if name.startswith("sqlalchemy") and name not in allowed and not name.startswith("sqlalchemy.exc.")
    ]
    assert wrong == []


def test_settings_are_read_in_one_place() -> None:
    readers = [str(path.relative_to(PACKAGE)) for path in modules() if "os.environ" in path.read_text(encoding="utf-8")]
    assert set(readers) <= {"settings.py"}
