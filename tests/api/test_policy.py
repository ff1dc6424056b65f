"""Plan, prove, publish: over HTTP, against nodes that answer as kumod does."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from litestar.testing import AsyncTestClient

from postmta_ctl.app import create_app
from postmta_ctl.compiler.bundle import Bundle, read_manifest
from postmta_ctl.compiler.node_files import current_release
from postmta_ctl.features.policy import bringing
from postmta_ctl.settings import PolicySettings
from tests.fake_node import FakeNode

VMTA = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}


@pytest.fixture
async def node(client: Any, ann: Any, tmp_path: Path) -> AsyncIterator[FakeNode]:
    """A node that the API knows."""
    with FakeNode(tmp_path / "node").serving() as node:
        await add(client, ann, node)
        yield node


async def add(client: Any, headers: Any, node: FakeNode, name: str = "mx-1") -> None:
    body = {"name": name, "admin_url": node.url, "policy_dir": str(node.policy_dir)}
    answer = await client.post("/api/v1/nodes", json=body, headers=headers)
    assert answer.status_code == 201, answer.text


async def publish(client: Any, headers: Any, **body: str) -> Any:
    answer = await client.post("/api/v1/policy/publish", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def plan(client: Any, headers: Any) -> Any:
    answer = await client.get("/api/v1/policy/plan", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def numbers(client: Any, headers: Any) -> list[int]:
    page = (await client.get("/api/v1/policy/releases", headers=headers)).json()
    return [release["number"] for release in page["data"]]


async def the_node(client: Any, headers: Any) -> Any:
    return (await client.get("/api/v1/nodes", headers=headers)).json()["data"][0]


def running(node: FakeNode) -> Path:
    name = current_release(node.policy_dir)
    assert name is not None
    return node.policy_dir / "releases" / name


async def test_a_plan_shows_what_would_be_published_and_writes_nothing(client: Any, acme: Any, node: FakeNode) -> None:
    await client.post("/api/v1/vmtas", json=VMTA, headers=acme)
    found = await plan(client, acme)
    assert (found["release"], found["previous_release"], found["is_publishable"]) == (1, None, True)
    assert [change["author"] for change in found["changes"]] == ["ann@acme.test"] * 2
    assert "mx1" in found["changes"][1]["summary"]
    assert found["change_class"]["kind"] == "restart"
    assert "+++ b/generated/pools.lua" in found["diff"]
    assert [(proof["name"], proof["ok"]) for proof in found["proofs"][:4]] == [
        ("model", True),
        ("references", True),
        ("lua", True),
        ("traffic", True),
    ]
    assert await numbers(client, acme) == []
    assert sorted(path.name for path in node.policy_dir.iterdir()) == ["init.lua", "node.json", "tsa_init.lua"]
    assert (node.bumps, node.probes) == (0, 0)


async def test_a_published_release_runs_on_the_node(client: Any, acme: Any, node: FakeNode) -> None:
    done = await publish(client, acme, reason="first")
    assert (done["outcome"], done["release"]) == ("published", 1)
    assert done["nodes"] == [{"node": "mx-1", "ok": True, "running_release": 1, "detail": "runs release 1"}]
    shown = await the_node(client, acme)
    assert (shown["published_release"], shown["running_release"], shown["last_error"]) == (1, 1, None)
    found = (await client.get("/api/v1/policy/releases/1", headers=acme)).json()
    assert found["release"]["reason"] == "first"
    assert found["release"]["author"] == "ann@acme.test"
    assert [change["summary"] for change in found["changes"]] == ["domain acme.test verified"]
    manifest = read_manifest(running(node))
    assert (manifest.release, manifest.digest) == (1, found["release"]["digest"])
    assert manifest.files == found["files"]
    assert Bundle.read(running(node)).digest == manifest.digest


async def test_a_change_is_published_alive_and_said_in_the_history(client: Any, ann: Any, node: FakeNode) -> None:
    await publish(client, ann)
    await client.post("/api/v1/vmtas", json=VMTA, headers=ann)
    found = await plan(client, ann)
    assert (found["release"], found["previous_release"]) == (2, 1)
    assert found["change_class"] == {"kind": "live", "settings": []}
    assert '+  ["acme.mx1"]' in found["diff"]
    assert (await publish(client, ann))["release"] == 2
    assert node.running == 2
    release = (await client.get("/api/v1/policy/releases/2", headers=ann)).json()
    assert release["diff"] == found["diff"]
    assert release["release"]["reason"] == "vMTA mx1 created"
    assert (await plan(client, ann))["changes"] == []


async def test_the_same_policy_is_not_published_twice(client: Any, ann: Any, node: FakeNode) -> None:
    await publish(client, ann)
    made = (await client.post("/api/v1/vmtas", json=VMTA, headers=ann)).json()
    await client.delete(f"/api/v1/vmtas/{made['id']}", headers=ann)
    done = await publish(client, ann)
    assert (done["outcome"], done["release"], done["change_class"]["kind"]) == ("nothing", 1, "nothing")
    assert await numbers(client, ann) == [1]
    assert (await plan(client, ann))["changes"] == [], "changes that cancel each other out are done with"


async def test_publishing_again_brings_a_node_up_to_date(client: Any, ann: Any, node: FakeNode, tmp_path: Path) -> None:
    await publish(client, ann)
    with FakeNode(tmp_path / "late").serving() as late:
        await add(client, ann, late, "mx-2")
        done = await publish(client, ann)
        assert done["outcome"] == "nothing"
        assert [outcome["ok"] for outcome in done["nodes"]] == [True, True]
        assert late.running == 1


async def test_a_dead_node_does_not_hold_up_the_others(client: Any, ann: Any, node: FakeNode, tmp_path: Path) -> None:
    dead = FakeNode(tmp_path / "dead")
    with dead.serving():
        await add(client, ann, dead, "dead")
    done = await publish(client, ann)
    assert [(outcome["node"], outcome["ok"]) for outcome in done["nodes"]] == [("dead", False), ("mx-1", True)]
    assert "cannot connect" in done["nodes"][0]["detail"]
    shown = await the_node(client, ann)
    assert (shown["published_release"], shown["running_release"]) == (1, None), "its files are there when it comes back"
    assert "cannot connect" in shown["last_error"]
    assert read_manifest(running(dead)).release == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publications that give up on a node soon."""
    monkeypatch.setattr(bringing, "PROBE_SECONDS", 0.4)


