"""Drift of a real node: what it keeps in memory, and how it resolves paths."""

from __future__ import annotations

import json
import stat
from typing import Any

import httpx
import pytest

from postmta_ctl.compiler.lua import literal
from postmta_ctl.features.policy.drift_paths import canonical
from tests.e2e.installation import Installation
from tests.e2e.kumod import KUMOD
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(KUMOD is None, reason="needs kumod in KUMOD or on PATH")]

QUEUE = "sender@drift.test"

SETTLED: dict[str, Any] = {
    "max_message_rate": "1,000/15min",
    "connection_limit": 7,
    "max_connection_rate": "local:3/s",
    "max_deliveries_per_connection": 3,
    "idle_timeout": "90s",
    "additional_message_rate_throttles": {"some": "20/h,max_burst=2"},
    "additional_connection_limits": {"some": "local:4"},
    "skip_hosts": ["192.0.2.2", "192.0.2.1"],
}


def look(installation: Installation, *, differs: bool) -> dict[str, Any]:
    shown = installation.service.command("policy", "drift", "--json", status=int(differs))
    (found,) = json.loads(shown)
    return dict(found)


def admin(installation: Installation, method: str, path: str, body: Any = None) -> Any:
    token = json.loads((installation.kumod.policy_dir / "node.json").read_text())["admin_token"]
    answer = httpx.request(
        method,
        f"{installation.kumod.url}/api/admin/{path}",
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_live_state_is_compared_and_brought_back(installation: Installation) -> None:
    found = look(installation, differs=False)
    assert found["paths"]["compared"] > 0, found
    assert (found["paths"]["differences"], found["foreign_suspensions"]) == ([], [])

    installation.service.call("POST", f"/api/v1/queues/{QUEUE}/hold", {"reason": "a spam run"})
    (ours,) = json.loads(admin(installation, "GET", "suspend/v1"))
    admin(installation, "DELETE", "suspend/v1", {"id": ours["id"]})
    admin(installation, "POST", "suspend/v1", {"reason": "by hand", "domain": "nowhere.test"})
    root = installation.kumod.policy_dir / "releases" / (installation.kumod.policy_dir / "current").read_text().strip()
    sources = root / "generated/sources.lua"
    sources.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IROTH)
    by_hand = "".join(f", {name} = {literal(value)}" for name, value in SETTLED.items())
    sources.write_text(sources.read_text().replace('"Ipv4Only"', f'"Ipv6Only"{by_hand}'))
    admin(installation, "POST", "bump-config-epoch")

    found = look(installation, differs=True)
    assert found["missing_suspensions"] == [f"the hold of {QUEUE}: a spam run"]
    assert found["foreign_suspensions"] == ["by hand (domain nowhere.test)"]
    assert [one["path"] for one in found["files"]] == [f"releases/{root.name}/generated/sources.lua"]
    options = {one["option"]: json.loads(one["found"]) for one in found["paths"]["differences"]}
    assert options.pop("ip_lookup_strategy") == "Ipv6Only"
    for name, value in SETTLED.items():
        assert canonical(name, options[name]) == canonical(name, value), "KumoMTA's notation is understood"
    assert options.keys() == SETTLED.keys()

    said = installation.service.command("policy", "drift", "--fix", status=1)
    assert "by hand" in said, "what somebody else placed stays, and is said"
    found = look(installation, differs=True)
    assert (found["files"], found["missing_suspensions"], found["paths"]["differences"]) == ([], [], [])
    (foreign,) = [one for one in json.loads(admin(installation, "GET", "suspend/v1")) if one["reason"] == "by hand"]
    admin(installation, "DELETE", "suspend/v1", {"id": foreign["id"]})
    installation.service.call("POST", f"/api/v1/queues/{QUEUE}/release")
    wait_for(lambda: json.loads(admin(installation, "GET", "suspend/v1")) == [], "no suspension left")
    look(installation, differs=False)
