"""The Containerfile as far as it can be checked without an engine: what it names is there, and is what it should be."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from postmta_ctl.settings import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Instruction and argument of each line, continued lines joined."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def of(instructions: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in instructions if name == word]


def test_only_known_instructions(instructions: list[tuple[str, str]]) -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in instructions} <= known


def test_both_stages_start_from_the_same_python(instructions: list[tuple[str, str]]) -> None:
    bases = [rest.partition(" ")[0] for rest in of(instructions, "FROM")]
    assert bases == ["docker.io/library/python:3.11-slim"] * 2


def test_what_is_copied_is_there_and_not_ignored(instructions: list[tuple[str, str]]) -> None:
    copied = [rest.split()[:-1] for rest in of(instructions, "COPY") if not rest.startswith("--from")]
    names = [name for source in copied for name in source]
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(names) == sorted(allowed)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    built_from = {*wheel["wheel"]["only-include"], *wheel["wheel"]["force-include"]}
    assert built_from - set(names) == set()


def test_it_does_not_run_as_root_and_keeps_its_data_in_a_volume(instructions: list[tuple[str, str]]) -> None:
    (user,) = of(instructions, "USER")
    assert int(user) >= 1000
    assert of(instructions, "VOLUME") == ["/data"]


def test_its_environment_is_one_that_the_service_takes(instructions: list[tuple[str, str]]) -> None:
    (text,) = of(instructions, "ENV")
    variables = dict(pair.split("=", 1) for pair in text.split())
    settings = load({name: value for name, value in variables.items() if name.startswith("POSTMTA_")})
    assert (settings.host, settings.port, settings.data_dir) == ("0.0.0.0", 8080, Path("/data"))


def test_its_health_check_is_a_program_that_asks_for_health(instructions: list[tuple[str, str]]) -> None:
    (check,) = of(instructions, "HEALTHCHECK")
    program, option, code = json.loads(check.partition("CMD ")[2])
    assert (program, option) == ("python", "-c")
    assert any("/health" in str(node.value) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
