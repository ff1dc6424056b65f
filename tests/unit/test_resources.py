"""Templates and Lua are found beside the package in a checkout and inside it when installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmta_ctl import resources


def test_a_checkout_has_them_beside_the_package() -> None:
    assert (resources.templates_dir() / "init.lua.j2").is_file()
    assert (resources.policy_dir() / "init.lua").is_file()


def test_an_installation_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "postmta_ctl")
    inside = tmp_path / "postmta_ctl/_data/templates"
    for folder in (inside, tmp_path / "templates"):
        folder.mkdir(parents=True)
    assert resources.templates_dir() == inside


def test_without_them_the_error_says_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "postmta_ctl")
    with pytest.raises(FileNotFoundError, match=f"kumo_policy: neither in the package {tmp_path}"):
        resources.policy_dir()
