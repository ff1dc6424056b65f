"""Every (call, option, value) triple that was put to a real kumod gets the same verdict here.

Where kumod swallows what cannot be meant, ours refuses under a ``lenient_…`` code. Those triples are counted by rule,
so that a drift to either side is seen.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.luavm import NodeRuntime, PolicyError, Vm

FIXTURE = Path(__file__).parents[1] / "fixtures" / "kumomta" / "option-values.json.gz"
TRIPLES: list[dict[str, Any]] = json.loads(gzip.decompress(FIXTURE.read_bytes()))
REQUIRED = {
    "kumo.make_egress_source": {"name": '"x"'},
    "kumo.make_egress_pool": {"name": '"x"'},
    "kumo.define_spool": {"name": '"data"', "path": '"/x"'},
    "kumo.configure_local_logs": {"log_dir": '"/x"'},
}
LENIENT = {
    "lenient_half_proxy": {
        "kumo.make_egress_source ha_proxy_server": 2,
        "kumo.make_egress_source ha_proxy_source_address": 2,
        "kumo.make_egress_source socks5_proxy_server": 2,
        "kumo.make_egress_source socks5_proxy_source_address": 2,
    },
    "lenient_map_as_list": {
        "kumo.configure_local_logs headers": 8,
        "kumo.configure_local_logs meta": 8,
        "kumo.make_egress_path prohibited_hosts": 8,
        "kumo.make_egress_path rustls_cipher_suites": 8,
        "kumo.make_egress_path skip_hosts": 8,
        "kumo.make_egress_pool entries": 8,
        "kumo.make_listener_domain relay_from": 8,
        "kumo.make_queue_config shrink_policy": 8,
        "kumo.start_http_listener trusted_hosts": 8,
    },
    # The other relative log_dir values were refused by kumod as well, since it could not create the folder.
    "lenient_relative_path": {"kumo.configure_local_logs log_dir": 1, "kumo.define_spool path": 17},
    "lenient_socket_address": {"kumo.start_esmtp_listener listen": 15, "kumo.start_http_listener listen": 15},
    "lenient_unknown_option": {"kumo.define_spool rocks_params": 8, "kumo.make_queue_config protocol": 1},
}
"""What kumod accepted and ours refuses: rule, then call and option, then how many values."""


def probe(vm: Vm, triple: dict[str, Any]) -> str | None:
    """The code under which the VM refuses the triple; None when it accepts."""
    options = {**REQUIRED.get(triple["call"], {}), triple["option"]: triple["value"]}
    fields = ", ".join(f"{name} = {value}" for name, value in options.items())
    source = f"local kumo = require 'kumo'; {triple['call']} {{ {fields} }}"
    vm.node.forget_declarations()
    try:
        vm.call("init", vm.machine.compile(source.encode(), "probe.lua"))
    except PolicyError as error:
        return error.code
    return None


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Any], str | None]]:
    root = tmp_path_factory.mktemp("policy")
    (root / "init.lua").write_text("")
    vm = NodeRuntime(root).context()
    return [(triple, probe(vm, triple)) for triple in TRIPLES]


def test_the_capture_is_whole() -> None:
    assert len(TRIPLES) == 4356


def test_verdicts_are_kumods(verdicts: list[tuple[dict[str, Any], str | None]]) -> None:
    differing = [
        (triple["call"], triple["option"], triple["value"], code, triple.get("error"))
        for triple, code in verdicts
        if (code is None) != triple["accepted"] and not (code or "").startswith("lenient_")
    ]
    assert differing == []


def test_lenient_rules_refuse_exactly_these(verdicts: list[tuple[dict[str, Any], str | None]]) -> None:
    refused = [
        (code, f"{triple['call']} {triple['option']}") for triple, code in verdicts if triple["accepted"] and code
    ]
    assert Counter(refused) == {(rule, where): n for rule, places in LENIENT.items() for where, n in places.items()}
