"""compose.yaml and the systemd units, as far as they can be checked without their engines: what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import rich_click as click
import yaml

from postmta_ctl.cli import cli
from postmta_ctl.roles import ALL_ROLES, parse_roles
from postmta_ctl.settings import PREFIX, SECRETS, Settings, load

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "examples" / "systemd").iterdir())
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[?-])([^}]*))?\}")
BRING_HEALTH_CHECKS = {"docker.io/rspamd/rspamd:latest", "docker.io/clamav/clamav:stable"}


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    stack: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return stack


@pytest.fixture(scope="module")
def ours(stack: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in stack["services"].items() if one.get("build") == "."}


def parsed(words: list[str]) -> dict[str, Any]:
    """The options of a command of ours, which click refuses if it is none."""
    command: click.Command = cli
    context = click.Context(cli, info_name="postmta")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
    with command.make_context(name, list(words), parent=context) as inner:
        return dict(inner.params)


def settings_of(environment: dict[str, str], files: dict[str, Path]) -> Settings:
    """The settings that a service starts with, where each ``${…}`` is a secret of 64 digits."""
    values = {name: VARIABLE.sub("ab" * 32, value) for name, value in environment.items()}
    values[f"{PREFIX}CONFIG"] = str(files[values[f"{PREFIX}CONFIG"]])
    return load(values)


def test_what_services_name_is_there(stack: dict[str, Any]) -> None:
    assert {name for name in stack if not name.startswith("x-")} == {"name", "services", "configs", "volumes"}
    used = set()
    for name, one in stack["services"].items():
        assert "image" in one, name
        assert set(one.get("depends_on", ())) <= stack["services"].keys(), name
        assert {each["source"] for each in one.get("configs", ())} <= stack["configs"].keys(), name
        used |= {volume.partition(":")[0] for volume in one.get("volumes", ())}
        assert "healthcheck" in one or one["image"] in BRING_HEALTH_CHECKS, name
        if "healthcheck" in one:
            assert one["healthcheck"]["test"][0] == "CMD", name
    assert used == stack["volumes"].keys()
    assert all((ROOT / one["file"]).is_file() for one in stack["configs"].values())
    for dependent in stack["services"].values():
        for name, how in dependent.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name


def test_every_role_has_a_process_whose_settings_are_real(stack: dict[str, Any], ours: dict[str, Any]) -> None:
    roles = set()
    for name, one in ours.items():
        options = parsed(one["command"])
        roles |= parse_roles(options["roles"])
        files = {each["target"]: ROOT / stack["configs"][each["source"]]["file"] for each in one["configs"]}
        settings = settings_of(one["environment"] | {"POSTMTA_ROLES": options["roles"]}, files)
        assert settings.database.startswith("postgresql+asyncpg://"), name
        assert settings.policy.http_listeners[0].address == "0.0.0.0:8000"
        others = [settings.rspamd_url, settings.clamd_address, settings.ingest_url, settings.redis_url]
        hosts = {re.sub(r"^\w+://", "", one).partition(":")[0] for one in others}
        assert hosts <= stack["services"].keys(), name
    assert roles == ALL_ROLES


def test_secrets_come_from_the_environment_and_are_asked_for(stack: dict[str, Any]) -> None:
    for name, one in stack["services"].items():
        for variable, value in one.get("environment", {}).items():
            is_secret = variable.removeprefix(PREFIX).lower() in SECRETS or "PASSWORD" in variable
            if is_secret and variable != "POSTMTA_REDIS_URL":
                assert VARIABLE.fullmatch(value), f"{name}: {variable}"
            assert all(how == ":?" for _, how, _ in VARIABLE.findall(value)), f"{name}: {variable}"


def test_the_node_and_the_control_plane_share_a_user_and_a_folder(stack: dict[str, Any]) -> None:
    kumomta = stack["services"]["kumomta"]
    (user,) = re.findall(r"--uid (\d+) kumod", kumomta["command"][0])
    assert f"USER {user}\n" in (ROOT / "Containerfile").read_text(encoding="utf-8")
    for name in ("api", "worker"):
        assert set(stack["services"][name]["volumes"]) <= set(kumomta["volumes"])
    assert subprocess.run(["sh", "-n"], input=kumomta["command"][0].encode(), check=False).returncode == 0


def commands() -> Iterator[str]:
    """What is said to be typed."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    yield from re.findall(r"docker compose exec api postmta (.+)", text)
    for unit in UNITS:
        yield from re.findall(
            r"^ExecStart=/opt/postmta/bin/postmta (.+)", unit.read_text(encoding="utf-8"), re.MULTILINE
        )


@pytest.mark.parametrize("words", [*commands()])
def test_commands_are_ours(words: str) -> None:
    assert parsed(words.replace("%i", "api").split())


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_installing_as_a_service_gives_each_role_its_settings(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```console\n(.*?)```", page, re.DOTALL) if "systemctl enable" in one)
    (toml,) = (one for one in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "named by POSTMTA_CONFIG" in one)
    etc, units = tmp_path / "etc", tmp_path / "units"
    etc.mkdir()
    units.mkdir()
    (etc / "postmta.toml").write_text(toml, encoding="utf-8")
    script = re.sub(r"^# ", "", block, flags=re.MULTILINE)
    script = script.replace("/etc/postmta", str(etc)).replace("/etc/systemd/system", str(units))
    told = subprocess.run(
        ["bash", "-euc", f"systemctl() {{ echo $*; }}\n{script}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    started = re.findall(r"postmta@(\w+)", told.stdout)
    assert parse_roles(",".join(started)) == ALL_ROLES
    assert {one.name for one in units.iterdir()} == {"postmta.target", "postmta@.service"}
    shared = dict(line.split("=", 1) for line in (etc / "postmta.env").read_text().splitlines())
    assert (etc / "postmta.env").stat().st_mode & 0o077 == 0
    ports = {}
    for role in started:
        own = dict(line.split("=", 1) for line in (etc / f"{role}.env").read_text().splitlines())
        settings = load(shared | own | {"POSTMTA_ROLES": role})
        assert settings.database.startswith("postgresql+asyncpg://")
        ports[role] = settings.port
    assert len(set(ports.values())) == len(ports)
    assert settings.ingest_url == f"http://127.0.0.1:{ports['ingest']}"


def test_every_example_is_named_in_the_list_of_examples() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    there = {one.name for one in (ROOT / "examples").iterdir() if one.is_dir()}
    assert set(re.findall(r"^\| \[(\S+)\]", page, re.MULTILINE)) == there


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_what_systemd_takes(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        reader = ConfigParser(strict=False, interpolation=None)
        reader.optionxform = str  # type: ignore[assignment, method-assign]
        reader.read_string(unit.read_text(encoding="utf-8"))
        assert reader["Unit"]["Description"]
        return
    for one in UNITS:
        text = one.read_text(encoding="utf-8")
        # The programs and the user are not on this host.
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE)
        (tmp_path / one.name).write_text(re.sub(r"^User=\w+", "User=root", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"},
    )
    assert (done.returncode, done.stderr) == (0, "")
