"""Settings: where they come from, and that nothing is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmta_ctl.errors import ConfigurationError
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings, load


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
