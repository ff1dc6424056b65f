"""The commands of the API's groups against a running service, as an operator types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from postmta_ctl.cli.remote import groups, suppression_files
from postmta_ctl.cli.warmup import warmup
from tests.serving import Service


class Shell:
    """Runs commands against one service with one key."""

    def __init__(self, url: str, key: str) -> None:
        self._environ = {"POSTMTA_URL": url, "POSTMTA_API_KEY": key}

    def __call__(self, *words: str, status: int = 0, given: str = "") -> str:
        return self.run(*words, status=status, given=given).output

    def run(self, group: str, *words: str, status: int = 0, given: str = "") -> Result:
        command = warmup if group == "warmup" else getattr(groups, group.replace("-", "_"))
        done = CliRunner().invoke(command, words, env=self._environ, input=given)
        assert done.exit_code == status, f"{group} {words}: {done.output} {done.exception!r}"
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)


@pytest.fixture(scope="module")
def postmta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with closing(Service(tmp_path_factory.mktemp("cli"), {"POSTMTA_LOG_LEVEL": "warning"})) as service:
        service.start()
        service.register()
        scopes = service.call("GET", "/api/v1/auth/me")["scopes"]
        key = service.call("POST", "/api/v1/api-keys", {"name": "cli", "scopes": scopes})["secret"]
        yield Shell(service.url, key)


def test_from_a_domain_to_a_message_and_its_queue(postmta: Shell) -> None:
    assert "pending" in postmta("domains", "add", "--domain", "sender.test")
    assert "_dmarc.sender.test" in postmta("domains", "records", "sender.test")
    assert postmta.json("domains", "verify", "sender.test")["status"] == "verified"
    assert postmta.json("domains", "update", "sender.test", "--dkim-rotation-days", "90")["dkim_rotation_days"] == 90
    made = ("vmtas", "add", "--name", "mx1", "--ip-address", "192.0.2.1", "--ehlo-domain", "mx1.sender.test")
    assert "192.0.2.1" in postmta(*made)
    assert "409" in postmta(*made, status=1)
    assert postmta.json("warmup", "start", "mx1", "--daily-allowances", "[10, 20]")["state"] == "warming"
    members = json.dumps([{"vmta": "mx1", "weight": 2}])
    postmta("pools", "add", "--name", "news", "--members", members, "--domains", "sender.test", "--domains", "b.test")
    (pool,) = postmta.json("pools", "list")
    assert (pool["domains"], pool["members"]) == (["b.test", "sender.test"], [{"vmta": "mx1", "weight": 2}])
    message = {"from": "ann@sender.test", "to": ["ok@example.org"], "subject": "From --data", "text": "Hi"}
    sent = json.loads(
        postmta("messages", "send", "--data", "@-", "--subject", "From <b>", "--json", given=json.dumps(message))
    )
    assert postmta.json("messages", "show", sent["id"])["subject"] == "From <b>"
    assert "From <b>" in postmta("messages", "list", "--to", "ok@example.org")
    hidden = "\x9b31mred \u202e \u200b"
    postmta("messages", "send", "--data", json.dumps(message | {"subject": hidden}))
    assert r"\x9b31mred \u202e \u200b" in postmta("messages", "list")
    textless = ("messages", "send", "--from", "a@sender.test", "--to", "b@example.org")
    assert "a message needs text or html" in postmta(*textless, status=1)
    assert postmta.json("queues", "hold", "sender@example.org", "--reason", "wait")["hold"]["reason"] == "wait"
    (held,) = postmta.json("queues", "list", "--held")
    assert held["id"] == "sender@example.org"
    assert postmta.json("queues", "release", "sender@example.org")["hold"] is None
    assert "vmta.warmup_started" in postmta("audit", "list", "--action", "vmta.warmup_started")


def test_lists_pages_and_files(postmta: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_files, "LINES", 100)
    file = tmp_path / "list.csv"
    addresses = "".join(f"a{number}@example.org,manual\n" for number in range(250))
    file.write_text("address,reason\n" + addresses + "nobody\n")
    said = postmta("suppressions", "import", str(file), status=1)
    assert "250 added, 0 known, 1 rejected." in said
    assert f"{file}:252: " in said
    assert "0 added, 250 known" in postmta("suppressions", "import", str(file), status=1)
    assert "There are more than these 50" in postmta("suppressions", "list")
    assert [len(postmta.json("suppressions", "list", "--limit", limit)) for limit in ("0", "3")] == [250, 3]
    assert postmta("suppressions", "export").count("@example.org") == 250
    assert "Done." in postmta("suppressions", "remove", "a7@example.org", "--yes")
    assert "no suppression a7@example.org" in postmta("suppressions", "remove", "a7@example.org", "--yes", status=1)


def test_who_may_what_and_where(postmta: Shell) -> None:
    weak = postmta.json("api-keys", "add", "--name", "weak", "--scopes", "domains:read")["secret"]
    other = Shell(postmta._environ["POSTMTA_URL"], weak)
    assert "403" in other("vmtas", "list", status=1)
    assert "domains" not in other("domains", "list", status=0).splitlines()[0]
    assert "give --api-key" in Shell(postmta._environ["POSTMTA_URL"], "")("domains", "list", status=1)
    assert "401" in Shell(postmta._environ["POSTMTA_URL"], "pmta_wrong")("domains", "list", status=1)
    assert "ok" in postmta("health", "show")
    assert "postmta_http_requests" in postmta("health", "metrics")
    for words in (
        ("analytics", "summary"),
        ("credits", "balances"),
        ("billing", "plan"),
        ("security", "status"),
        ("security", "rules"),
        ("users", "me"),
        ("webhooks", "list"),
        ("templates", "list"),
        ("ips", "list"),
        ("smtp-credentials", "list"),
        ("queues", "status"),
        ("warmup", "schedules"),
        ("users", "invite", "--email", "bob@sender.test", "--role", "viewer"),
    ):
        assert postmta(*words)
