"""State files applied: by the services of the API, on both engines, wholly or not at all."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy import text as sql

from postmta_ctl.core import dkim
from postmta_ctl.core.errors import InputError
from postmta_ctl.errors import Conflict
from postmta_ctl.features.state import service
from postmta_ctl.features.state.keys import no_secrets
from postmta_ctl.features.state.schemas import StateChange
from postmta_ctl.features.vmtas import pausing
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System
from tests.api.test_bimi import LOGO, Documents, web
from tests.api.test_cli_policy import Shell
from tests.api.test_scenarios import GOOD
from tests.conftest import Client

DOCS = Path(__file__).parents[2] / "docs" / "declarative.md"
PAIR = dkim.generate(dkim.ED25519)
__all__ = ["web"]
COUNTED = ["organizations", "vmtas", "pools", "domains", "dkim_keys", "templates", "audit_log", "policy_changes"]
HOSTILE = """
version: 1
organizations:
  acme: {name: "Acme"}
  no:
    name: "a: {b}\\n# \\"c\\" ' | > \\u202e é \\x1b[2J"
    warmup_schedules: {"1e5": {daily_allowances: [5, 10], provider_shares: {gmail: 0.5}}, null: {daily_allowances: [1]}}
    vmtas:
      "1": {ip_address: "2001:DB8:0::1", ehlo_domain: MX.Example.com, warmup: {schedule: "1e5"}}
      "007": {ip_address: 192.0.2.7, ehlo_domain: bücher.example, proxy: {protocol: haproxy, server: "10.0.0.1:1080"}}
      "off":
        {ip_address: 192.0.2.8, ehlo_domain: mx3.example.com, warmup: {daily_allowances: [7, 9]}, paused: "- a: 'b' #"}
    pools: {"true": {members: {"007": 3, "1": 1}, domains: [Bücher.example], default: true}, "0x1f": {}}
    domains:
      Bücher.example:
        {dkim_rotation_days: 90, bimi: {logo_url: "https://x.example/l.svg"}, create: {dkim_keys: {own: {env: KEY}}}}
    templates:
      "~ 'é': #": {subject: "{{ a }}", text: "- x: {{ a }}\\n\\ny\\n"}
      "2": {subject: "", html: "<b>\\t</b>\\n\\n", text: "\\n\\n y \\r\\n"}
    auto_block_rules:
      "~: [no] #1 'x' \\"y\\" \\\\ é": {metric: bounce_rate, scope: vmta, window_minutes: 60, threshold: 0.00001}
ip_addresses:
  {"2001:db8::1": {organization: "no", note: "- rack: 4"}, 192.0.2.7: {shared: true}, 192.0.2.8: {shared: true}}
shaping:
  provider web.de: {limits: {max_message_rate: "10/s", connection_limit: 3}}
  domain web.de: {limits: {connection_limit: 4}, note: "no: \\"x\\""}
  "domain bücher.example of no": {limits: {max_recipients_per_batch: 5}}
automation:
  rules:
    - {regex: 'a "b" ''c'' #: \\d', action: suspend_tenant, duration: 60, note: "- x: y"}
    - {domain: Bücher.example, regex: '4\\.7', action: limit, limits: {connection_limit: 1}, duration: 60, threshold: 2}
    - {provider: gmail, regex: '4\\.7\\.28', action: suspend, duration: 3600, match_internal: true, threshold: null}
greylisting: {enabled: true, allowed_networks: [198.51.100.0/24, 192.0.2.0/24]}
scenarios:
  toml: |
    # Comments stay.

    [[scenario]]
    name = "é"
    organization = "no"
    from = "a@xn--bcher-kva.example"
    to = "b@c.example"
    expect.pool = "no._true"
"""


def secrets(reference: Mapping[str, str]) -> bytes:
    if reference != {"env": "KEY"}:
        raise InputError("secret_missing", f"{reference} is not there")
    return PAIR.private_pem


class Operator:
    """Somebody at the command line of an installation."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.principal = service.operator("op (command line)")

    async def plan(self, text: str, *, prune: bool = False) -> StateChange:
        return await service.plan(self.system, self.principal, text, "s.yaml", secrets, prune=prune)

    async def apply(self, text: str, *, prune: bool = False) -> StateChange:
        return await service.apply(self.system, self.principal, text, "s.yaml", secrets, prune=prune)

    async def export(self) -> str:
        return await service.export(self.system)

    async def vmta(self) -> VmtaRow:
        """The only one."""
        async with self.system.db.reading() as connection:
            ((_, row),) = await vmtas.of_all(connection)
        return row

    async def rows(self) -> dict[str, int]:
        async with self.system.db.reading() as connection:
            return {name: await connection.scalar(sql(f"SELECT COUNT(*) FROM {name}")) or 0 for name in COUNTED}


