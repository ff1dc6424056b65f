"""Named pools: whose mail leaves from them, with which weights, and what is left when one is gone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import PolicyModel, Pool, PoolMember
from postmta_ctl.compiler.render import render
from postmta_ctl.luavm.selector import SourceSelector

NEWS = Pool(
    organization="acme", name="news", members=(PoolMember(vmta="mx-2", weight=3), PoolMember(vmta="mx-1", weight=9))
)


def with_pools(model: PolicyModel, *pools: Pool, domain_pool: str | None = None) -> PolicyModel:
    first, *others = model.domains
    assert first.organization == "acme"
    first = msgspec.structs.replace(first, pool=domain_pool)
    return msgspec.structs.replace(model, pools=pools, domains=(first, *others))


@pytest.fixture
def vm(fleet: Any, model: PolicyModel) -> Any:
    fleet.publish(render(with_pools(model, NEWS, domain_pool="news")), release=8)
    return fleet.runtime().start()


def entries(vm: Any, pool: str) -> list[tuple[str, int]]:
    return [(entry.name, entry.weight) for entry in vm.egress_pool(pool).entries]


def test_a_named_pool_has_its_members_warming_ones_first(vm: Any) -> None:
    assert vm.queue_config("example.org", "acme._news").egress_pool == "acme._news"
    assert entries(vm, "acme._news") == [("acme.mx-2.r3", 3), ("acme.mx-1.r1", 9)]
    assert entries(vm, "acme") == [("acme.mx-2.r3", 1), ("acme.mx-1.r1", 1)]


def test_weights_divide_what_comes_after_the_first_round(fleet: Any, model: PolicyModel) -> None:
    both = [msgspec.structs.replace(vmta, state="active", daily_limit=None) for vmta in model.vmtas]
    fleet.publish(render(msgspec.structs.replace(with_pools(model, NEWS), vmtas=tuple(both))), release=8)
    vm = fleet.runtime().start()
    selector = SourceSelector(vm.egress_pool("acme._news").entries)

    def rates(source: str) -> Any:
        return vm.egress_path("example.org", source, "mx").selection_throttles("ready", source)

    chosen = Counter(selector.select(vm.node.throttles, rates).source for _ in range(1200))
    assert chosen == {"acme.mx-1.r1": pytest.approx(900, abs=12), "acme.mx-2.r3": pytest.approx(300, abs=12)}


def test_a_default_pool_takes_the_mail_that_chooses_none(fleet: Any, model: PolicyModel) -> None:
    only = Pool(organization="acme", name="main", members=(PoolMember(vmta="mx-1"),), is_default=True)
    fleet.publish(render(with_pools(model, only)), release=8)
    vm = fleet.runtime().start()
    assert entries(vm, "acme") == entries(vm, "acme._main") == [("acme.mx-1.r1", 1)]
    assert entries(vm, "acme.mx-2") == [("acme.mx-2.r3", 1)]


@pytest.mark.parametrize("members", [(), (PoolMember(vmta="v4"),)])
def test_a_pool_that_nothing_can_leave_from_holds_its_mail(
    fleet: Any, model: PolicyModel, members: tuple[PoolMember, ...]
) -> None:
    paused = Pool(organization="globex-2", name="quiet", members=members)
    fleet.publish(render(with_pools(model, paused)), release=8)
    vm = fleet.runtime().start()
    assert vm.queue_config("example.org", "globex-2._quiet").egress_pool == "globex-2._quiet"
    assert entries(vm, "globex-2._quiet") == []


def test_mail_for_a_deleted_pool_leaves_as_other_mail_of_the_organization(vm: Any) -> None:
    assert vm.queue_config("example.org", "acme._gone").egress_pool == "acme"
    assert vm.queue_config("example.org", "initech._gone").egress_pool == "unknown_tenant"


def test_mail_by_http_may_name_the_pool(fleet: Any, vm: Any) -> None:
    message = fleet.message(tenant="acme._news", rid="018f0000-0000-7000-8000-000000000001")
    vm.fire("http_message_generated", message)
    assert message.queue_name == "acme._news@example.org"


def test_mail_by_smtp_leaves_from_the_pool_of_its_domain(fleet: Any, vm: Any) -> None:
    queues = {}
    for sender in ("a@acme.example", "a@news.acme.example"):
        message = fleet.message(sender)
        assert vm.smtp_server_message_received(message) is None
        queues[sender] = message.queue_name
    assert queues == {
        "a@acme.example": "acme._news@example.org",
        "a@news.acme.example": "acme@example.org",
    }


def test_a_policy_with_pools_validates_itself(fleet: Any, vm: Any) -> None:
    vm.fire("validate_config")
    assert not vm.node.validation_failed


@pytest.mark.parametrize(
    ("pools", "domain_pool", "code"),
    [
        ((Pool(organization="acme", name="News"),), None, "bad-name"),
        ((Pool(organization="acme", name="a\nb"),), None, "bad-name"),
        ((Pool(organization="initech", name="news"),), None, "unknown-organization"),
        ((NEWS, NEWS), None, "duplicate-pool"),
        ((Pool(organization="acme", name="x", members=(PoolMember(vmta="v6"),)),), None, "unknown-vmta"),
        ((Pool(organization="acme", name="x", members=(PoolMember(vmta="mx-1"),) * 2),), None, "duplicate-member"),
        ((Pool(organization="acme", name="x", members=(PoolMember(vmta="mx-1", weight=0),)),), None, "bad-weight"),
        ((NEWS,), "other", "unknown-pool"),
        (
            tuple(Pool(organization="acme", name=name, is_default=True) for name in ("a", "b")),
            None,
            "two-defaults",
        ),
    ],
)
def test_a_broken_pool_is_refused(
    model: PolicyModel, pools: tuple[Pool, ...], domain_pool: str | None, code: str
) -> None:
    errors = [each for each in check(with_pools(model, *pools, domain_pool=domain_pool)) if each.severity == "error"]
    assert code in {each.code for each in errors}


def test_a_pool_of_paused_vmtas_is_worth_a_word(model: PolicyModel) -> None:
    quiet = Pool(organization="globex-2", name="quiet", members=(PoolMember(vmta="v4"),))
    found = {(each.code, each.where) for each in check(with_pools(model, quiet)) if each.severity == "warning"}
    assert ("paused-only", "pool globex-2.quiet") in found
