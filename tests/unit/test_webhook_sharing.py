"""Slots are shared fairly, whatever anybody has waiting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.features.webhooks.sharing import Due, Limits, share

LIMITS = Limits(total=20, per_organization=8, per_endpoint=4, per_troubled_endpoint=1, troubled=5)
keys = st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz")).map(lambda pair: (pair[0], "".join(pair)))
situations = st.tuples(st.dictionaries(keys, st.booleans()), st.dictionaries(keys, st.integers(1, 6)), st.just(LIMITS))


def due(*keys: tuple[str, str], is_troubled: bool = False) -> list[Due]:
    return [Due(key=key, is_troubled=is_troubled) for key in keys]


def test_one_endpoint_alone_gets_its_limit() -> None:
    assert share(due(("a", "a1")), {}, LIMITS) == {"a1": 4}
    assert share(due(("a", "a1")), {("a", "a1"): 3}, LIMITS) == {"a1": 1}
    assert share(due(("a", "a1")), {("a", "a1"): 4}, LIMITS) == {}


def test_organizations_share_alike_however_many_endpoints_they_have() -> None:
    many = [("a", f"a{number}") for number in range(100)]
    limits = Limits(total=8, per_organization=8, per_endpoint=8)
    given = share(due(*many, ("b", "b1")), {}, limits)
    assert given["b1"] == 4
    assert sum(given.values()) == 8
    assert set(given.values()) <= {1, 4}


def test_who_has_much_under_way_waits_for_the_others() -> None:
    limits = Limits(total=10, per_organization=8, per_endpoint=8)
    assert share(due(("a", "a1"), ("b", "b1")), {("a", "a1"): 6}, limits) == {"b1": 4}


def test_troubled_endpoints_never_take_the_last_slots() -> None:
    dead = [(f"o{number}", f"e{number}") for number in range(1000)]
    given = share([*due(*dead, is_troubled=True), *due(("b", "b1"))], {}, LIMITS)
    assert given["b1"] == 4
    assert sum(given.values()) == 4 + LIMITS.troubled
    assert max(count for name, count in given.items() if name != "b1") == 1


def test_nothing_is_given_when_all_is_taken() -> None:
    assert share(due(("b", "b1")), {("a", "a1"): 20}, LIMITS) == {}
    assert share([], {("a", "a1"): 2}, LIMITS) == {}


@given(situations)
def test_no_limit_is_ever_exceeded_and_nothing_is_left_that_somebody_may_have(situation: object) -> None:
    waiting, busy, limits = situation  # type: ignore[misc]
    wanting = [Due(key=key, is_troubled=troubled) for key, troubled in waiting.items()]
    given = share(wanting, busy, limits)
    after = Counter(busy)
    for one in wanting:
        after[one.key] += given.get(one.key[1], 0)
        if given.get(one.key[1]):
            assert after[one.key] <= (limits.per_troubled_endpoint if one.is_troubled else limits.per_endpoint)
    organizations = Counter[str]()
    for (organization, _), count in after.items():
        organizations[organization] += count
    got_something = {key[0] for key in waiting if given.get(key[1])}
    assert all(organizations[name] <= limits.per_organization for name in got_something)
    assert not given or sum(after.values()) <= limits.total
    if sum(after.values()) < limits.total:
        for one in wanting:
            if not one.is_troubled and organizations[one.key[0]] < limits.per_organization:
                assert after[one.key] >= limits.per_endpoint
