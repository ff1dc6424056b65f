"""Which node a recipient's mail is given to."""

from __future__ import annotations

from collections import Counter

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.features.messages.node_choice import Choice
from postmta_ctl.features.messages.place_queries import PlacedVmta
from postmta_ctl.features.messages.placements import by_tenant
from postmta_ctl.node_troubles import Troubles


def choice(weights: dict[str, int], *, ill: str = "", **placements: set[str]) -> Choice:
    troubles = Troubles()
    if ill:
        troubles.note(ill)
    nodes = [NodeAddress(name=name, admin_url="", token="", weight=weight) for name, weight in weights.items()]
    return Choice(nodes, troubles, {tenant: frozenset(names) for tenant, names in placements.items()})


def given(chosen: Choice, tenant: str = "acme", count: int = 400) -> Counter[str | None]:
    return Counter(chosen.choose(None, tenant) for _ in range(count))


def test_mail_is_divided_by_weight() -> None:
    assert given(choice({"a": 3, "b": 1})) == {"a": 300, "b": 100}
    assert given(choice({"a": 1, "b": 0})) == {"a": 400}, "one without weight gets none"


def test_a_node_without_weight_is_better_than_one_in_trouble() -> None:
    assert given(choice({"a": 5, "b": 0}, ill="a")) == {"b": 400}
    assert given(choice({"a": 0})) == {"a": 400}


def test_mail_goes_to_where_its_addresses_live() -> None:
    three = choice({"a": 9, "b": 1, "c": 1}, ill="a", acme={"b", "c"}, globex={"a"}, initech={"gone"})
    assert given(three) == {"b": 200, "c": 200}
    assert given(three, "globex") == {"a": 400}, "in trouble, but no other has the address"
    assert given(three, "initech") == {None: 400}
    assert (
        three.why_none("initech")
        == "the addresses that initech leaves from are on gone, and no mail is taken there now"
    )
    assert three.choose("a", "acme") == "a", "the node that may have it knows, wherever the address is by now"


def test_what_a_node_declined_goes_to_another_that_it_can_leave_from() -> None:
    three = choice({"a": 1, "b": 1, "c": 1}, ill="c", acme={"a", "b"}, globex={"a", "c"})
    assert three.instead({"a"}, "acme") == "b"
    assert three.instead({"a", "b"}, "acme") is None
    assert three.instead({"a"}, "globex") is None, "the other one is in trouble itself"
    assert three.instead({"a"}, "initech") == "b"


def test_a_pool_is_where_its_members_are() -> None:
    vmtas = [
        PlacedVmta("acme", "mx1", ["a"], False),
        PlacedVmta("acme", "mx2", ["b"], False),
        PlacedVmta("acme", "mx3", ["c"], True),
        PlacedVmta("globex", "mx1", ["a"], False),
        PlacedVmta("globex", "anywhere", [], False),
    ]
    assert by_tenant(vmtas, []) == {
        "acme": {"a", "b"},
        "acme.mx1": {"a"},
        "acme.mx2": {"b"},
        "acme.mx3": {"c"},
        "globex.mx1": {"a"},
    }
