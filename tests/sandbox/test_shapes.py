"""Answers and records, field by field against those of a real node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.sandbox.engine import Engine, read_logs
from tests.sandbox.fleet import PolicyFolder, make_model
from tests.sandbox.process import SandboxProcess
from tests.sandbox.shapes import KUMOMTA, captured, captured_records, differences


def test_every_type_of_record_has_the_form_of_a_real_one(engine: Engine) -> None:
    _let_everything_happen(engine)
    ours = engine.logged()
    real = captured_records()
    compared = set()
    for sample in real:
        alike = [
            record
            for record in ours
            if record["type"] == sample["type"]
            and (record["site"] == record["queue"]) == (sample["site"] == sample["queue"])
            and record["reception_protocol"] == sample["reception_protocol"]
        ]
        for record in alike:
            assert differences(record, sample) == [], record
            compared.add(record["type"])
    # A Rejection is what an SMTP listener does; the sandbox opens none.
    assert compared == {record["type"] for record in real} - {"Rejection"}


def _let_everything_happen(engine: Engine) -> None:
    words = ("ok", "bounce", "grey", "complaint", "oob", "defer")
    engine.inject(*(f"{word}@example.org" for word in words), tenant="bolt")
    hold = engine.suspend(queue_names=["hold:bolt@held.org"], reason="held by operator", duration="1h")
    engine.inject("h1@held.org", tenant="bolt", campaign="hold")
    engine.rebind(domain="held.org", reason="look")
    engine.rebind(domain="held.org", reason="move", data={"campaign": "other"})
    engine.node.suspensions.remove(hold)
    engine.bounce(domain="adminb.org", reason="purge")
    engine.inject("ab1@adminb.org", tenant="bolt")
    engine.advance(3600)


def test_records_of_the_hooks_own_deliveries_have_the_form_of_a_real_one(engine: Engine) -> None:
    segment = next((KUMOMTA / "stream").glob("local-log-*.zst"))
    real = next(record for record in read_logs(segment.parent, "local-log-*") if _is_of_hook(record))
    engine.inject("ok@example.org", tenant="bolt")
    ours = [record for record in engine.logged() if _is_of_hook(record)]
    assert len(ours) == 2
    assert [differences(record, real) for record in ours] == [[], []]


def _is_of_hook(record: dict[str, object]) -> bool:
    return record["reception_protocol"] == "LogRecord"


@pytest.fixture(scope="module")
def smart(tmp_path_factory: pytest.TempPathFactory, pems: dict[str, bytes]) -> Iterator[SandboxProcess]:
    """A node that relays to a smart host, like the one whose answers were captured."""
    policy = PolicyFolder(tmp_path_factory.mktemp("smart"), "http://127.0.0.1:1/nobody-listens", pems)
    policy.publish(make_model(smart_host=("mx.sink.test",)))
    process = SandboxProcess(policy.folder)
    yield process
    process.stop()


def test_answers_have_the_form_and_status_of_a_real_nodes(smart: SandboxProcess) -> None:
    smart.send("defer@example.org")
    known = _Known()
    for name in _CALLS:
        real = captured(name)
        request = real["request"]
        content = None if request["body"] is None else json.dumps(known.put_into(request["body"]))
        answer = smart.http.request(
            request["method"],
            known.path(request["path"]),
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == real["status"], (name, answer.text)
        assert answer.headers["X-PostMTA-Sandbox"] == "1"
        if isinstance(real["body"], str):
            assert _without_ids(answer.text) == _without_ids(real["body"]), name
        else:
            assert differences(answer.json(), real["body"], nullable=_NULLABLE) == [], name
            known.look_at(answer.json())


_NULLABLE = ("container_runtime", "max_retry_interval")
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def _without_ids(text: str) -> str:
    return _ID.sub("ID", text)


class _Known:
    """Ids and names of this node in place of those in the captured requests."""

    def __init__(self) -> None:
        self._rule = self._message = ""

    def look_at(self, answer: object) -> None:
        if isinstance(answer, dict):
            self._rule = answer.get("id", self._rule)
            self._message = answer["messages"][0]["id"] if "messages" in answer else self._message

    def put_into(self, body: object) -> object:
        return {"id": self._rule} if isinstance(body, dict) and body.keys() == {"id"} else body

    def path(self, path: str) -> str:
        path = path.replace("v1-%3Emx_list:127.0.0.1", "acme.mx1.r1-%3Emx_list:mx.sink.test")
        path = path.replace("source=v1", "source=acme.mx1.r1")
        return path.replace("bfb213d7e66711f194beb2f72af2b5cf", self._message)


def test_a_bad_envelope_sender_is_500_as_in_kumomta(smart: SandboxProcess) -> None:
    real = captured("inject bad envelope sender")
    answer = smart.http.post("/api/inject/v1", json=real["request"]["body"])
    assert answer.status_code == real["status"] == 500
    assert answer.text.startswith("Error: envelope_sender: ")


def test_a_refusal_by_the_policy_is_told_like_a_real_nodes(smart: SandboxProcess) -> None:
    real = captured("inject refused by policy (probe)")
    answer = smart.http.post("/api/inject/v1", json=real["request"]["body"])
    assert answer.status_code == real["status"]
    assert differences(answer.json(), real["body"]) == []
    (error,) = answer.json()["errors"]
    assert error.startswith("probe@lab.test: 550 postmta-release=1 ")
    assert error.partition("\n")[2].startswith("stack traceback:\n\t[C]: in function 'kumo.reject'\n")


def test_metrics_have_the_form_of_real_ones(smart: SandboxProcess) -> None:
    smart.send("defer@example.org", "bounce@example.org", "ok@example.org", tenant="bolt", campaign="spring")
    real = json.loads((KUMOMTA / "metrics.json").read_text())
    ours = smart.get("/metrics.json")
    assert ours.keys() <= real.keys()
    for name, metric in ours.items():
        assert metric["type"] == real[name]["type"]
        assert _labels(metric["value"]) == _labels(real[name]["value"]), name
    text = smart.http.get("/metrics", params={"prefix": "kumo_"}).text
    assert 'kumo_scheduled_count{queue="spring:bolt@example.org"} 1\n' in text
    ready = 'service="smtp_client:bolt.mx.r1->mx_list:mx.sink.test@smtp_client"'
    assert f"kumo_total_messages_delivered{{{ready}}} 1\n" in text
    names = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert names == {f"kumo_{name}" for name in ours}


def _labels(value: object) -> object:
    """None for a number, a name for one label, a set for several."""
    if isinstance(value, list):
        return set(value[0]) if value else None
    return next(iter(value)) if isinstance(value, dict) else None


_CALLS = (
    "liveness",
    "machine-info",
    "inject template syntax error",
    "inject unknown field",
    "inject builder without bodies",
    "inject malformed json body type",
    "inject partial failure",
    "suspend",
    "suspend list",
    "suspend delete",
    "suspend delete again",
    "suspend-ready-q",
    "suspend-ready-q list",
    "suspend-ready-q delete",
    "bounce",
    "bounce list",
    "bounce delete",
    "bounce unknown field",
    "rebind without data",
    "rebind flush",
    "inspect-sched-q",
    "inspect-sched-q unknown",
    "inspect-message",
    "inspect-message unknown",
    "inspect-ready-q",
    "resolve-egress-path",
    "ready-q-states",
    "bump epoch",
)
