"""A policy rendered from the one before is the one that rendering everything makes."""

from __future__ import annotations

import random

import msgspec

from postmta_ctl.compiler.bundle import changed_paths
from postmta_ctl.compiler.increment import Base, number_of_shards, render_since, shards_of
from postmta_ctl.compiler.model import Installation, Organization, PolicyModel, Pool, SendingDomain, SigningKey
from postmta_ctl.compiler.render import render

NAMES = [f"d{number}.example" for number in range(300)]
MODEL = PolicyModel(
    installation=Installation(bounce_domain="bounce.example"),
    organizations=(Organization(slug="acme"),),
    pools=(Pool(organization="acme", name="news"),),
)


def domain(name: str, key: int, pool: str | None) -> SendingDomain:
    keys = (SigningKey(selector="pmta", algorithm="rsa-sha256", id=str(key)),)
    return SendingDomain(name=name, organization="acme", keys=keys, pool=pool)


def test_it_is_what_rendering_everything_makes() -> None:
    chance = random.Random(7)
    known = {name: domain(name, 1, None) for name in NAMES[:250]}
    bundle = render(msgspec.structs.replace(MODEL, domains=tuple(known.values())))
    count = len(known)
    for turn in range(40):
        changed = set(chance.sample(NAMES, chance.randrange(4)))
        for name in changed:
            known.pop(name, None)
            if chance.random() < 0.7:
                known[name] = domain(name, turn, chance.choice([None, "news"]))
        wanted = shards_of(changed, number_of_shards(bundle.digests))
        base = Base(bundle.digests, count, {path: bundle.files[path] for path in wanted})
        some = tuple(known[name] for name in known.keys() & (changed | set(NAMES[:5])))
        increment = render_since(base, msgspec.structs.replace(MODEL, domains=some), changed)
        whole = render(msgspec.structs.replace(MODEL, domains=tuple(known.values())))
        assert increment is not None
        assert (increment.bundle.digest, increment.domains) == (whole.digest, len(known))
        assert increment.bundle.files.items() <= whole.files.items()
        assert {path for path in increment.bundle.files if path.startswith("data/")} == wanted
        assert set(changed_paths(bundle, whole)) <= wanted
        bundle, count = whole, increment.domains


def test_another_number_of_files_needs_all_domains() -> None:
    names = NAMES[:257]
    bundle = render(msgspec.structs.replace(MODEL, domains=tuple(domain(name, 1, None) for name in names[:-1])))
    wanted = shards_of([names[-1]], number_of_shards(bundle.digests))
    base = Base(bundle.digests, 256, {path: bundle.files[path] for path in wanted})
    more = msgspec.structs.replace(MODEL, domains=(domain(names[-1], 1, None),))
    assert number_of_shards(bundle.digests) == 8
    assert render_since(base, more, {names[-1]}) is None