@pytest.mark.usefixtures("impatient")
async def test_a_node_stuck_on_the_old_release_is_named(client: Any, ann: Any, node: FakeNode) -> None:
    await publish(client, ann)
    node.stuck = True
    await client.post("/api/v1/vmtas", json=VMTA, headers=ann)
    (outcome,) = (await publish(client, ann))["nodes"]
    assert (outcome["ok"], outcome["running_release"]) == (False, 1)
    assert outcome["detail"] == "is switched to release 2 but still runs 1"
    assert (await the_node(client, ann))["last_error"] == outcome["detail"]
    node.stuck = False
    assert (await publish(client, ann))["nodes"][0]["ok"]
    assert (await the_node(client, ann))["last_error"] is None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [({"garbage": b"<html>hello"}, "hello"), ({"stuck": True}, "took the probe for mail")],
)
async def test_a_node_that_does_not_say_what_it_runs_is_quoted(
    client: Any, ann: Any, node: FakeNode, behaviour: dict[str, Any], words: str
) -> None:
    for name, value in behaviour.items():
        setattr(node, name, value)
    (outcome,) = (await publish(client, ann))["nodes"]
    assert not outcome["ok"]
    assert words in outcome["detail"]


async def test_a_folder_that_cannot_be_written_is_reported(client: Any, ann: Any, node: FakeNode) -> None:
    (node.policy_dir / "releases").write_text("in the way")
    (outcome,) = (await publish(client, ann))["nodes"]
    assert not outcome["ok"]
    assert outcome["detail"].startswith(f"cannot write to {node.policy_dir}")
    shown = await the_node(client, ann)
    assert (shown["published_release"], shown["last_error"]) == (None, outcome["detail"])


async def test_a_release_edited_on_the_node_is_not_overwritten(client: Any, ann: Any, node: FakeNode) -> None:
    await publish(client, ann)
    edited = running(node) / "generated/pools.lua"
    edited.chmod(stat.S_IRUSR | stat.S_IWUSR)
    edited.write_text("return {}")
    (outcome,) = (await publish(client, ann))["nodes"]
    assert "by hand" in outcome["detail"]
    assert edited.read_text() == "return {}"


async def test_private_keys_lie_beside_the_release(client: Any, acme: Any, node: FakeNode) -> None:
    await publish(client, acme)
    paths = sorted((node.policy_dir / "keys/acme.test").iterdir())
    assert [path.name.partition(".")[0] for path in paths] == ["pmta-ed25519", "pmta"]
    for path in paths:
        load_pem_private_key(path.read_bytes(), None)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() not in b"".join(Bundle.read(running(node)).files.values())


