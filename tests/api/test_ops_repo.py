"""``examples/ops-repo`` is what the demonstration's configuration compiles to, today."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.cli import bundle_folder
from postmta_ctl.cli.demo import scenario
from postmta_ctl.compiler.bundle import Bundle, read_manifest
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.settings import Settings
from tests.conftest import register, verify_domain

OPS_REPO = Path(__file__).parents[2] / "examples/ops-repo"
POLICY = OPS_REPO / "policy"


async def test_the_model_is_the_demonstrations(client: Any, resolver: Any, system: Any, db: Any) -> None:
    headers = await register(client, scenario.EMAIL, "Co")
    for name in scenario.DOMAINS:
        await verify_domain(client, resolver, headers, name)
    for vmta in scenario.VMTAS:
        assert (await client.post("/api/v1/vmtas", json=vmta, headers=headers)).status_code == 201
    async with db.reading() as connection:
        model = await load_model(connection, Settings())

    kept = msgspec.json.decode((OPS_REPO / "model.json").read_bytes(), type=PolicyModel)
    assert in_order(kept) == in_order(model)


def in_order(model: PolicyModel) -> dict[str, Any]:
    """The model as data, its sets sorted, and without the ids of its keys, which are made anew each time."""
    data: dict[str, Any] = msgspec.to_builtins(model)
    domains = sorted(data["domains"], key=lambda each: each["name"])
    for domain in domains:
        domain["keys"] = [key | {"id": ""} for key in domain["keys"]]
    return data | {"domains": domains}


def test_the_bundle_is_what_its_script_renders_now() -> None:
    bundle: Bundle = runpy.run_path(str(OPS_REPO / "render.py"))["rendered"]()
    kept = Bundle.read(POLICY)
    assert kept.files.keys() == bundle.files.keys(), "run python examples/ops-repo/render.py"
    assert kept == bundle, "run python examples/ops-repo/render.py"
    assert read_manifest(POLICY) == bundle.manifest(1)


def ci(repository: Path) -> subprocess.CompletedProcess[str]:
    """The repository's own script, with this package's ``postmta`` on the path."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = ["sh", str(repository / "ci.sh")]
    return subprocess.run(script, env=environ, text=True, capture_output=True, check=False, timeout=120)


def test_its_own_ci_verifies_it() -> None:
    done = ci(OPS_REPO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   scenarios" in done.stdout


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        ("policy/generated/pools.lua", "co.mx1.r1", "co.mx9.r1", "unknown-source: generated/pools.lua: co"),
        ("policy/postmta/egress.lua", "local M = {}", "local M = {", "lua_syntax: postmta/egress.lua"),
        ("policy/data/domains/0000.json", "{", "", "bad-shard: data/domains/0000.json"),
        ("scenarios.toml", "3 days", "4 days", "scenario-failed: scenario mail of co to gmail"),
        ("scenarios.toml", "[scenario.expect]", "[scenario.expects]", "bad-scenario"),
    ],
)
def test_its_ci_fails_when_it_is_broken(tmp_path: Path, path: str, old: str, new: str, complaint: str) -> None:
    repository = tmp_path / "ops"
    shutil.copytree(OPS_REPO, repository)
    text = (repository / path).read_text(encoding="utf-8")
    assert old in text
    (repository / path).write_text(text.replace(old, new), encoding="utf-8")
    done = ci(repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout


def test_the_bundle_is_proved_and_holds_no_secret() -> None:
    proofs = {proof.name: proof.ok for proof in bundle_folder.verify(OPS_REPO)}
    assert [name for name in ("files", "references", "lua", "traffic", "scenarios") if proofs[name]] == [*proofs][:5]
    assert proofs["kumod"] is not False
    everything = b"".join(path.read_bytes() for path in OPS_REPO.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    assert not list(OPS_REPO.rglob("*.key")) + list(OPS_REPO.rglob("node.json"))
