"""Names that leave the control plane come back as what they were."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.compiler import names

slugs = st.text("abz09-", min_size=1, max_size=63)


@given(slugs, slugs, st.integers(1, 10**9), st.booleans())
def test_source_names_come_back(organization: str, vmta: str, version: int, is_second: bool) -> None:
    name = names.source_name(organization, vmta, version, is_second=is_second)
    assert names.parse_source(name) == (organization, vmta, version, is_second)


@given(slugs, st.sampled_from(["vmta", "pool"]), st.none() | slugs)
def test_tenant_names_come_back(organization: str, way: str, name: str | None) -> None:
    found = names.parse_tenant(names.tenant_name(organization, **{way: name}))
    assert found == names.TenantName(organization, **({"vmta": None} | {way: name}))


def test_a_vmta_goes_before_a_pool() -> None:
    assert names.tenant_name("acme", vmta="mx1", pool="news") == "acme.mx1"


@pytest.mark.parametrize(
    "name", ["unspecified", "acme.mx1", "acme.mx1.r0", "acme.mx1.r1.r2", "acme.mx1.r1\n", "A.b.r1"]
)
def test_foreign_source_names_are_none(name: str) -> None:
    assert names.parse_source(name) is None


@pytest.mark.parametrize(
    "name", ["", "unknown_tenant", "acme.mx1.r1", "acme.", "acme._", "acme.__x", "acme._a_b", ".mx1", "Acme", "acme\n"]
)
def test_foreign_tenant_names_are_none(name: str) -> None:
    assert names.parse_tenant(name) is None


def test_shards_hold_sixteen_to_thirty_two_entries() -> None:
    assert [names.shard_count(entries) for entries in (0, 1, 32, 33, 64, 65)] == [1, 1, 1, 2, 2, 4]
    assert all(16 < n / names.shard_count(n) <= 32 for n in range(33, 5000, 7))


def test_a_shard_is_the_digest_of_the_key() -> None:
    digest = hashlib.sha256(b"example.com").digest()
    assert names.shard_of("example.com", 256) == digest[3]
    assert names.shard_of("example.com", 1) == 0


def test_release_folders_sort_by_number() -> None:
    assert names.release_folder(7, "3fa94c0d12ab" + "0" * 52) == "000007-3fa94c0d12ab"
