"""What lies beside the releases on a node."""

from __future__ import annotations

import json
from pathlib import Path

import lupa.lua54 as lupa
import pytest

from postmta_ctl.compiler import node_files


def test_the_launcher_runs_the_release_that_is_current(tmp_path: Path) -> None:
    folder = tmp_path / 'it"s \\ here'
    release = folder / "releases/000002-abc"
    release.mkdir(parents=True)
    (release / "init.lua").write_text("seen = { ... }")
    node_files.switch_release(folder, "000002-abc")

    lua = lupa.LuaRuntime()
    lua.execute(node_files.launcher(folder))
    assert list(lua.globals().seen.values()) == [str(release), str(folder)]


@pytest.mark.parametrize("name", ["a;b", "a?b"])
def test_a_folder_that_lua_cannot_search_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must not hold"):
        node_files.launcher(tmp_path / name)


def test_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    node_files.write_node_files(
        tmp_path,
        node_name="n1",
        ingest_url="http://127.0.0.1/in",
        ingest_token="i-secret",
        admin_token="a-secret",
        unsubscribe_url="http://127.0.0.1/unsubscribe/",
        unsubscribe_key="u-secret",
    )
    path = tmp_path / "node.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "node": "n1",
        "ingest_url": "http://127.0.0.1/in",
        "ingest_token": "i-secret",
        "admin_token": "a-secret",
        "unsubscribe_url": "http://127.0.0.1/unsubscribe/",
        "unsubscribe_key": "u-secret",
    }
    assert (tmp_path / "init.lua").read_text() == node_files.launcher(tmp_path)
    assert "a-secret" not in (tmp_path / "init.lua").read_text()


def test_a_key_is_for_the_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = node_files.KeyFile("acme.example", "s1", "k1")
    node_files.write_key(tmp_path, file, b"longer than the next")
    node_files.write_key(tmp_path, file, b"PEM")
    path = tmp_path / "keys/acme.example/s1.k1.key"
    assert path == node_files.key_path(tmp_path, file)
    assert path.read_bytes() == b"PEM"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["s1.k1.key"]


def test_a_switch_is_read_back(tmp_path: Path) -> None:
    assert node_files.current_release(tmp_path) is None
    node_files.switch_release(tmp_path, "000001-abc")
    node_files.switch_release(tmp_path, "000002-def")
    assert node_files.current_release(tmp_path) == "000002-def"
    assert [path.name for path in tmp_path.iterdir()] == ["current"]
