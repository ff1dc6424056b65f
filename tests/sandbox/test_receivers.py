"""Magic recipients: each meets its fate, and every record of it comes in by the policy's own log hook."""

from __future__ import annotations

from tests.sandbox.fleet import INGEST_TOKEN
from tests.sandbox.ingestion import Ingestion
from tests.sandbox.process import StartSandbox

STORIES = {
    "ok": ["Reception", "Delivery"],
    "ann": ["Reception", "Delivery"],
    "bounce": ["Reception", "Bounce"],
    "nouser7": ["Reception", "Bounce"],
    "soft": ["Reception", "TransientFailure", "Delivery"],
    "grey": ["Reception", "TransientFailure", "Delivery"],
    "full": ["Reception", "TransientFailure", "Bounce"],
    "spam": ["Reception", "Bounce"],
    "block": ["Reception", "Bounce"],
    "defer": [
        "Reception",
        "TransientFailure",
        "TransientFailure",
        "TransientFailure",
        "TransientFailure",
        "Expiration",
    ],
    "complaint": ["Reception", "Delivery"],
    "complain": ["Reception", "Delivery"],
    "oob": ["Reception", "Delivery", "OOB"],
    "slow": ["Reception", "Delivery"],
}


def test_every_fate_happens_as_told(start: StartSandbox, ingestion: Ingestion) -> None:
    sandbox = start("--time-scale", "100")
    addresses = {word: f"{word}@example.org" for word in STORIES}
    answer = sandbox.send(*addresses.values())
    assert answer == {"success_count": len(STORIES), "fail_count": 0, "failed_recipients": [], "errors": []}
    expected = sum(len(story) for story in STORIES.values()) + 2 + 1  # two complaints; a Reception of the oob report
    ingestion.wait_for(lambda records: len(records) >= expected)
    stories = {
        word: [record["type"] for record in sorted(ingestion.of(address), key=lambda record: record["event_time"])]
        for word, address in addresses.items()
    }
    # The time of an OOB record is that of the report, in whole seconds: it may lie before the delivery.
    stories["oob"].sort(key=STORIES["oob"].index)
    assert stories == STORIES
    complaints = [record for record in ingestion.records if record["type"] == "Feedback"]
    assert {record["feedback_report"]["supplemental_trace"]["recipient"] for record in complaints} == {
        addresses["complaint"],
        addresses["complain"],
    }
    assert ingestion.authorizations == {f"Bearer {INGEST_TOKEN}"}
