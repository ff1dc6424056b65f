"""Mail through proxies and named pools on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import proxies
from tests.e2e.installation import FIRST_VMTA, Installation
from tests.e2e.kumod import KUMOD
from tests.e2e.proxies import Proxy
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

OTHER, SOURCE = "127.0.0.8", "127.0.0.9"


@pytest.fixture
def other(installation: Installation) -> Iterator[str]:
    """A second vMTA, gone when the test is over."""
    made = installation.add_vmta("mx8", OTHER)
    yield made
    for pool in installation.service.call("GET", "/api/v1/pools")["data"]:
        installation.service.call("DELETE", f"/api/v1/pools/{pool['id']}")
    installation.service.call("DELETE", f"/api/v1/vmtas/{made}")
    installation.publish()


@pytest.mark.parametrize("protocol", ["haproxy", "socks5"])
def test_mail_leaves_through_the_proxy_from_its_address(installation: Installation, other: str, protocol: str) -> None:
    service = installation.service
    with proxies.serving(getattr(proxies, protocol)) as proxy:
        through(installation, other, proxy, protocol)
        message_id = service.send(f"{protocol}@dest.test", vmta="mx8")
        service.wait_for_status(message_id, "delivered")
    assert installation.sink.wait_for(f"{protocol}@dest.test").source_address == SOURCE
    assert set(proxy.asked) == {(SOURCE, f"127.0.0.1:{installation.sink.port}")}


def test_without_its_proxy_mail_waits_and_does_not_go_around_it(installation: Installation, other: str) -> None:
    service = installation.service
    with proxies.serving(proxies.socks5) as proxy:
        pass
    through(installation, other, proxy, "socks5")
    message_id = service.send("gone-proxy@dest.test", vmta="mx8")
    service.wait_for_status(message_id, "deferred")
    assert installation.sink.to("gone-proxy@dest.test") == []
    service.call("PUT", f"/api/v1/vmtas/{other}", {"proxy": None, "ip_address": OTHER})
    installation.publish()
    service.wait_for_status(message_id, "delivered", seconds=60)
    assert installation.sink.wait_for("gone-proxy@dest.test").source_address == OTHER


def through(installation: Installation, vmta_id: str, proxy: Proxy, protocol: str) -> None:
    body = {"ip_address": SOURCE, "proxy": {"protocol": protocol, "server": proxy.server}}
    installation.service.call("PUT", f"/api/v1/vmtas/{vmta_id}", body)
    installation.publish()


def test_a_message_and_a_domain_choose_their_pool(installation: Installation, other: str) -> None:
    service, sink = installation.service, installation.sink
    pool = service.call("POST", "/api/v1/pools", {"name": "only8", "members": [{"vmta": "mx8"}]})
    service.call("POST", "/api/v1/pools", {"name": "rest", "members": [{"vmta": "mx1"}], "default": True})
    installation.publish()
    for number in range(4):
        service.wait_for_status(service.send(f"pool{number}@dest.test", pool="only8"), "delivered")
        assert sink.wait_for(f"pool{number}@dest.test").source_address == OTHER
        service.wait_for_status(service.send(f"rest{number}@dest.test"), "delivered")
        assert sink.wait_for(f"rest{number}@dest.test").source_address == FIRST_VMTA

    service.call("PUT", f"/api/v1/pools/{pool['id']}", {"domains": ["sender.test"]})
    installation.publish()
    service.wait_for_status(service.send("by-domain@dest.test"), "delivered")
    assert sink.wait_for("by-domain@dest.test").source_address == OTHER


def test_mail_of_a_deleted_vmta_waits_and_takes_no_other_way(installation: Installation) -> None:
    service = installation.service
    made = installation.add_vmta("mx10", "192.0.2.1")  # an address that the host does not have
    installation.publish()
    message_id = service.send("orphan10@dest.test", vmta="mx10")
    service.wait_for_status(message_id, "deferred")
    service.call("DELETE", f"/api/v1/vmtas/{made}")
    installation.publish()

    def reply() -> str:
        return str(service.message(message_id)["recipients"][0]["reply"])

    wait_for(lambda: "pool=`unknown_tenant`" in reply(), "the refusal of the pool without sources")
    assert "no sources available for sender.mx10@dest.test" in reply()
    assert installation.sink.to("orphan10@dest.test") == []


def test_mail_of_a_deleted_pool_leaves_as_other_mail(installation: Installation, other: str) -> None:
    service = installation.service
    pool = service.call("POST", "/api/v1/pools", {"name": "empty"})
    installation.publish()
    message_id = service.send("orphan@dest.test", pool="empty")
    service.wait_for_status(message_id, "deferred")
    service.call("DELETE", f"/api/v1/pools/{pool['id']}")
    installation.publish()
    service.wait_for_status(message_id, "delivered", seconds=60)
