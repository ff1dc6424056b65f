"""Domains in shards: Lua looks in the file that Python wrote, and a changed one is seen after a publication."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.model import PolicyModel, SendingDomain
from postmta_ctl.compiler.render import render


@pytest.fixture
def many(model: PolicyModel) -> PolicyModel:
    extra = tuple(SendingDomain(name=f"d{number}.example", organization="acme") for number in range(300))
    return msgspec.structs.replace(model, domains=model.domains + extra)


def test_lua_finds_every_domain_in_its_shard(fleet: Any, many: PolicyModel) -> None:
    bundle = render(many)
    assert len([path for path in bundle.files if path.startswith("data/domains/")]) == 16
    fleet.publish(bundle, release=8)
    vm = fleet.runtime().start()
    for number in range(300):
        message = fleet.message(f"a@d{number}.example", tenant="acme", rid=f"r-{number}")
        assert vm.http_message_generated(message) is None


def test_a_domain_that_moved_is_seen_after_the_publication(fleet: Any, many: PolicyModel) -> None:
    node = fleet.runtime()
    fleet.publish(render(many), release=8)
    assert node.start().http_message_generated(fleet.message("a@d1.example", tenant="acme", rid="r-1")) is None

    moved = tuple(
        msgspec.structs.replace(each, organization="globex-2") if each.name == "d1.example" else each
        for each in many.domains
    )
    fleet.publish(render(msgspec.structs.replace(many, domains=moved)), release=9)
    node.bump_epoch()
    rejected = node.current().http_message_generated(fleet.message("a@d1.example", tenant="acme", rid="r-2"))
    assert "postmta-foreign-domain" in str(rejected)
    message = fleet.message("a@d1.example", tenant="globex-2", rid="r-3")
    assert node.current().http_message_generated(message) is None
