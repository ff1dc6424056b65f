"""What a starting KumoMTA is told, and what its validation finds."""

from __future__ import annotations

from typing import Any

import pytest

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.luavm import NodeRuntime
from postmta_ctl.luavm.lint import check_policy


def test_listeners(fleet: Any) -> None:
    node = fleet.runtime()
    node.start()
    listeners = {listener.listen: listener for listener in node.listeners}
    assert {listen: listener.kind for listen, listener in listeners.items()} == {
        "127.0.0.1:8000": "http",
        "0.0.0.0:25": "esmtp",
    }
    assert listeners["127.0.0.1:8000"].values["trusted_hosts"] == []
    assert listeners["0.0.0.0:25"].values["relay_hosts"] == ["0.0.0.0/32"]
    assert listeners["0.0.0.0:25"].values["hostname"] == "mail.postmta.example"


def test_storage(fleet: Any) -> None:
    node = fleet.runtime()
    node.start()
    assert {spool.name: (spool.values["path"], spool.values["kind"]) for spool in node.spools} == {
        "data": ("/var/spool/kumomta/data", "RocksDB"),
        "meta": ("/var/spool/kumomta/meta", "RocksDB"),
    }
    (local,) = node.local_logs
    assert (local.values["log_dir"], local.values["max_segment_duration"]) == ("/var/log/kumomta", "1m")


def test_the_log_hook_takes_what_the_control_plane_needs(fleet: Any) -> None:
    node = fleet.runtime()
    node.start()
    (hook,) = node.log_hooks
    assert hook.name == "postmta"
    assert list(hook.meta) == ["tenant", "campaign", "extra", "x_*"]
    # Without Reception no OOB record is made.
    assert hook.takes("Reception")
    assert hook.takes("OOB")
    assert not hook.takes("Delayed")


def test_validation_passes(fleet: Any) -> None:
    node = fleet.runtime(validating=True)
    node.start()
    assert not node.validation_failed, list(node.log_lines)


@pytest.mark.parametrize(
    ("path", "good", "broken"),
    [
        ("generated/pools.lua", '"acme.mx-1.r1"', '"acme.mx-9.r1"'),
        ("generated/tenants.lua", 'pool = "acme"', 'pool = "acne"'),
        ("generated/sources.lua", "101/d", "101/days"),
        ("generated/installation.lua", "connection_limit", "connections_limit"),
        ("generated/installation.lua", "3 days", "3 dais"),
        ("data/domains/0000.json", '"organization": "acme"', '"organization": "acne"'),
        ("data/domains/0000.json", '"keys"', "keys"),
        ("acl.toml", "privileges", "privilege"),
    ],
)
def test_validation_finds_what_is_broken(fleet: Any, bundle: Bundle, path: str, good: str, broken: str) -> None:
    content = bundle.files[path].replace(good.encode(), broken.encode())
    assert content != bundle.files[path]
    fleet.publish(Bundle.of(bundle.files | {path: content}), release=8)
    node = fleet.runtime(validating=True)
    node.start()
    assert node.validation_failed


def test_the_lint_finds_nothing(fleet: Any, bundle: Bundle, tmp_path: Any) -> None:
    bundle.write(tmp_path / "alone", release=1)
    assert check_policy(tmp_path / "alone", policy_dir=fleet.folder) == []


def test_a_bundle_runs_without_a_launcher(fleet: Any, bundle: Bundle, tmp_path: Any) -> None:
    bundle.write(tmp_path / "alone", release=1)
    vm = NodeRuntime(tmp_path / "alone", policy_dir=fleet.folder).start()
    assert vm.queue_config("example.org", "acme").egress_pool == "acme"
