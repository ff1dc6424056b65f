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
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render

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
