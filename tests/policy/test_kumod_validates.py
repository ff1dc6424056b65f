"""A real kumod's verdict on the demo bundle, whole and broken. Needs ``KUMOD=/path/to/kumod`` or kumod on the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler import node_files
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.model import PolicyModel, ShapingRule
from postmta_ctl.compiler.render import render
from postmta_ctl.core.shaping import Limits

KUMOD = os.environ.get("KUMOD") or shutil.which("kumod")
pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the kumod user may read and write, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def publish(bundle: Bundle, folder: Path) -> Path:
    bundle.write(folder / "releases/000001-test", release=1)
    node_files.switch_release(folder, "000001-test")
    policy = folder / "init.lua"
    policy.write_text(node_files.launcher(folder))
    return policy


def validate(policy: Path) -> subprocess.CompletedProcess[str]:
    user = ["--user", "kumod"] if os.geteuid() == 0 else []
    command = [str(KUMOD), *user, "--policy", str(policy), "--validate"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=policy.parent)


@pytest.fixture
def demo(model: PolicyModel, folder: Path) -> Bundle:
    places: dict[str, Any] = {"spool_path": str(folder / "spool"), "log_path": str(folder / "log")}
    places |= {"relay_domains": {"corp.example": ("[192.0.2.9]:2525",)}}
    return render(msgspec.structs.replace(model, installation=msgspec.structs.replace(model.installation, **places)))


def test_the_demo_fleet_is_valid(demo: Bundle, folder: Path) -> None:
    result = validate(publish(demo, folder))
    assert result.returncode == 0, result.stdout + result.stderr


_ASK = """
local kumo = require 'kumo'
kumo.on('validate_config', function()
  local site = '(alt1|alt2).aspmx.l.google.com'
  local path = kumo.invoke_get_egress_path_config('hosted.example', 'acme.mx-1.r1', site)
  print('asked: ' .. kumo.serde.json_encode(path))
end)
"""


def test_a_site_of_a_provider_has_its_limits(demo: Bundle, folder: Path, model: PolicyModel) -> None:
    rule = ShapingRule(organization="acme", provider="gmail", limits=Limits(connection_limit=3, max_message_rate="9/s"))
    shaped = render(msgspec.structs.replace(model, shaping=(rule,)))
    files = demo.files | {"generated/shaping.lua": shaped.files["generated/shaping.lua"]}
    policy = publish(Bundle.of(files | {"init.lua": files["init.lua"] + _ASK.encode()}), folder)
    result = validate(policy)
    [asked] = [line for line in result.stdout.splitlines() if line.startswith("asked: ")]
    path = msgspec.json.decode(asked.removeprefix("asked: "))
    three = {"limit": 3, "force_local": False}
    assert (path["connection_limit"], path["provider_name"]) == (three, "gmail")
    assert path["additional_connection_limits"] == {"postmta:acme.mx-1:gmail": three}
    assert list(path["additional_message_rate_throttles"]) == ["postmta:acme.mx-1:gmail"]


@pytest.mark.parametrize(
    ("path", "good", "broken", "complaint"),
    [
        ("generated/installation.lua", '"192.0.2.9:2525"', '"nonsense"', "queue of relay domain corp.example"),
        ("generated/pools.lua", '"acme.mx-1.r1"', '"acme.mx-9.r1"', "acme.mx-9.r1"),
        ("generated/tenants.lua", 'pool = "acme"', 'pool = "acne"', "tenant acme: no pool acne"),
        ("generated/sources.lua", "101/d", "101/days", "path of acme.mx-2.r3"),
        ("generated/sources.lua", "192.0.2.11", "192.0.2.256", "source acme.mx-1.r1"),
        ("generated/installation.lua", "connection_limit", "connections_limit", "path of acme.mx-1.r1"),
        ("generated/installation.lua", "3 days", "3 dais", "queue of tenant"),
        ("generated/storage.lua", "RocksDB", "StoneDB", "StoneDB"),
        ("data/domains/0000.json", '"organization": "acme"', '"organization": "acne"', "no tenant acne"),
        ("data/domains/0000.json", '"keys"', "keys", "data/domains/0000.json"),
        ("acl.toml", "privileges", "privilege", "acl.toml"),
    ],
)
def test_a_broken_bundle_is_refused_by_name(
    demo: Bundle, folder: Path, path: str, good: str, broken: str, complaint: str
) -> None:
    content = demo.files[path]
    assert good.encode() in content
    result = validate(publish(Bundle.of(demo.files | {path: content.replace(good.encode(), broken.encode())}), folder))
    assert result.returncode != 0
    assert complaint in result.stdout + result.stderr