async def test_a_key_made_anew_replaces_the_old_one(client: Any, acme: Any, node: FakeNode) -> None:
    await publish(client, acme)
    folder = node.policy_dir / "keys/acme.test"
    before = set(folder.iterdir())
    await delete_domain(client, acme)
    await make_domain_again(client, acme)
    done = await publish(client, acme)
    assert done["outcome"] == "published", "a key of its own has a path of its own, whatever its selector"
    assert len(after := set(folder.iterdir())) == 2
    assert not before & after


async def test_keys_of_a_deleted_domain_leave_the_node(client: Any, acme: Any, node: FakeNode) -> None:
    await publish(client, acme)
    foreign = node.policy_dir / "keys/acme.test/by-hand.key"
    foreign.write_text("not ours")
    await delete_domain(client, acme)
    await publish(client, acme)
    assert list((node.policy_dir / "keys/acme.test").iterdir()) == [foreign]


async def delete_domain(client: Any, headers: Any) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=headers)).json()["data"]
    assert (await client.delete(f"/api/v1/domains/{domain['id']}", headers=headers)).status_code == 204


async def make_domain_again(client: Any, headers: Any) -> None:
    resolver = client.app.state.system.resolver
    made = (await client.post("/api/v1/domains", json={"domain": "acme.test"}, headers=headers)).json()
    for record in made["dns_records"]:
        resolver.records[record["name"], record["type"]] = (record["value"],)
    answer = await client.post(f"/api/v1/domains/{made['id']}/verify", headers=headers)
    assert answer.json()["status"] == "verified", answer.text


def fake_kumod(folder: Path, script: str) -> str:
    path = folder / "kumod"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


REFUSED = {
    "model": PolicySettings(max_age="soon"),
    "traffic": PolicySettings(path_defaults={"conection_limit": 5}),
}


@pytest.fixture(params=[*REFUSED, "kumod"])
async def refused(request: Any, settings: Any, system: Any, tmp_path: Path) -> AsyncIterator[tuple[str, Any]]:
    """Name of the proof that fails, and a client of an installation whose policy fails it."""
    changes: dict[str, Any] = {"kumod": fake_kumod(tmp_path, "echo pool acme: no such pool; exit 1")}
    if request.param in REFUSED:
        changes["policy"] = REFUSED[request.param]
    settings = msgspec.structs.replace(settings, **changes)
    object.__setattr__(system, "settings", settings)
    async with AsyncTestClient(create_app(settings, system=system, jobs=False)) as client:
        yield request.param, client


async def test_a_failed_proof_leaves_everything_as_it_was(refused: tuple[str, Any], tmp_path: Path) -> None:
    proof, client = refused
    headers = await registered(client)
    with FakeNode(tmp_path / "node").serving() as node:
        await add(client, headers, node)
        answer = await client.post("/api/v1/policy/publish", json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "policy_refused"), answer.text
        assert answer.json()["errors"]
        text = answer.text
        assert {"model": "max_age", "traffic": "conection_limit", "kumod": "no such pool"}[proof] in text
        found = await plan(client, headers)
        assert not found["is_publishable"]
        assert [one["name"] for one in found["proofs"] if one["ok"] is False] == [proof]
        checked = (await client.get("/api/v1/policy/check", headers=headers)).json()
        assert not checked["ok"]
        assert checked["findings"]
        assert await numbers(client, headers) == []
        assert sorted(path.name for path in node.policy_dir.iterdir()) == ["init.lua", "node.json", "tsa_init.lua"]
        assert (node.bumps, node.probes) == (0, 0)


