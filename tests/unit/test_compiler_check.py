"""Each thing that can be wrong with a model is found, under its code, at its place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import (
    Installation,
    Listener,
    Organization,
    PolicyModel,
    SendingDomain,
    SigningKey,
    VirtualMta,
)

VMTA = VirtualMta(organization="acme", name="mx1", address="192.0.2.1", ehlo_domain="mx1.example")
KEY = SigningKey(selector="s1", algorithm="rsa-sha256", id="1")
DOMAIN = SendingDomain(name="acme.example", organization="acme", keys=(KEY,))
MODEL = PolicyModel(
    installation=Installation(bounce_domain="bounce.example", http_listeners=(Listener(address="127.0.0.1:8000"),)),
    organizations=(Organization(slug="acme"),),
    vmtas=(VMTA,),
    domains=(DOMAIN,),
)
replace = msgspec.structs.replace


def found(model: PolicyModel, severity: str = "error") -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in check(model) if finding.severity == severity]


def test_a_good_model_has_no_findings() -> None:
    assert check(MODEL) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "MX1"}, "bad-slug"),
        ({"name": "a.b"}, "bad-slug"),
        ({"name": ""}, "bad-slug"),
        ({"address": "192.0.2.256"}, "bad-address"),
        ({"ehlo_domain": "mx 1"}, "bad-ehlo-domain"),
        ({"state": "resting"}, "bad-state"),
        ({"version": 0}, "bad-version"),
        ({"daily_limit": -1}, "bad-rate"),
        ({"ipv6_address": "2001:db8::1", "address": "2001:db8::2"}, "bad-pair"),
        ({"ipv6_address": "192.0.2.2"}, "bad-pair"),
        ({"ipv6_address": "mx"}, "bad-pair"),
        ({"proxy_protocol": "socks5"}, "half-proxy"),
        ({"proxy_server": "10.0.0.1:1080"}, "half-proxy"),
        ({"proxy_protocol": "http", "proxy_server": "10.0.0.1:1080"}, "bad-proxy"),
        ({"proxy_protocol": "socks5", "proxy_server": "proxy:1080"}, "bad-proxy"),
        ({"organization": "globex"}, "unknown-organization"),
    ],
)
def test_vmtas(change: dict[str, Any], code: str) -> None:
    vmta = replace(VMTA, **change)
    assert (code, f"vmta {vmta.organization}.{vmta.name}") in found(replace(MODEL, vmtas=(vmta,)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "Acme.example"}, "bad-domain"),
        ({"name": "müller.example"}, "bad-domain"),
        ({"name": "../x"}, "bad-domain"),
        ({"organization": "globex"}, "unknown-organization"),
        ({"keys": (replace(KEY, selector="../x"),)}, "bad-selector"),
        ({"keys": (replace(KEY, algorithm="rsa-sha1"),)}, "bad-algorithm"),
        ({"keys": (replace(KEY, id="../x"),)}, "bad-key-id"),
        ({"keys": (KEY, KEY)}, "duplicate-selector"),
    ],
)
def test_domains(change: dict[str, Any], code: str) -> None:
    domain = replace(DOMAIN, **change)
    assert found(replace(MODEL, domains=(domain,))) == [(code, f"domain {domain.name}")]


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        ({"bounce_domain": "Bounce.example"}, "bad-domain", "installation.bounce_domain"),
        ({"retry_interval": "often"}, "bad-duration", "installation.retry_interval"),
        ({"max_retry_interval": ""}, "bad-duration", "installation.max_retry_interval"),
        ({"max_age": "-1d"}, "bad-duration", "installation.max_age"),
        ({"smart_host": ("10.0.0.1:25",)}, "bad-smart-host", "installation.smart_host"),
        ({"spool_kind": "Floppy"}, "bad-spool-kind", "installation.spool_kind"),
        ({"log_hook_batch_size": 0}, "bad-batch-size", "installation.log_hook_batch_size"),
        ({"bounce_classifier_files": ("rules.lua",)}, "bad-classifier-file", "installation.bounce_classifier_files"),
        ({"path_defaults": {"max_message_rate": "10/days"}}, "bad-rate", "installation.path_defaults.max_message_rate"),
        ({"path_defaults": {"max_connection_rate": 5}}, "bad-rate", "installation.path_defaults.max_connection_rate"),
        (
            {"path_defaults": {"additional_message_rate_throttles": {"all": "0/s"}}},
            "bad-rate",
            "installation.path_defaults.all",
        ),
        (
            {"path_defaults": {"refresh_strategy": "Ttl"}},
            "reserved-path-option",
            "installation.path_defaults.refresh_strategy",
        ),
        ({"smtp_listeners": (Listener(address="*:25"),)}, "bad-listener", "listener *:25"),
        ({"smtp_listeners": (Listener(address="127.0.0.1:8000"),)}, "duplicate-listener", "listener 127.0.0.1:8000"),
        (
            {"smtp_listeners": (Listener(address="127.0.0.1:25", relay_hosts=("10.0.0.1/8",)),)},
            "bad-network",
            "listener 127.0.0.1:25",
        ),
    ],
)
def test_installation(change: dict[str, Any], code: str, where: str) -> None:
    assert found(replace(MODEL, installation=replace(MODEL.installation, **change))) == [(code, where)]


def test_names_that_stand_twice() -> None:
    model = replace(MODEL, organizations=MODEL.organizations * 2, vmtas=(VMTA, VMTA), domains=(DOMAIN, DOMAIN))
    assert found(model) == [
        ("duplicate-domain", "domain acme.example"),
        ("duplicate-organization", "organization acme"),
        ("duplicate-vmta", "vmta acme.mx1"),
    ]


def test_a_bad_slug_of_an_organization() -> None:
    assert ("bad-slug", "organization Acme:1") in found(replace(MODEL, organizations=(Organization(slug="Acme:1"),)))


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\x1b", "\x7f"])
def test_no_text_may_hold_a_control_character(character: str) -> None:
    broken = replace(MODEL.installation, log_path=f"/var{character}/log", path_defaults={f"a{character}": "x"})
    places = [where for code, where in found(replace(MODEL, installation=broken)) if code == "control-character"]
    assert places == ["installation.log_path", f"installation.path_defaults.{f'a{character}'!a}"]


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    broken = replace(MODEL.installation, log_path="/var/\ud800")
    assert found(replace(MODEL, installation=broken)) == [("not-unicode", "installation.log_path")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vmtas": (replace(VMTA, state="paused"),)}, "paused-only"),
        ({"vmtas": (replace(VMTA, state="warming", daily_limit=5),)}, "warming-only"),
        ({"vmtas": ()}, "no-vmta"),
    ],
)
def test_pools_that_only_wait_are_warned_of(changes: dict[str, Any], code: str) -> None:
    model = replace(MODEL, **changes)
    assert found(model) == []
    assert found(model, "warning") == [(code, "organization acme")]


def test_what_a_person_should_know() -> None:
    model = replace(
        MODEL,
        installation=Installation(bounce_domain="bounce.example"),
        vmtas=(VMTA, replace(VMTA, name="mx2")),
        domains=(replace(DOMAIN, keys=()),),
    )
    assert found(model) == []
    assert found(model, "warning") == [
        ("shared-address", "address 192.0.2.1"),
        ("no-signing-key", "domain acme.example"),
        ("no-http-listener", "installation"),
    ]


def test_errors_come_before_warnings() -> None:
    model = replace(MODEL, vmtas=(replace(VMTA, state="paused", version=0),))
    assert [finding.severity for finding in check(model)] == ["error", "warning"]
