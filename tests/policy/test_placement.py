"""A vMTA whose address some nodes have is used by these alone. The node of these tests is ``n1``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler import node_files
from postmta_ctl.compiler.model import PolicyModel, VirtualMta
from postmta_ctl.luavm import ConnectionMeta, Rejected

PAIR = ("n1", "n2")
NODES = {"mx-1": ("n2",), "mx-2": ("n1",), "both": PAIR, "proxied": ()}
WARMING = {"mx-2"}


@pytest.fixture
def placed(model: PolicyModel) -> PolicyModel:
    """Of acme, whose established vMTAs but ``both`` and ``proxied`` are elsewhere; globex-2 is elsewhere altogether."""
    acme = [
        VirtualMta(
            organization="acme",
            name=name,
            address=f"192.0.2.{number}",
            ehlo_domain=f"{name}.acme.example",
            state="warming" if name in WARMING else "active",
            nodes=nodes,
        )
        for number, (name, nodes) in enumerate(NODES.items(), 1)
    ]
    others = [msgspec.structs.replace(each, state="active", nodes=("n2", "n3")) for each in model.vmtas[2:]]
    unsigned = tuple(msgspec.structs.replace(each, keys=()) for each in model.domains)
    return msgspec.structs.replace(model, vmtas=(*acme, *others), domains=unsigned)


def with_tickets(fleet: Any) -> Any:
    live = fleet.folder / "live"
    live.mkdir()
    ticket = {"serial": 2, "size": 10, "day": 10, "limits": {}}
    (live / "warmup.json").write_bytes(msgspec.json.encode({"serial": 1, "vmtas": {"acme.mx-2": ticket}}))
    return fleet


def pool(vm: Any, name: str) -> list[str]:
    return [entry.name.split(".")[1] for entry in vm.egress_pool(name).entries]


def test_a_pool_holds_what_this_node_has(fleet_of: Any, placed: PolicyModel) -> None:
    vm = with_tickets(fleet_of(placed)).runtime().start()
    assert pool(vm, "acme") == ["mx-2", "both", "proxied"], "the warming one first, an established one second"
    assert pool(vm, "acme.mx-1") == []
    assert pool(vm, "acme.both") == ["both"]
    assert pool(vm, "globex-2") == []
    assert vm.egress_source("acme.mx-1.r1").values["source_address"] == "192.0.2.1", "what waits still has a source"


def test_proofs_and_simulations_have_every_address(fleet_of: Any, placed: PolicyModel) -> None:
    fleet = fleet_of(placed)
    tokens = {"ingest_url": "http://127.0.0.1:1", "ingest_token": "", "admin_token": ""}
    node_files.write_node_files(fleet.folder, node_name=node_files.EVERYWHERE, **tokens)
    assert pool(fleet.runtime().start(), "globex-2") == ["v4", "v6"]


def test_a_pool_that_only_warms_here_keeps_the_pace_of_its_tickets(fleet_of: Any, placed: PolicyModel) -> None:
    """Without it what is too much would fail attempt after attempt, for want of the other node's vMTAs."""
    vmtas = tuple(each for each in placed.vmtas if each.name in ("mx-1", "mx-2"))
    model = msgspec.structs.replace(placed, vmtas=vmtas, organizations=placed.organizations[:1], domains=())
    fleet = with_tickets(fleet_of(model))
    vm = fleet.runtime().start()
    delayed = []
    for _ in range(12):
        message = fleet.message(rid="r", tenant="acme")
        message.meta["tenant"] = "acme"
        vm.fire("throttle_insert_ready_queue", message)
        delayed.append(message.due is not None)
    assert any(delayed)
    assert not all(delayed)


def test_who_submits_here_is_told_where_the_mail_leaves_from(fleet_of: Any, placed: PolicyModel) -> None:
    fleet = fleet_of(placed)
    vm = fleet.runtime().start()
    relay_host = ConnectionMeta({"received_from": "127.0.0.1:1"})
    elsewhere = vm.smtp_server_message_received(fleet.message("Bob <bob@globex.example>"), relay_host)
    assert isinstance(elsewhere, Rejected)
    assert str(elsewhere).startswith("451 4.3.5 postmta-elsewhere: globex-2 leaves from n2, n3")
    here = fleet.message()
    assert vm.smtp_server_message_received(here, relay_host) is None
    assert pool(vm, "acme")[0] == "both", "by those of the pool that are here"


def test_the_bundle_is_the_same_for_all_nodes(fleet_of: Any, placed: PolicyModel, tmp_path: Path) -> None:
    fleet_of(placed)
    (sources,) = tmp_path.glob("releases/*/generated/sources.lua")
    assert "n3" in sources.read_text()
