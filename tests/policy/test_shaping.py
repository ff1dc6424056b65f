"""How much is sent to a provider at once: what is maintained, and the rules of operators that come before it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.model import PolicyModel, ShapingRule
from postmta_ctl.core.providers import NAMES
from postmta_ctl.core.shaping import MAINTAINED, Limits

GMAIL_SITE = "(alt1|alt2).aspmx.l.google.com"


def shaped(model: PolicyModel, *rules: ShapingRule) -> PolicyModel:
    installation = msgspec.structs.replace(model.installation, path_defaults={"max_ready": 500})
    return msgspec.structs.replace(model, installation=installation, shaping=rules)


def path(fleet_of: Any, model: PolicyModel, domain: str, site: str, source: str = "acme.mx-1.r1") -> Any:
    return fleet_of(model).runtime().start().egress_path(domain, source, site).values


def test_what_is_maintained_is_of_known_providers_and_says_where_it_is_from() -> None:
    assert MAINTAINED.keys() <= NAMES
    assert {"gmail", "outlook", "yahoo", "icloud", "gmx", "web.de", "comcast", "orange"} <= MAINTAINED.keys()
    assert all(each.source and each.limits.connection_limit for each in MAINTAINED.values())


@pytest.mark.parametrize(
    ("domain", "site", "provider"),
    [
        ("gmail.com", "gmail-smtp-in.l.google.com", "gmail"),
        ("hosted.example", GMAIL_SITE, "gmail"),
        ("hosted.example", "hosted-example.mail.protection.outlook.com", "outlook"),
        ("aol.com", "mx-aol.mail.gm0.yahoodns.net", "yahoo"),
    ],
)
def test_all_sites_of_a_provider_share_its_limits(
    fleet_of: Any, model: PolicyModel, domain: str, site: str, provider: str
) -> None:
    found = path(fleet_of, shaped(model), domain, site)
    wanted = MAINTAINED[provider].limits
    assert found["connection_limit"] == wanted.connection_limit
    assert found["max_deliveries_per_connection"] == wanted.max_deliveries_per_connection
    assert found["additional_connection_limits"] == {f"postmta:acme.mx-1:{provider}": wanted.connection_limit}
    assert (found["provider_name"], found["max_ready"]) == (provider, 500)


def test_nobody_else_has_these_limits(fleet_of: Any, model: PolicyModel) -> None:
    found = path(fleet_of, shaped(model), "example.org", "mx.example.org")
    assert (found["provider_name"], found["additional_connection_limits"]) == (None, {})


def test_a_rule_that_is_nearer_comes_first(fleet_of: Any, model: PolicyModel) -> None:
    many = shaped(
        model,
        ShapingRule(provider="gmail", limits=Limits(connection_limit=30, max_message_rate="90/min")),
        ShapingRule(organization="acme", provider="gmail", limits=Limits(connection_limit=3)),
        ShapingRule(organization="acme", domain="big.example", limits=Limits(max_message_rate="5/min")),
    )
    vm = fleet_of(many).runtime().start()
    own = vm.egress_path("gmail.com", "acme.mx-1.r1", GMAIL_SITE).values
    other = vm.egress_path("gmail.com", "globex-2.v6.r1", GMAIL_SITE).values
    assert (own["connection_limit"], other["connection_limit"]) == (3, 30)
    assert own["max_message_rate"] == other["max_message_rate"] == "90/min"
    assert own["additional_connection_limits"] == {"postmta:acme.mx-1:gmail": 3}
    assert own["additional_message_rate_throttles"] == {"postmta:acme.mx-1:gmail": "90/min"}
    hosted = vm.egress_path("big.example", "acme.mx-1.r1", GMAIL_SITE).values
    assert hosted["additional_message_rate_throttles"] == {"postmta:acme.mx-1:@big.example": "5/min"}
    assert hosted["additional_connection_limits"] == {"postmta:acme.mx-1:gmail": 3}


def test_a_default_of_the_installation_comes_before_what_is_maintained(fleet_of: Any, model: PolicyModel) -> None:
    found = path(fleet_of, model, "gmail.com", GMAIL_SITE)
    assert (found["connection_limit"], found["additional_connection_limits"]) == (8, {})
    assert found["max_deliveries_per_connection"] == MAINTAINED["gmail"].limits.max_deliveries_per_connection


def test_a_smart_host_is_no_provider(fleet_of: Any, model: PolicyModel) -> None:
    installation = msgspec.structs.replace(shaped(model).installation, smart_host=("relay.example:25",))
    relayed = msgspec.structs.replace(model, installation=installation)
    found = path(fleet_of, relayed, "gmail.com", "relay.example")
    assert (found["provider_name"], found["additional_connection_limits"]) == (None, {})
