"""Real mail by MX under limits: those of shaping rules, and what a real TSA daemon says upon real answers."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dns_server import DnsServer, running
from tests.e2e.installation import Installation, installed
from tests.e2e.kumod import KUMOD, Kumod
from tests.e2e.sink import Sink
from tests.e2e.tsa_daemon import TSA_DAEMON, TsaDaemon
from tests.serving import wait_for
from tests.unit.test_regexes import TAKEN

pytestmark = [
    pytest.mark.kumod,
    pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod"),
    pytest.mark.skipif(not TSA_DAEMON, reason="needs TSA_DAEMON=/path/to/tsa-daemon, or one beside kumod"),
]

EXCHANGERS = {
    "paced.test": "mx.paced.test",
    "one.test": "aspmx1.google.com",
    "two.test": "aspmx2.google.com",
    "isp.test": "mx.isp.test",
    "hosted.test": "mx.isp.test",
    "other.test": "mx.other.test",
    "slowed.test": "mx.slowed.test",
}
RULES = "/api/v1/policy/tsa/rules"
BLOCKED = r"\[blocked\] \"for now\", it's too much$"
_RESOLVING = """\
local kumo = require 'kumo'
kumo.on('pre_init', function()
  kumo.dns.configure_resolver {{ name_servers = {{ '127.0.0.1:{port}' }} }}
end)
dofile '{launcher}'
"""
_LOADING = """\
require('kumo').on('tsa_load_shaping_data', function()
  require('kumo').shaping.load({{ '{folder}/rules.json' }}, {{ local_load = 'Error' }})
  error 'loaded all, and that is it'
end)
"""


@pytest.fixture(scope="module")
def shaped() -> Iterator[tuple[Installation, TsaDaemon]]:
    with tempfile.TemporaryDirectory(prefix="postmta-e2e-", ignore_cleanup_errors=True) as name, running() as dns:
        folder = Path(name)
        folder.chmod(0o755)
        for domain, host in EXCHANGERS.items():
            dns.records[domain, "MX"] = [f"10 {host}."]
            dns.records[host, "A"] = ["127.0.0.1"]
        with (
            closing(TsaDaemon(folder)) as daemon,
            installed(folder, prepare=lambda *parts: by_mx(dns, daemon, *parts)) as here,
        ):
            configure(here)
            daemon.start(here.kumod.policy_dir)
            yield here, daemon


def by_mx(dns: DnsServer, daemon: TsaDaemon, table: dict[str, Any], kumod: Kumod, sink: Sink) -> None:
    """Mail goes by MX, as a resolver of ours has it, to the port of the sink; the node follows a daemon."""
    del table["smart_host"]
    table["path_defaults"]["smtp_port"] = sink.port
    table["tsa"] = daemon.settings
    kumod.launcher = kumod.policy_dir.parent / "resolving.lua"
    kumod.launcher.write_text(_RESOLVING.format(port=dns.port, launcher=kumod.policy_dir / "init.lua"))


def configure(here: Installation) -> None:
    """All rules at once, as each publication has its proofs."""
    for kind, target, limits in (
        ("domain", "paced.test", {"max_message_rate": "2/s,max_burst=1"}),
        ("provider", "gmail", {"connection_limit": 1}),
    ):
        here.service.call("POST", "/api/v1/shaping", {"kind": kind, "target": target, "limits": limits})
    rule = {"kind": "domain", "regex": BLOCKED, "duration": 600}
    here.service.call("POST", RULES, rule | {"target": "isp.test", "action": "suspend"})
    slow = {"action": "limit", "limits": {"max_message_rate": "2/min"}}
    here.service.call("POST", RULES, rule | slow | {"target": "slowed.test"})
    here.publish()


def test_a_rate_is_kept_by_real_mail(shaped: tuple[Installation, TsaDaemon]) -> None:
    here, _ = shaped
    for number in range(8):
        here.service.send(f"paced{number}@paced.test")
    arrived = sorted(here.sink.wait_for(f"paced{number}@paced.test").at for number in range(8))
    # Seven intervals of half a second; without the rule all of it takes some hundredths.
    assert 3.0 < arrived[-1] - arrived[0] < 15.0


def test_a_limit_of_connections_is_one_for_all_sites_of_a_provider(shaped: tuple[Installation, TsaDaemon]) -> None:
    here, _ = shaped
    recipients = [f"slow{number}@{domain}" for number in range(3) for domain in ("one.test", "two.test", "other.test")]
    for recipient in recipients:
        here.service.send(recipient)
    arrived = {recipient: here.sink.wait_for(recipient).at for recipient in recipients}
    assert here.sink.busiest["one.test"] == here.sink.busiest["two.test"] == 1
    # Half a second each and never two at a time, while what is for others does not wait for that.
    times = sorted(at for recipient, at in arrived.items() if not recipient.endswith("other.test"))
    assert all(later - earlier > 0.4 for earlier, later in pairwise(times)), times
    assert here.sink.busiest["other.test"] > 1


def test_an_answer_suspends_the_site_and_nothing_else(shaped: tuple[Installation, TsaDaemon]) -> None:
    here, daemon = shaped
    here.service.wait_for_status(here.service.send("before@hosted.test"), "delivered")
    here.service.wait_for_status(here.service.send("blocked@isp.test"), "deferred")
    (suspended,) = wait_for(lambda: decided(here)["suspended"], "a suspension by the daemon")
    assert (suspended["vmta"].rpartition(".")[2], suspended["site"]) == ("mx1", "mx.isp.test")
    assert suspended["cause"]["regex"] == BLOCKED
    rules = here.service.call("GET", RULES)["data"]
    assert [rule["target"] for rule in rules if rule["regex"] == BLOCKED] == ["slowed.test", "isp.test"]
    (hold,) = wait_for(lambda: held(here), "a suspension on the node")
    assert hold["reason"].startswith("automation rule: ")
    assert hold["name"].endswith("->mx.isp.test@smtp_client")

    waiting = [here.service.send(f"waits@{domain}") for domain in ("isp.test", "hosted.test")]
    here.service.wait_for_status(here.service.send("goes@other.test"), "delivered")
    time.sleep(3)
    assert here.sink.to("waits@isp.test") == here.sink.to("waits@hosted.test") == []
    drift = here.service.call("GET", "/api/v1/policy/drift")
    assert [one["foreign_suspensions"] for one in drift] == [[]]

    # Without the daemon the node goes on as it is, and is shown to be without.
    daemon.close()
    (state,) = here.service.call("GET", "/api/v1/policy/tsa")["daemons"]
    assert (state["ok"], bool(state["error"])) == (False, True)
    here.service.wait_for_status(here.service.send("without@other.test"), "delivered")
    assert held(here)
    assert waiting
    # What it decided it knows again.
    daemon.start(here.kumod.policy_dir)


def test_a_limit_of_the_daemon_is_kept(shaped: tuple[Installation, TsaDaemon]) -> None:
    here, _ = shaped
    here.service.wait_for_status(here.service.send("blocked@slowed.test"), "deferred")
    (limit,) = wait_for(lambda: decided(here)["overrides"], "a limit by the daemon")
    assert (limit["option"], limit["value"], limit["domain"]) == ("max_message_rate", "2/min", "slowed.test")
    wait_for(lambda: "2/min" in kept(here), "the limit on the node", 30)
    here.service.wait_for_status(here.service.send("to-begin@slowed.test"), "delivered", seconds=60)
    sent = [f"many{number}@slowed.test" for number in range(6)]
    for recipient in sent:
        here.service.send(recipient)
    time.sleep(5)
    assert sum(bool(here.sink.to(recipient)) for recipient in sent) <= 2


def test_expressions_that_are_taken_compile(tmp_path: Path) -> None:
    """All in one file for the real engine, which names the first that it refuses."""
    rule = {"action": ["Suspend"], "trigger": "Immediate", "duration": "60s"}
    (tmp_path / "rules.json").write_text(json.dumps({"default": {"automation": [{"regex": [*TAKEN]} | rule]}}))
    (tmp_path / "load.lua").write_text(_LOADING.format(folder=tmp_path))
    done = subprocess.run(
        [str(TSA_DAEMON), "--policy", str(tmp_path / "load.lua")], capture_output=True, timeout=30, check=False
    )
    assert b"loaded all" in done.stdout + done.stderr, done.stderr.decode(errors="replace")[-2000:]


def decided(here: Installation) -> Any:
    (state,) = here.service.call("GET", "/api/v1/policy/tsa")["daemons"]
    assert state["ok"], state["error"]
    return state


def held(here: Installation) -> list[dict[str, Any]]:
    """The suspensions of ready queues on the node, as it tells them itself."""
    token = json.loads((here.kumod.policy_dir / "node.json").read_text())["admin_token"]
    url = f"{here.kumod.url}/api/admin/suspend-ready-q/v1"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    return list(answer.raise_for_status().json())


def kept(here: Installation) -> str:
    """What the node keeps of limits."""
    database = here.kumod.spool / "tsa.db"
    return database.read_bytes().decode("latin-1") if database.exists() else ""
