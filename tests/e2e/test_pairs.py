"""A pair of addresses on a real node: each destination from the address that can reach it, and one allowance."""

from __future__ import annotations

import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import proxies
from tests.e2e.installation import FIRST_VMTA, Installation, installed
from tests.e2e.kumod import KUMOD, Kumod
from tests.e2e.sink import Sink, SinkServer
from tests.e2e.test_warmup import ALLOWANCE, ticket, wait_until_used
from tests.serving import wait_for

ZONES = """$ORIGIN test.
four.test. 300 MX 10 mx4.test.
six.test. 300 MX 10 mx6.test.
both.test. 300 MX 10 mx.test.
mx4 300 A 127.0.0.1
mx6 300 AAAA ::1
mx 300 A 127.0.0.1
mx 300 AAAA ::1
"""
RESOLVER = """
local kumo = require 'kumo'
kumo.on('pre_init', function()
  kumo.dns.configure_resolver {{ Test = {{ zones = {{ [[
{zones}]] }} }} }}
end)
dofile('{launcher}')
"""
FOUR, SIX = "127.0.0.3", "::1"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind((SIX, 0))
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.kumod,
    pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod"),
    pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on the loopback"),
]


def by_mx(policy: dict[str, Any], kumod: Kumod, sink: Sink) -> None:
    """Mail goes by MX to IPv4 and IPv6 instead of by a smart host."""
    del policy["smart_host"]
    policy["path_defaults"]["smtp_port"] = sink.port
    text = RESOLVER.format(zones=ZONES, launcher=kumod.launcher)
    kumod.launcher = kumod.policy_dir.parent / "with-dns.lua"
    kumod.launcher.write_text(text)


@pytest.fixture(scope="module")
def here() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="postmta-e2e-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with installed(folder, prepare=by_mx) as made:
            second = SinkServer(made.sink, SIX)
            second.start()
            yield made
            second.stop()


@pytest.fixture(scope="module")
def pair(here: Installation) -> str:
    """Beside ``mx1``, which has IPv4 only."""
    body = {"name": "pair", "ip_address": FOUR, "ipv6_address": SIX, "ehlo_domain": "pair.sender.test"}
    made = here.service.call("POST", "/api/v1/vmtas", body)
    here.publish()
    return str(made["id"])


def send(here: Installation, prefix: str, count: int, domain: str, **options: str) -> Counter[str]:
    """How many of these messages left from each address; none of them may have been put off."""
    addresses = [f"{prefix}{number}@{domain}" for number in range(count)]
    ids = [here.service.send(address, **options) for address in addresses]
    for message_id in ids:
        (recipient,) = here.service.wait_for_status(message_id, "delivered", 60)["recipients"]
        assert recipient["attempts"] == 1, recipient
        assert recipient["vmta"] in ("mx1", "pair", "new")
    return Counter(one.source_address for address in addresses for one in here.sink.to(address))


@pytest.mark.usefixtures("pair")
class TestOfOneFamily:
    def test_mail_to_ipv6_leaves_from_the_ipv6_address_alone(self, here: Installation) -> None:
        assert send(here, "a", 6, "six.test") == {SIX: 6}

    def test_mail_to_ipv4_leaves_from_all_that_have_ipv4(self, here: Installation) -> None:
        assert send(here, "b", 8, "four.test") == {FOUR: 4, FIRST_VMTA: 4}

    def test_mail_to_both_leaves_from_all_and_a_pair_has_one_share(self, here: Installation) -> None:
        found = send(here, "c", 24, "both.test")
        assert found[FIRST_VMTA] in range(10, 15)
        assert min(found[FOUR], found[SIX]) >= 4

    def test_a_pinned_pair_reaches_both(self, here: Installation) -> None:
        assert send(here, "d", 3, "six.test", vmta="pair") == {SIX: 3}
        assert send(here, "e", 3, "four.test", vmta="pair") == {FOUR: 3}
        assert set(send(here, "f", 6, "both.test", vmta="pair")) == {FOUR, SIX}

    def test_without_an_address_of_its_family_mail_waits_and_takes_no_other_way(self, here: Installation) -> None:
        message_id = here.service.send("g@six.test", vmta="mx1")
        here.service.wait_for_status(message_id, "deferred")
        assert here.sink.to("g@six.test") == []


@pytest.mark.parametrize("protocol", ["haproxy", "socks5"])
def test_a_pair_through_a_proxy(here: Installation, pair: str, protocol: str) -> None:
    with proxies.serving(getattr(proxies, protocol)) as proxy:
        body = {"proxy": {"protocol": protocol, "server": proxy.server}}
        here.service.call("PUT", f"/api/v1/vmtas/{pair}", body)
        here.publish()
        assert send(here, protocol, 2, "six.test", vmta="pair") == {SIX: 2}
        assert send(here, protocol, 2, "four.test", vmta="pair") == {FOUR: 2}
        assert {source for source, _ in proxy.asked} == {FOUR, SIX}
    here.service.call("PUT", f"/api/v1/vmtas/{pair}", {"proxy": None})
    here.publish()


def test_an_allowance_is_for_both_addresses_together(here: Installation, pair: str) -> None:
    here.service.call("DELETE", f"/api/v1/vmtas/{pair}")
    body = {"name": "new", "ip_address": FOUR, "ipv6_address": SIX, "ehlo_domain": "new.sender.test"}
    here.service.call("POST", "/api/v1/vmtas", body | {"warmup": {"daily_allowances": [ALLOWANCE, 1000]}})
    here.publish()
    wait_for(lambda: ticket(here, "new"), "a ticket on the node", 60)
    found = wait_until_used(here, {FOUR, SIX}, "v", "both.test")
    found += send(here, "w", 4 * ALLOWANCE, "both.test") + send(here, "x", ALLOWANCE, "four.test")
    assert found[FOUR] + found[SIX] == ALLOWANCE
    assert min(found[FOUR], found[SIX]) > 0
    assert found.total() - ALLOWANCE == found[FIRST_VMTA]
