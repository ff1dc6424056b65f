"""Two real nodes: what a vMTA sends goes to the node that has its address, and waits for that node when it is dead."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import FIRST_VMTA, Installation, installed
from tests.e2e.kumod import KUMOD, Kumod, user
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

HERE, THERE = "mx-1", "mx-2"
ADDRESSES = {"here": "127.0.0.3", "there": "127.0.0.4"}
"""Of a vMTA on the first node, and of one on the second; ``mx1`` is on both."""
WEIGHTS = {HERE: 3, THERE: 1}
ON_THE_SAME_HOST = """
local kumo = require 'kumo'
local ports = {{ {ports} }}

-- All nodes run one policy: what two of them cannot share on one host is replaced as it is asked for.
local function elsewhere(name, field, change)
  local original = kumo[name]
  kumo[name] = function(options)
    if field == nil then
      return original(change(options))
    end
    options[field] = change(options[field])
    return original(options)
  end
end

local function port(listen)
  return (listen:gsub('%d+$', ports))
end

local function path(name)
  return '{folder}/' .. name:match('[^/]+$')
end

elsewhere('start_http_listener', 'listen', port)
elsewhere('start_esmtp_listener', 'listen', port)
elsewhere('define_spool', 'path', path)
elsewhere('configure_local_logs', 'log_dir', path)
elsewhere('configure_accounting_db_path', nil, path)
dofile('{launcher}')
"""


@dataclass
class Pair:
    """The installation, whose ``kumod`` is the first node, and the second one."""

    installation: Installation
    there: Kumod

    @property
    def here(self) -> Kumod:
        return self.installation.kumod

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.installation.service.call("GET", "/api/v1/nodes")["data"]}

    def send(self, prefix: str, count: int, **options: str) -> dict[str, str]:
        """Message ids by address; all are accepted at once."""
        mail = {"from": "ann@sender.test", "subject": "Hello", "text": "Hello.\n"} | options
        messages = [mail | {"to": [f"{prefix}{number}@dest.test"]} for number in range(count)]
        answer = self.installation.service.call("POST", "/api/v1/messages/batch", {"messages": messages})
        assert answer["accepted"] == count
        ids = (result["message"]["id"] for result in answer["results"])
        return {message["to"][0]: message_id for message, message_id in zip(messages, ids, strict=True)}

    def ways(self, sent: dict[str, str]) -> Counter[tuple[str, str]]:
        """How many were delivered by each node from each address; each arrived once."""
        found: Counter[tuple[str, str]] = Counter()
        for address, message_id in sent.items():
            message = self.installation.service.wait_for_status(message_id, "delivered", 60)
            (arrived,) = self.installation.sink.to(address)
            (node,) = {entry["node"] for entry in message["timeline"] if entry.get("node")}
            found[node, arrived.source_address] += 1
        return found


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="postmta-e2e-", ignore_cleanup_errors=True) as name:
        first, second = Path(name) / "here", Path(name) / "there"
        for folder in (first.parent, first, second):
            folder.mkdir(mode=0o755, exist_ok=True)
            folder.chmod(0o755)
        with installed(first) as installation, closing(Kumod(second)) as there:
            pair = Pair(installation, there)
            join(pair)
            yield pair


def join(pair: Pair) -> None:
    """Make the second node known, give both their weights and vMTAs, and have both run the policy."""
    there, service = pair.there, pair.installation.service
    owner = ["--file-owner", user() or ""] if user() else []
    options = ["--admin-url", there.url, "--policy-dir", str(there.policy_dir), *owner]
    service.command("node", "add", THERE, *options)
    for name, node in pair.nodes().items():
        service.call("PATCH", f"/api/v1/nodes/{node['id']}", {"weight": WEIGHTS[name]})
    for (name, address), node in zip(ADDRESSES.items(), (HERE, THERE), strict=True):
        vmta = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.sender.test", "nodes": [node]}
        service.call("POST", "/api/v1/vmtas", vmta)
    service.command("policy", "publish", status=1)  # the second node is not there to answer
    run_beside(there, pair.here)
    there.start()
    wait_for(lambda: pair.nodes()[THERE]["running_release"], "the second node saying what it runs")
    pair.installation.publish()


def run_beside(there: Kumod, here: Kumod) -> None:
    """Give it a launcher that runs the policy of both with ports and folders of its own."""
    names = ("smtp_port", "submission_port", "http_port")
    ports = ", ".join(f"['{getattr(here, name)}'] = '{getattr(there, name)}'" for name in names)
    folder = there.policy_dir.parent
    text = ON_THE_SAME_HOST.format(ports=ports, folder=there.spool, launcher=there.launcher)
    there.launcher = folder / "beside.lua"
    there.launcher.write_text(text)


def test_pinned_mail_goes_to_the_node_of_its_address(pair: Pair) -> None:
    assert pair.ways(pair.send("a", 6, vmta="here")) == {(HERE, ADDRESSES["here"]): 6}
    assert pair.ways(pair.send("b", 6, vmta="there")) == {(THERE, ADDRESSES["there"]): 6}


def test_other_mail_is_divided_by_weight_and_leaves_from_what_each_node_has(pair: Pair) -> None:
    found = pair.ways(pair.send("c", 40))
    assert sum(count for (node, _), count in found.items() if node == HERE) == 30
    assert found.keys() == {
        (HERE, FIRST_VMTA),
        (HERE, ADDRESSES["here"]),
        (THERE, FIRST_VMTA),
        (THERE, ADDRESSES["there"]),
    }


def test_mail_of_a_dead_node_waits_for_it_and_other_mail_goes_on(pair: Pair) -> None:
    service, sink = pair.installation.service, pair.installation.sink
    pair.here.kill()
    waiting = pair.send("d", 4, vmta="here")
    assert pair.ways(pair.send("e", 4, vmta="there")) == {(THERE, ADDRESSES["there"]): 4}
    assert {node for node, _ in pair.ways(pair.send("f", 12))} == {THERE}, "by weight, among those that are there"
    assert {service.message(message_id)["status"] for message_id in waiting.values()} == {"queued"}
    assert [sink.to(address) for address in waiting] == [[]] * 4

    pair.here.start()
    assert pair.ways(waiting) == {(HERE, ADDRESSES["here"]): 4}
    assert {node for node, _ in pair.ways(pair.send("g", 12))} == {HERE, THERE}
