"""The constraints file pins everything that an installation of this project brings in."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def normalized(requirement: str) -> str:
    match = _NAME.match(requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {normalized(line): line.partition("==")[2] for line in lines if not line.startswith("#")}


def test_every_requirement_is_pinned_to_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    wanted = {normalized(requirement) for requirement in (*project["dependencies"], *extras)}
    assert wanted - pins().keys() == set(), "run make constraints"
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins().values())


def test_nothing_of_one_machine_is_in_it() -> None:
    assert normalized("postmta-ctl") not in pins()
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if set("@/:") & set(line)] == []
