"""``postmta import``, as an operator types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from postmta_ctl.assembly import create_system
from postmta_ctl.features.auth import service as auth
from postmta_ctl.features.auth.schemas import Register
from postmta_ctl.settings import Settings
from postmta_ctl.store.migrate import upgrade
from tests.api.test_cli_policy import Shell
from tests.importing.support import folder


@pytest.fixture
def postmta(tmp_path: Path) -> Shell:
    """A shell on an installation with one organization."""
    asyncio.run(register(Settings(data_dir=tmp_path / "data", embedded_node=False)))
    return Shell(tmp_path)


async def register(settings: Settings) -> None:
    settings.data_dir.mkdir()
    system = create_system(settings)
    try:
        await upgrade(system.db)
        await auth.register(
            system, Register(email="ann@acme.test", password="correct horse battery", organization="acme")
        )
    finally:
        await system.kumod.close()
        await system.db.close()


def test_a_plan_then_the_real_thing(postmta: Shell, tmp_path: Path) -> None:
    config = folder("powermta", tmp_path / "old") / "config"
    shown = postmta("import", "powermta", str(config))
    for part in ("config:4", "conf.d/senders.conf:2", "not supported", "[policy]", "findings; look at them before"):
        assert part in shown
    assert "Nothing was written" in postmta("import", "powermta", str(config), "--apply", status=1)
    done = json.loads(postmta("import", "powermta", str(config), "--apply", "--despite-findings", "--json"))
    assert (done["organization"], done["applied"]) == ("acme", True)
    assert {one["action"] for one in done["items"]} == {"create", "conflict"}
    again = json.loads(postmta("import", "powermta", str(config), "--apply", "--despite-findings", "--json"))
    assert {one["action"] for one in again["items"]} == {"unchanged", "conflict"}
    assert sum(done["outcomes"].values()) == len(done["report"])


def test_a_folder_of_helpers_with_keys_elsewhere(postmta: Shell, tmp_path: Path) -> None:
    helpers = folder("kumomta", tmp_path / "old")
    elsewhere = tmp_path / "root" / "opt" / "kumomta" / "etc" / "dkim" / "default.letter.example"
    elsewhere.mkdir(parents=True)
    (elsewhere / "k1.key").write_bytes((helpers / "keys" / "letter.pem").read_bytes())
    arguments = ("import", "kumomta", str(helpers), "--json")
    refused = json.loads(postmta(*arguments))
    assert [one["name"] for one in refused["items"] if one["action"] == "conflict"] == ["default.letter.example"]
    planned = json.loads(postmta(*arguments, "--root", str(tmp_path / "root")))
    assert {one["action"] for one in planned["items"]} == {"create"}


def test_without_an_organization_there_is_nobody_to_import_for(tmp_path: Path) -> None:
    config = folder("powermta", tmp_path / "old") / "config"
    assert "register a user first" in Shell(tmp_path)("import", "powermta", str(config), status=1)
