"""The check of a policy as an operator sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postmta_ctl.luavm import Finding, check_policy

GOOD = """
local kumo = require 'kumo'
kumo.on('init', function()
  for _, name in ipairs { 'data', 'meta' } do kumo.define_spool { name = name, path = '/var/spool/' .. name } end
end)
"""


@pytest.fixture
def lint(tmp_path: Path) -> Callable[..., list[Finding]]:
    def lint(init: str = "", **files: str) -> list[Finding]:
        for name, text in {"init": GOOD + init, **files}.items():
            (tmp_path / f"{name}.lua").write_text(text)
        return check_policy(tmp_path)

    return lint


Lint = Callable[..., list[Finding]]


def test_a_sound_policy_has_no_findings(lint: Lint) -> None:
    assert lint() == []


def test_every_syntax_error_is_found(lint: Lint) -> None:
    findings = lint(a="local x = = 1", b="x\n\n(", c="return {}")
    assert [(finding.code, finding.where) for finding in findings] == [
        ("lua_syntax", "a.lua:1"),
        ("lua_syntax", "b.lua:3"),
    ]


def test_globals_are_found_in_code_that_start_up_does_not_reach(lint: Lint) -> None:
    findings = lint(
        "kumo.on('http_message_generated', function(msg)\n"
        "  local function inner()\n    if msg then\n      return resposne, math.huge\n    end\n  end\n"
        "  count = 1\n  return inner, string.format('%s', _KUMO_CURRENT_EVENT)\nend)"
    )
    assert [(finding.code, finding.where) for finding in findings] == [
        ("accidental_global", "init.lua:12"),
        ("undefined_global", "init.lua:9"),
    ]
    assert findings[0].message == "count is assigned as a global; write local count"


def test_what_start_up_runs_into_is_found_once(lint: Lint) -> None:
    findings = lint("kumo.on('pre_init', function()\n  return undefined_thing\nend)")
    assert [(finding.code, finding.where) for finding in findings] == [("undefined_global", "init.lua:7")]


def test_wrong_options_are_found(lint: Lint) -> None:
    findings = lint("kumo.on('pre_init', function()\n  kumo.configure_log_hook { nam = 'x' }\nend)")
    assert [(finding.code, finding.where) for finding in findings] == [("unknown_option", "init.lua:7")]
    assert "did you mean name?" in findings[0].message


def test_validation_failures_carry_what_was_printed_and_caught(lint: Lint) -> None:
    findings = lint(
        "kumo.on('validate_config', function()\n"
        "  local ok, err = pcall(kumo.invoke_get_egress_pool, 'p')\n"
        "  if not ok then print('no pool p') kumo.validation_failed() end\nend)\n"
        "kumo.on('get_egress_pool', function(name)\n  return kumo.make_egress_pool { nam = name }\nend)"
    )
    assert [(finding.code, finding.where, finding.severity) for finding in findings] == [
        ("validation_failed", "", "error"),
        ("unknown_option", "init.lua:11", "error"),
    ]
    assert findings[0].message == "no pool p"


def test_errors_that_the_policy_takes_in_its_stride_are_warnings(lint: Lint) -> None:
    findings = lint("kumo.on('validate_config', function() pcall(kumo.make_queue_config, { x = 1 }) end)")
    assert [(finding.code, finding.severity) for finding in findings] == [("unknown_option", "warning")]


def test_missing_spools(tmp_path: Path) -> None:
    (tmp_path / "init.lua").write_text("")
    assert [finding.code for finding in check_policy(tmp_path)] == ["missing_spool"]


def test_a_folder_without_a_policy(tmp_path: Path) -> None:
    assert [finding.code for finding in check_policy(tmp_path)] == ["no_policy"]


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("http_failure", "kumo.http.build_client({}):get('http://127.0.0.1:1/'):send()"),
        ("not_simulated", "kumo.nats.connect { servers = { 'x' } }"),
    ],
)
def test_what_cannot_be_had_here_is_a_warning(lint: Lint, code: str, call: str) -> None:
    findings = lint(f"kumo.on('pre_init', function() {call} end)")
    assert [(finding.code, finding.severity) for finding in findings] == [(code, "warning")]


def test_sleeping_takes_no_time(lint: Lint) -> None:
    assert lint("kumo.on('pre_init', function() kumo.sleep(86400) end)") == []


def test_steps_of_many_lines_keep_their_place(lint: Lint) -> None:
    findings = lint("local t = {" + "\n" * 400 + "missing_one,\n" + "1," * 300 + "\nmissing_two }")
    assert [finding.where for finding in findings] == ["init.lua:406", "init.lua:408"]
