"""The same kumod process through fifty publications while mail is sent: no injection fails."""

from __future__ import annotations

import re

import pytest

from tests.e2e.installation import Installation
from tests.e2e.kumod import KUMOD
from tests.under_load import PUBLICATIONS, injections, publish_under_load, wait_until_injected

LOADED = re.compile(r"ok\d+-\d")
"""The addresses of this load; other tests' mail arrives in the same place."""

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]


def test_no_injection_fails_while_the_policy_is_published_fifty_times(installation: Installation) -> None:
    service, process = installation.service, installation.node()["online_since"]
    (vmta,) = (one for one in service.call("GET", "/api/v1/vmtas")["data"] if one["name"] == "mx1")
    before = injections(service)
    load = publish_under_load(service, vmta["id"], pause=0.05)
    counts = wait_until_injected(service, load, since=before)
    print(f"{PUBLICATIONS} publications, {len(load.sent)} messages, injections: {counts}")
    assert counts == {"injected": len(load.sent), "refused": 0, "later": 0}
    assert installation.node()["online_since"] == process, "kumod was restarted"
    for message_id in load.sent:
        service.wait_for_status(message_id, "delivered", 60)
    arrived = [one.recipient for one in installation.sink.received if LOADED.match(one.recipient)]
    assert len(arrived) == len(set(arrived)) == len(load.sent)
