"""``postmta warmup`` where it needs no database."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from postmta_ctl.cli.warmup import warmup

PLAN = ["forecast", "--volume", "1000", "--new", "mx2=aggressive", "--established", "1", "--from", "2026-11-23"]


def run(*words: str) -> str:
    done = CliRunner().invoke(warmup, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_forecast_as_table_and_as_data() -> None:
    assert "All are warm on no day of these; nothing waits from 2026-11-23 on." in run(*PLAN, "--days", "3")
    found = json.loads(run(*PLAN, "--format", "json"))
    assert found["days"][0]["through_new"] == 200
    rows = list(csv.DictReader(io.StringIO(run(*PLAN, "--format", "csv"))))
    assert [row["through_new"] for row in rows[:3]] == ["200", "300", "450"]
    assert run(*PLAN, "--format", "svg").startswith("<svg")
    assert run(*PLAN, "--format", "html").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    "words",
    [
        ["--new", "mx2"],
        ["--new", "mx2=hasty"],
        ["--mix", "gmail=much"],
        ["--mix", "gmial=0.1"],
        ["--mix", "gmail=1.1"],
        ["--mix", "gmail=nan"],
        ["--from", "9999-12-31"],
    ],
)
def test_what_is_no_plan_is_a_usage_error(words: list[str]) -> None:
    assert CliRunner().invoke(warmup, [*PLAN, *words]).exit_code == 2


def test_without_an_address_there_is_no_plan() -> None:
    assert CliRunner().invoke(warmup, ["forecast", "--volume", "5"]).exit_code == 2


def test_the_simulation_prints_both_figures() -> None:
    printed = run("simulate")
    assert "By the answers: 4,369 put off" in printed
    assert "full volume on day 32" in printed
    assert "By the calendar: 301,508 put off" in printed
    assert "full volume not reached" in printed
