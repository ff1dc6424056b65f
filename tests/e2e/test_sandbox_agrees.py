"""The sandbox and a real kumod run the same published policy: asked the same, they answer the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.installation import Installation
from tests.e2e.kumod import KUMOD

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]

GOOD = {"rid": "agree-1", "tenant": "sender"}
HEADERS = {"From": "ann@sender.test", "Subject": "x", "Message-ID": "<1@sender.test>"}
CONTENT = {"headers": HEADERS, "text_body": "x"}


def injection(metadata: dict[str, Any], *emails: str, **content: Any) -> dict[str, Any]:
    recipients = [{"email": email, "metadata": metadata} for email in emails or ("ok@dest.test",)]
    return {"envelope_sender": "b@bounce.postmta.test", "recipients": recipients, "content": CONTENT | content}


REQUESTS: dict[str, tuple[str, str, Any]] = {
    "who": ("GET", "/api/machine-info", None),
    "alive": ("GET", "/api/check-liveness/v1", None),
    "bump": ("POST", "/api/admin/bump-config-epoch", None),
    "probe": ("POST", "/api/inject/v1", injection({"probe": True})),
    "unknown tenant": ("POST", "/api/inject/v1", injection({"rid": "r1", "tenant": "nobody"})),
    "no rid": ("POST", "/api/inject/v1", injection({"tenant": "sender"})),
    "no metadata": ("POST", "/api/inject/v1", injection({})),
    "foreign domain": (
        "POST",
        "/api/inject/v1",
        injection(GOOD, headers=HEADERS | {"From": "ann@elsewhere.test"}),
    ),
    "two in From": (
        "POST",
        "/api/inject/v1",
        injection(GOOD, headers=HEADERS | {"From": "a@sender.test, b@sender.test"}),
    ),
    "two recipients refused": ("POST", "/api/inject/v1", injection({"tenant": "sender"}, "a@dest.test", "b@dest.test")),
    "no recipients": ("POST", "/api/inject/v1", injection({}) | {"recipients": []}),
    "no such field": ("POST", "/api/inject/v1", {"sender": "x"}),
    "bad address": ("POST", "/api/inject/v1", injection(GOOD, "no address")),
    "suspensions": ("GET", "/api/admin/suspend/v1", None),
    "ready suspensions": ("GET", "/api/admin/suspend-ready-q/v1", None),
    "bounces": ("GET", "/api/admin/bounce/v1", None),
    "unknown path": ("GET", "/api/admin/surely-not/v1", None),
}


@pytest.fixture(scope="module")
def urls(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The real node, and a sandbox over the same policy folder with a spool of its own."""
    aside = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "postmta_ctl.sandbox", "--policy-dir", str(installation.kumod.policy_dir)]
    command += ["--spool-dir", str(aside / "spool"), "--log-dir", str(aside / "logs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        banner = json.loads(process.stdout.readline())
        yield {"kumod": installation.kumod.url, "sandbox": banner["url"]}
        process.terminate()


@pytest.fixture
def token(installation: Installation) -> str:
    node: dict[str, str] = json.loads((installation.kumod.policy_dir / "node.json").read_text())
    return node["admin_token"]


def ask(url: str, request: tuple[str, str, Any], token: str | None) -> tuple[int, Any]:
    method, path, body = request
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.request(method, url + path, json=body, headers=headers, timeout=30, trust_env=False)
    return answer.status_code, shape(answer)


def shape(answer: httpx.Response) -> Any:
    """What of an answer must agree: names, values but for texts, and the words of our own refusals."""
    if not answer.is_success:
        return None
    if "json" not in answer.headers.get("content-type", ""):
        return answer.text
    return outline(answer.json())


def outline(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: outline(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [outline(inner) for inner in value]
    if isinstance(value, str):
        found = re.search(r"(?:[45]\d\d )?(?:\d\.\d\.\d )?postmta-\S+", value)
        return found[0] if found else "text"
    return type(value).__name__ if isinstance(value, float) else value


def test_the_same_is_said_of_the_machine(urls: dict[str, str], token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answers = [httpx.get(f"{url}/api/machine-info", headers=headers, trust_env=False).json() for url in urls.values()]
    assert answers[0].keys() == answers[1].keys()


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"who"}))
def test_the_same_answer(urls: dict[str, str], token: str, name: str) -> None:
    answers = {who: ask(url, REQUESTS[name], token) for who, url in urls.items()}
    assert answers["sandbox"] == answers["kumod"]


@pytest.mark.parametrize("name", ["who", "probe", "bump", "suspensions", "alive"])
@pytest.mark.parametrize("wrong", [None, "not-the-token"])
def test_the_same_strangers_are_kept_out(urls: dict[str, str], name: str, wrong: str | None) -> None:
    statuses = {who: ask(url, REQUESTS[name], wrong)[0] for who, url in urls.items()}
    assert statuses["sandbox"] == statuses["kumod"]
    assert statuses["kumod"] == (200 if name == "alive" and wrong is None else 401)