@pytest.fixture
def op(system: System, db: Database, web: Documents) -> Operator:
    """With a web of its own: logos are fetched from nowhere else."""
    return Operator(replace(system, db=db))


async def test_hostile_names_come_back_byte_by_byte_and_applying_them_changes_nothing(op: Operator) -> None:
    before = await op.rows()
    planned = await op.plan(HOSTILE)
    assert (planned.problems, await op.rows()) == ([], before)
    done = await op.apply(HOSTILE)
    assert (done.steps, done.applied) == (planned.steps, True)
    text, after = await op.export(), await op.rows()
    assert "PRIVATE" not in text
    for again in (HOSTILE, text):
        assert (await op.apply(again, prune=True)).steps == []
    assert (await op.export(), await op.rows()) == (text, after)
    # What is not in the file goes, when asked for; then the same file makes another installation the same.
    emptied = re.sub(r"^    (\w+):\n(?:     .*\n|\n)+", r"    \1: {}\n", text, flags=re.MULTILINE)
    emptied = re.sub(r"^automation:\n(?: .*\n)+", "automation: {rules: []}\n", emptied, flags=re.MULTILINE)
    emptied = re.sub(r"^(ip_addresses|shaping):\n(?: .*\n)+", r"\1: {}\n", emptied, flags=re.MULTILINE)
    gone = await op.apply(emptied, prune=True)
    # Rules of automation have no names: theirs is one thing, which changes.
    assert {(step.action, step.kind == "automation") for step in gone.steps} == {("delete", False), ("update", True)}
    assert (await op.rows())["vmtas"] == 0
    made = (await op.apply(text)).steps
    assert {(step.action, step.kind == "automation") for step in made} == {("create", False), ("update", True)}
    assert await op.export() == text


async def test_one_thing_wrong_and_nothing_is_done(op: Operator) -> None:
    await op.apply(HOSTILE)
    before, text = await op.rows(), await op.export()
    bad = """
version: 1
organizations:
  new: {vmtas: {mx1: {ip_address: 203.0.113.1, ehlo_domain: mx.example.com}}}
  "no":
    pools: {other: {members: {absent: 1}}, more: {members: {"1": 0}}}
    domains: {fine.example: , keyless.example: {create: {dkim_keys: {s: {file: none.pem}}}}}
    auto_block_rules: {x: {metric: bounce_rate, scope: moon, window_minutes: 60, threshold: 0.1}}
automation: {rules: [{regex: "(", action: suspend, duration: 60}]}
"""
    planned = await op.plan(bad)
    told = {str(one) for one in planned.problems}
    assert "s.yaml:6: organizations.no.pools.other.members: there is no vMTA of the name absent" in told
    assert any(
        one.startswith("s.yaml:6: organizations.no.pools.more.members[0].weight: Expected `int`") for one in told
    )
    keyless = "organizations.no.domains.keyless.example.create.dkim_keys.s"
    assert f"s.yaml:7: {keyless}: {{'file': 'none.pem'}} is not there" in told
    assert any(one.startswith("s.yaml:8: organizations.no.auto_block_rules.x.scope:") for one in told)
    assert any(one.startswith("s.yaml:9: automation.rules.regex: '(': does not compile") for one in told)
    # Addresses are listed, so a new organization gets none that is not assigned to it.
    assert any(one.startswith("s.yaml:4: organizations.new.vmtas.mx1.ip_address: this address is not") for one in told)
    with pytest.raises(Conflict) as refused:
        await op.apply(bad)
    assert refused.value.code == "state_refused"
    assert len(refused.value.errors) == len(told) == 6
    assert (await op.rows(), await op.export()) == (before, text)


async def test_warm_up_begins_once_and_ends_when_told(op: Operator) -> None:
    state = (
        "version: 1\norganizations: {o: {vmtas: {m: {ip_address: 192.0.2.1, ehlo_domain: m.example.com, warmup: W}}}}"
    )
    standard, none = state.replace("W", "{schedule: standard}"), state.replace("W", "null")
    await op.apply(none)
    assert [one.field for step in (await op.apply(standard)).steps for one in step.changes] == ["warmup"]
    assert (await op.apply(standard)).steps == []
    other = await op.plan(state.replace("W", "{schedule: aggressive}"))
    assert "warming up already" in other.problems[0].message
    assert len((await op.apply(none)).steps) == 1
    assert "warmup: null" in await op.export()
    # Having been warmed up so is what the file asks for: it does not begin again.
    assert (await op.apply(standard)).steps == []