async def registered(client: Any) -> dict[str, str]:
    user = {"email": "ann@acme.test", "password": "correct horse battery staple"}
    await client.post("/api/v1/auth/register", json=user | {"organization": "acme"})
    token = (await client.post("/api/v1/auth/login", json=user)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def validating(settings: Any, system: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """A client of an installation with a kumod that notes how it was called, and looks at its policy."""
    script = f'echo "$@" > {tmp_path}/arguments; test -r "$2" && ls -R "$(dirname "$2")" > {tmp_path}/files'
    settings = msgspec.structs.replace(settings, kumod=fake_kumod(tmp_path, script))
    object.__setattr__(system, "settings", settings)
    async with AsyncTestClient(create_app(settings, system=system, jobs=False)) as client:
        yield client


async def test_a_kumod_validates_the_policy_off_the_live_path(validating: Any, tmp_path: Path) -> None:
    headers = await registered(validating)
    assert (await publish(validating, headers))["outcome"] == "published"
    words = (tmp_path / "arguments").read_text().split()
    assert words[0] == "--policy"
    assert words[2] == "--validate"
    assert ("--user" in words) == (os.geteuid() == 0)
    assert not Path(words[1]).exists(), "what was staged is removed"
    assert {"current", "node.json", "pools.lua"} <= set((tmp_path / "files").read_text().split())
    release = (await validating.get("/api/v1/policy/releases/1", headers=headers)).json()
    assert [(proof["name"], proof["ok"]) for proof in release["proofs"]][-1] == ("kumod", True)


async def test_a_kumod_that_was_named_must_be_there(settings: Any, system: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-kumod")
    settings = msgspec.structs.replace(settings, kumod=missing)
    object.__setattr__(system, "settings", settings)
    async with AsyncTestClient(create_app(settings, system=system, jobs=False)) as client:
        answer = await client.post("/api/v1/policy/publish", headers=await registered(client))
        assert (answer.status_code, answer.json()["code"]) == (422, "policy_refused")
        assert missing in answer.json()["detail"]


async def test_two_publications_at_once_make_one_release(client: Any, ann: Any, node: FakeNode) -> None:
    done = await asyncio.gather(*(publish(client, ann) for _ in range(4)))
    assert sorted(one["outcome"] for one in done) == ["nothing"] * 3 + ["published"]
    assert {one["release"] for one in done} == {1}
    assert await numbers(client, ann) == [1]


async def test_publications_and_changes_at_once_end_with_the_last_change(client: Any, ann: Any, node: FakeNode) -> None:
    async def change(number: int) -> None:
        body = VMTA | {"name": f"mx{number}", "ip_address": f"192.0.2.{number}"}
        assert (await client.post("/api/v1/vmtas", json=body, headers=ann)).status_code == 201
        await publish(client, ann)

    await asyncio.gather(*(change(number) for number in range(1, 6)))
    found = await numbers(client, ann)
    assert found == list(range(len(found), 0, -1))
    assert node.running == found[0]
    pools = (running(node) / "generated/pools.lua").read_text()
    assert all(f"acme.mx{number}.r1" in pools for number in range(1, 6))
    assert (await plan(client, ann))["changes"] == []


async def test_releases_are_paged_by_number(client: Any, ann: Any) -> None:
    for number in range(1, 4):
        body = VMTA | {"name": f"mx{number}", "ip_address": f"192.0.2.{number}"}
        await client.post("/api/v1/vmtas", json=body, headers=ann)
        await publish(client, ann)
    first = (await client.get("/api/v1/policy/releases?limit=2", headers=ann)).json()
    assert [release["number"] for release in first["data"]] == [3, 2]
    second = (await client.get(f"/api/v1/policy/releases?cursor={first['next_cursor']}", headers=ann)).json()
    assert [release["number"] for release in second["data"]] == [1]
    assert second["next_cursor"] is None
    assert (await client.get("/api/v1/policy/releases/9", headers=ann)).status_code == 404
    for query in ("limit=0", "limit=501", "cursor=x"):
        assert (await client.get(f"/api/v1/policy/releases?{query}", headers=ann)).status_code == 422


async def test_blobs_are_kept_once(client: Any, ann: Any, db: Any) -> None:
    await publish(client, ann)
    await client.post("/api/v1/vmtas", json=VMTA, headers=ann)
    await publish(client, ann)
    files = [
        set((await client.get(f"/api/v1/policy/releases/{number}", headers=ann)).json()["files"].values())
        for number in (1, 2)
    ]
    async with db.reading() as connection:
        kept = (await connection.exec_driver_sql("SELECT count(*) FROM blobs")).scalar_one()
    assert kept == len(files[0] | files[1]) < len(files[0]) + len(files[1])


async def test_the_bundle_is_downloaded_as_it_would_be_published(client: Any, ann: Any, node: FakeNode) -> None:
    answer = await client.get("/api/v1/policy/bundle", headers=ann)
    assert answer.headers["content-type"] == "application/gzip"
    await publish(client, ann)
    folder = running(node)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        members = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        contents = {name: file.read() for name, file in members.items() if file}
    files = (path for path in folder.rglob("*") if path.is_file())
    assert contents == {f"{folder.name}/{path.relative_to(folder)}": path.read_bytes() for path in files}


ROUTES = [
    ("GET", "plan"),
    ("GET", "check"),
    ("GET", "bundle"),
    ("POST", "publish"),
    ("GET", "releases"),
    ("GET", "releases/1"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_the_policy_is_for_operators(client: Any, bob: Any, method: str, path: str) -> None:
    answer = await client.request(method, f"/api/v1/policy/{path}", headers=bob)
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert (await client.request(method, f"/api/v1/policy/{path}")).status_code == 401
