"""The tour, run block by block against the demonstration's server; and what the examples ask of its metrics."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from postmta_ctl.cli.demo import scenario
from postmta_ctl.cli.demo.client import Api
from postmta_ctl.cli.demo.server import running_server
from postmta_ctl.cli.demo.show import Screen

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
ME = "/api/v1/auth/me"
EXAMPLES = Path(__file__).parents[2] / "examples"
SELECTOR = re.compile(r"\b(postmta_\w+|up)\b({[^}]*})?")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script() -> str:
    """All blocks as one shell script; ``console`` blocks are what a reader types, and are left out."""
    parts = ["set -euo pipefail"]
    for language, code in BLOCK.findall(TOUR.read_text(encoding="utf-8")):
        parts.append(code if language == "sh" else f"python - <<'END'\n{code}END\n")
    return "\n".join(parts)


@dataclass
class Walked:
    """What came of the tour."""

    status: int
    output: str
    metrics: str


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    folder = tmp_path_factory.mktemp("tour")
    with running_server(folder, auto_publish=True) as server, Api(server.url) as api:
        account = scenario.set_up(Screen(), api, server)
        own = {"URL": server.url, "KEY": account.api_key, "NO_PROXY": "127.0.0.1"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script()],
            env=os.environ | own | {"PATH": path},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        # Without priced plans there are no credits to show until some are given.
        gift = {"type": "email", "amount": 1000, "reason": "to see the metric"}
        api.call("POST", "/api/v1/credits/grant", gift | {"organization_id": api.call("GET", ME)["organization"]["id"]})
        metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
    return Walked(done.returncode, done.stdout + done.stderr, metrics)


def test_the_tour_works_as_it_is_written(walked: Walked) -> None:
    assert walked.status == 0, walked.output
    for word in ("message.deferred", "message.delivered", "verified", "under the new number", "asked us to wait"):
        assert word in walked.output, walked.output


def expressions() -> dict[str, tuple[str, str]]:
    """What the dashboard and the alerts ask for, and the text that shows labels of what is found."""
    dashboard = json.loads((EXAMPLES / "grafana/postmta.json").read_text(encoding="utf-8"))
    found = {
        f"{panel['title']} {target['refId']}": (target["expr"], target["legendFormat"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }
    rules = yaml.safe_load((EXAMPLES / "prometheus/postmta.rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        found |= {rule["alert"]: (rule["expr"], " ".join(rule["annotations"].values())) for rule in group["rules"]}
    return found


def test_dashboard_and_alerts_ask_for_what_is_exposed(walked: Walked) -> None:
    samples = [one for family in text_string_to_metric_families(walked.metrics) for one in family.samples]
    exposed: dict[str, set[str]] = {"up": {"job", "instance"}}
    for one in samples:
        exposed.setdefault(one.name, {"job", "instance"}).update(one.labels)
    wrong = []
    for name, (expression, shown) in expressions().items():
        asked = SELECTOR.findall(expression)
        known = set().union(*(exposed.get(metric, set()) for metric, _ in asked))
        wrong += [f"{name}: {metric} is not exposed" for metric, _ in asked if metric not in exposed]
        used = {label for metric, matchers in asked for label in re.findall(r"(\w+)\s*[=!]", matchers)}
        for labels in re.findall(r"\b(?:by|on|group_left)\s*\(([^)]*)\)", expression):
            used |= {label.strip() for label in labels.split(",") if label.strip()}
        used |= set(re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", shown))
        wrong += [f"{name}: no label {label}" for label in used - known]
        assert asked, name
    assert wrong == []
    every = {metric for expression, _ in expressions().values() for metric, _ in SELECTOR.findall(expression)}
    own = {one.name for one in samples if one.name.startswith("postmta_") and not one.name.endswith("_created")}
    assert {name for name in own - every if not name.endswith(("_count", "_sum"))} == set(), "looked at by nothing"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "prometheus", tmp_path / "rules")
    # Grafana's own variable is a duration.
    asked = [expression.replace("$__rate_interval", "5m") for expression, _ in expressions().values()]
    rules = [{"record": f"dashboard:{index}", "expr": expression} for index, expression in enumerate(asked)]
    (folder / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}), encoding="utf-8")
    for words in (["check", "rules", "postmta.rules.yml", "all.yml"], ["test", "rules", "postmta.test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