async def test_a_pause_is_the_files_unless_it_ends_by_itself_or_is_a_blocks(op: Operator) -> None:
    base = (
        "version: 1\norganizations: {o: {vmtas: {m: {ip_address: 192.0.2.1, ehlo_domain: m.example.com, paused: W}}}}"
    )
    runs, stands = base.replace("W", "null"), base.replace("W", "moving racks")
    await op.apply(stands)
    assert (await op.vmta()).paused_reason == "moving racks"
    for text in (stands, await op.export()):
        assert (await op.apply(text, prune=True)).steps == []
    assert [str(one.after) for step in (await op.apply(runs)).steps for one in step.changes] == ["None"]
    row = await op.vmta()
    assert not row.is_paused
    # Nobody's file ends these, and nobody's file has them.
    for by, until in (("auto-block 0190", None), ("ann@acme.test", op.system.now() + timedelta(hours=1))):
        async with op.system.db.transaction() as connection:
            paused = await pausing.pause(connection, row, reason="x", by=by, now=op.system.now(), until=until)
        assert "paused: null" in await op.export()
        assert (await op.apply(runs)).steps == []
        assert await op.vmta() == paused
    # But what the file wants paused stays so from then on.
    await op.apply(stands)
    assert ((await op.vmta()).paused_until, (await op.vmta()).paused_reason) == (None, "moving racks")
    too_long = await op.plan(base.replace("W", "x" * 501))
    assert too_long.problems[0].path == "organizations.o.vmtas.m.reason"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_pair_of_addresses_comes_and_goes_with_the_file(op: Operator) -> None:
    start = "version: 1\norganizations: {o: {vmtas: {m: {ip_address: 192.0.2.1, ehlo_domain: m.example.com, "
    await op.apply(start + "ipv6_address: '2001:0db8::0:1'}}}}")
    assert (await op.vmta()).addresses == ("192.0.2.1", "2001:db8::1")
    for text in (start + "ipv6_address: '2001:DB8::1'}}}}", await op.export()):
        assert (await op.apply(text, prune=True)).steps == []
    for wrong in ("192.0.2.2", "::ffff:192.0.2.2", "x"):
        planned = await op.plan(start + f"ipv6_address: '{wrong}'}}}}}}}}")
        assert [one.path for one in planned.problems] == ["organizations.o.vmtas.m.ipv6_address"]
    await op.apply(start + "ipv6_address: null}}}}")
    assert (await op.vmta()).addresses == ("192.0.2.1",)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_logo_is_looked_at_when_applied_and_never_in_a_plan(
    client: Client, acme: dict[str, str], op: Operator, web: Documents
) -> None:
    file = f"version: 1\norganizations: {{acme: {{domains: {{acme.test: {{bimi: {{logo_url: '{LOGO}'}}}}}}}}}}"
    planned = await op.plan(file)
    assert ([one.field for one in planned.steps[0].changes], web.asked) == (["bimi"], [])
    await op.apply(file)
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    found = {one["name"]: one["verdict"] for one in domain["bimi"]["checks"]}
    assert (found["bimi_logo"], web.asked) == ("ok", [LOGO])
    assert (await op.apply(file)).steps == (await op.apply(await op.export(), prune=True)).steps == []
    for wrong, message in (("http://cdn.example/l.svg", "https"), ("https://cdn.example/;", "semicolon")):
        (problem,) = (await op.plan(file.replace(LOGO, wrong))).problems
        assert problem.path == "organizations.acme.domains.acme.test.bimi.logo_url"
        assert message in problem.message.lower()
    await op.apply(file.replace(f"{{logo_url: '{LOGO}'}}", "null"))
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    assert domain["bimi"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_scenarios_are_kept_as_written_and_judged_by_the_next_plan_of_the_policy(
    client: Client, acme: dict[str, str], op: Operator
) -> None:
    file = "version: 1\nscenarios:\n  toml: |\n" + "".join(f"    {line}\n" for line in GOOD.splitlines())
    await op.apply(file)
    kept = (await client.get("/api/v1/policy/scenarios", headers=acme)).json()
    assert (kept["toml"], kept["updated_by"]) == (GOOD, "op (command line)")
    plan = (await client.get("/api/v1/policy/plan", headers=acme)).json()
    assert not plan["is_publishable"]
    (problem,) = (await op.plan("version: 1\nscenarios: {toml: 'colour = 1'}")).problems
    assert (problem.path, "colour" in problem.message) == ("scenarios.toml.scenarios.toml", True)
    await op.apply("version: 1\nscenarios: {}", prune=True)
    assert (await client.get("/api/v1/policy/scenarios", headers=acme)).json() == kept


async def test_changes_are_audited_and_wait_for_the_next_release(
    client: Client, ann: dict[str, str], op: Operator
) -> None:
    await op.apply(
        "version: 1\norganizations: {acme: {vmtas: {m: {ip_address: 192.0.2.1, ehlo_domain: m.example.com}}}}"
    )
    audit = (await client.get("/api/v1/audit", headers=ann)).json()["data"]
    assert ("vmta.created", "op (command line)") in {(one["action"], one["actor"]) for one in audit}
    plan = (await client.get("/api/v1/policy/plan", headers=ann)).json()
    assert "vMTA m created" in {one["summary"] for one in plan["changes"]}
    shown = (await client.get("/api/v1/vmtas", headers=ann)).json()["data"]
    assert [one["name"] for one in shown] == ["m"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_two_at_once_make_everything_once(op: Operator) -> None:
    await asyncio.gather(op.apply(HOSTILE), op.apply(HOSTILE))
    assert (await op.rows())["vmtas"] == 3
    with pytest.raises(InputError):
        no_secrets({"env": "POSTMTA_MASTER_KEY"})


def test_the_examples_of_the_page(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    (state,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    postmta = Shell(tmp_path)
    (tmp_path / "state.yaml").write_text(state)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "s1.pem").write_bytes(PAIR.private_pem)
    file = str(tmp_path / "state.yaml")
    planned = postmta("apply", "-f", file, "--plan", "--exit-code", status=3)
    for line in re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)[0].splitlines():
        assert line in planned, line
    assert "Done: " in postmta("apply", "-f", file)
    exported = yaml.safe_load(postmta("export"))
    assert exported["organizations"]["acme"]["pools"] == yaml.safe_load(state)["organizations"]["acme"]["pools"]
    assert "Token of the invitation" in postmta("user", "invite", "ann@acme.test", "--organization", "acme")
    told = json.loads(postmta("user", "invite", "bob@acme.test", "--organization", "acme", "--json"))
    assert (told["invitation"]["email"], bool(told["token"])) == ("bob@acme.test", True)
    (tmp_path / "keys" / "s1.pem").unlink()
    (tmp_path / "state.yaml").write_text(state.replace("shop.example.com:", "other.example.com:"))
    assert "keys/s1.pem cannot be read" in postmta("apply", "-f", file, status=1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_operators_apply_files_through_the_api(client: Client, ann: dict[str, str], bob: dict[str, str]) -> None:
    async def ask(path: str, text: str, headers: dict[str, str] = ann, **more: object) -> tuple[int, Any]:
        answer = await client.post(f"/api/v1/state/{path}", json={"yaml": text} | more, headers=headers)
        return answer.status_code, answer.json()

    file = "version: 1\norganizations: {acme: {vmtas: {m: {ip_address: 192.0.2.1, ehlo_domain: m.example.com}}}}"
    status, planned = await ask("plan", file)
    assert (status, planned["applied"], planned["problems"]) == (200, False, [])
    assert [(one["action"], one["kind"], one["name"], one["line"]) for one in planned["steps"]] == [
        ("create", "vmta", "m", 2)
    ]
    assert (await ask("apply", file))[1]["applied"]
    shown = (await client.get("/api/v1/state", headers=ann)).json()["yaml"]
    assert (await ask("apply", shown, prune=True))[1] == {"applied": False, "steps": [], "problems": []}
    audit = (await client.get("/api/v1/audit", headers=ann, params={"action": "vmta.created"})).json()["data"]
    assert [one["actor"] for one in audit] == ["ann@acme.test"]

    secret = "version: 1\norganizations: {acme: {domains: {a.test: {create: {dkim_keys: {s: {file: /etc/passwd}}}}}}}"
    status, refused = await ask("apply", secret)
    assert (status, refused["code"], refused["errors"][0]["field"]) == (409, "state_refused", "state:2")
    assert "read by the postmta command only" in refused["errors"][0]["message"]
    assert (await ask("plan", "a: [", bob))[0] == (await ask("apply", file, bob))[0] == 403
    assert (await client.get("/api/v1/state", headers=bob)).status_code == 403
    key = {"name": "k", "scopes": ["policy:read", "policy:write"]}
    weak = (await client.post("/api/v1/api-keys", json=key, headers=ann)).json()["secret"]
    assert (await ask("apply", file, {"X-API-Key": weak}))[1]["code"] == "missing_scope"
    assert (await ask("plan", "- a"))[1]["problems"][0]["line"] == 1
