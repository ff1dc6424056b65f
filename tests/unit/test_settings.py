"""Settings: where they come from, and that nothing is silently ignored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from postmta_ctl.compiler.model import NodeOptions
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.keys import load_keys
from postmta_ctl.sandbox.command import sandbox
from postmta_ctl.settings import PolicySettings, Settings, load


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "postmta.toml"
    file.write_text('port = 9000\nhost = "127.0.0.2"\n[policy]\nretry_interval = "5m"\n')
    settings = load({"POSTMTA_CONFIG": str(file), "POSTMTA_PORT": "9001", "HOME": "/nowhere"})
    assert (settings.port, settings.host, settings.policy.retry_interval) == (9001, "127.0.0.2", "5m")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [("POSTMTA_PROT", "did you mean POSTMTA_PORT?"), ("POSTMTA_POLICY", "unknown setting"), ("POSTMTA_", "unknown")],
)
def test_an_unknown_variable_is_refused_by_name(variable: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as caught:
        load({variable: "x"})
    assert hint in caught.value.detail


@pytest.mark.parametrize("text", ["prot = 1", "[policy]\nretry = '5m'", "port = 'x'", "port = ", "[policy.listeners]"])
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "postmta.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        load({"POSTMTA_CONFIG": str(file)})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"POSTMTA_CONFIG.*nowhere\.toml"):
        load({"POSTMTA_CONFIG": str(tmp_path / "nowhere.toml")})


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ab" * 32 + "\n")
    assert load({"POSTMTA_MASTER_KEY_FILE": str(tmp_path / "key")}).master_key == "ab" * 32
    with pytest.raises(ConfigurationError, match="POSTMTA_JWT_SECRET_FILE"):
        load({"POSTMTA_JWT_SECRET_FILE": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("url", "bounces"),
    [
        ("https://mail.example.com/", "bounce.mail.example.com"),
        ("http://10.0.0.1:8080", "bounce.postmta.test"),
        ("http://localhost", "bounce.postmta.test"),
    ],
)
def test_the_bounce_domain_follows_the_public_url(url: str, bounces: str) -> None:
    assert Settings(public_url=url).bounces == bounces


def test_secrets_are_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = load_keys(settings)
    assert load_keys(settings) == first
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert len(first.master_key) == 32


@pytest.mark.parametrize("key", ["short", "zz" * 32, "ab" * 31])
def test_a_bad_master_key_stops_the_start(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits"):
        load_keys(Settings(data_dir=tmp_path, master_key=key))


def test_every_option_of_the_nodes_can_be_set_in_the_table_policy(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[policy]\nmax_age = "5 days"\nsmtp_listeners = [{address = "10.0.0.1:25"}]\n')
    policy = load({"POSTMTA_CONFIG": str(tmp_path / "c.toml")}).policy
    assert (policy.max_age, policy.smtp_listeners[0].address) == ("5 days", "10.0.0.1:25")
    assert set(NodeOptions.__struct_fields__) == set(PolicySettings.__struct_fields__)
    (tmp_path / "c.toml").write_text('[policy]\nspool_kind = "Paper"\n')
    with pytest.raises(ConfigurationError, match="spool_kind"):
        load({"POSTMTA_CONFIG": str(tmp_path / "c.toml")})


def test_the_sandbox_is_set_by_its_command_line_alone(tmp_path: Path) -> None:
    """A variable that it read would be one that the settings refuse."""
    variables = {"POSTMTA_SANDBOX_LISTEN": "nonsense", "POSTMTA_SANDBOX_TIME_SCALE": "nonsense"}
    run = CliRunner(env=variables).invoke(sandbox, ["--policy-dir", str(tmp_path)])
    assert "there is no init.lua" in run.output
    with pytest.raises(ConfigurationError, match="POSTMTA_SANDBOX_LISTEN: unknown setting"):
        load({"POSTMTA_SANDBOX_LISTEN": "127.0.0.1:1"})


def test_processes_that_start_together_have_the_same_secrets(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_keys(settings), range(16)))
    assert len({keys.master_key for keys in found}) == len({keys.jwt_secret for keys in found}) == 1
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert len(list((tmp_path / "secrets").iterdir())) == 3
