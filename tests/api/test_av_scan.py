"""The antivirus scan through HTTP: what is said without an engine, with one, and what is charged."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from postmta_ctl.clients.engines import EngineState, FileScan
from postmta_ctl.core.files.inspection import EICAR
from postmta_ctl.errors import EngineFailed, EngineUnreachable
from postmta_ctl.settings import Settings
from postmta_ctl.system import System
from tests.api.credits_support import CATALOGUE, available
from tests.conftest import join

SCAN = "/api/v1/security/av-scan"
VIRUS = b"pretend that this is a virus"
HUGE = b"pretend that this is huge"


@dataclasses.dataclass
class FakeEngine:
    """An engine that knows one virus and takes no huge files; after some files it may break."""

    name: str = "clamd"
    failure: Exception | None = None
    works_for: int = 0
    asked: list[bytes] = dataclasses.field(default_factory=list)

    async def scan(self, data: bytes) -> FileScan:
        if self.failure is not None and len(self.asked) >= self.works_for:
            raise self.failure
        self.asked.append(data)
        if data == VIRUS:
            return FileScan(status="infected", signature="Test.Virus")
        return FileScan(status="not_scanned", detail="too large") if data == HUGE else FileScan(status="clean")

    async def state(self) -> EngineState:
        return EngineState(name=self.name, reachable=self.failure is None)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def file(data: bytes, name: str | None = None, content_type: str = "application/octet-stream") -> dict[str, Any]:
    return {"content": base64.b64encode(data).decode(), "filename": name, "content_type": content_type}


async def scanned(client: Any, auth: Any, *files: dict[str, Any], **body: Any) -> Any:
    answer = await client.post(SCAN, json={"files": list(files)} | body, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestBuiltIn:
    async def test_it_says_that_nobody_looked_for_viruses(self, client: Any, ann: Any) -> None:
        found = await scanned(client, ann, file(b"hello", "a.txt", "text/plain"))
        assert (found["engine"], found["verdict"], found["credits"]) == ("builtin", "no_findings", 1)
        assert found["notice"].startswith("no antivirus engine is configured")
        [one] = found["files"]
        assert (one["size"], one["sha256"]) == (5, hashlib.sha256(b"hello").hexdigest())
        assert (one["declared_type"], one["detected_type"], one["is_complete"]) == ("text/plain", "text/plain", True)

    async def test_the_test_virus_is_known(self, client: Any, ann: Any) -> None:
        found = await scanned(client, ann, file(b"hello"), file(EICAR, "e.txt"))
        assert [one["verdict"] for one in found["files"]] == ["no_findings", "infected"]
        assert found["verdict"] == "infected"
        assert found["files"][1]["findings"][0]["id"] == "eicar"

    async def test_a_program_is_suspicious(self, client: Any, ann: Any) -> None:
        found = await scanned(client, ann, file(b"MZ\x90\0", "invoice.pdf.exe", "application/pdf"))
        assert found["verdict"] == "suspicious"
        ids = {one["id"] for one in found["files"][0]["findings"]}
        assert ids == {"double_extension", "runnable", "executable", "type_mismatch"}

    async def test_a_message_is_one_file(self, client: Any, ann: Any) -> None:
        raw = "Subject: Hi\nContent-Type: application/octet-stream; name=e.com\nContent-Transfer-Encoding: base64\n\n"
        raw += base64.encodebytes(EICAR).decode()
        found = await scanned(client, ann, raw=raw)
        assert (found["verdict"], found["credits"]) == ("infected", 1)
        assert found["files"][0]["findings"][-1]["path"] == "message.eml!e.com"
        encoded = base64.b64encode(raw.encode()).decode()
        assert await scanned(client, ann, raw_base64=encoded) == found

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "files"),
            ({"files": []}, "files"),
            ({"files": [file(b"x")], "raw": "x"}, "files"),
            ({"files": [file(b"x")] * 51}, "files"),
            ({"files": [{"content": "no base64"}]}, "files[0].content"),
            ({"files": [{"filename": "x"}]}, "files[0].content"),
            ({"files": [file(b"x", "n" * 256)]}, "files[0].filename"),
            ({"files": [file(b"x") | {"path": "/etc/passwd"}]}, "files[0].path"),
            ({"files": "x"}, "files"),
        ],
    )
    async def test_what_cannot_be_scanned_is_refused(self, client: Any, ann: Any, body: Any, field: str) -> None:
        answer = await client.post(SCAN, json=body, headers=ann)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text

    async def test_a_body_beyond_the_limit(self, client: Any, ann: Any, settings: Settings) -> None:
        answer = await client.post(SCAN, json={"raw": "x" * settings.max_body_bytes}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


class TestEngine:
    @pytest.fixture
    def system(self, system: System, engine: FakeEngine) -> System:
        return dataclasses.replace(system, antivirus=engine)

    async def test_the_worse_verdict_counts(self, client: Any, ann: Any) -> None:
        files = [file(b"hello"), file(VIRUS), file(b"MZ", "a.exe"), file(EICAR), file(HUGE)]
        found = await scanned(client, ann, *files)
        verdicts = [one["verdict"] for one in found["files"]]
        assert verdicts == ["clean", "infected", "suspicious", "infected", "not_scanned"]
        assert (found["engine"], found["notice"], found["verdict"]) == ("clamd", None, "infected")
        assert found["files"][1]["signature"] == "Test.Virus"
        assert found["files"][4]["detail"] == "too large"

    @pytest.mark.parametrize(
        ("failure", "status"), [(EngineUnreachable("clamd is away."), 503), (EngineFailed("clamd broke."), 502)]
    )
    async def test_nothing_stands_in_for_it(
        self, client: Any, ann: Any, engine: FakeEngine, failure: Exception, status: int
    ) -> None:
        engine.failure, engine.works_for = failure, 1
        answer = await client.post(SCAN, json={"files": [file(b"a"), file(b"b")]}, headers=ann)
        assert (answer.status_code, "files" in answer.json()) == (status, False)
        assert "clamd" in answer.json()["detail"]


class TestCredits:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        (tmp_path / "plans.toml").write_text(CATALOGUE)
        return structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small")

    @pytest.fixture
    def system(self, system: System, engine: FakeEngine) -> System:
        return dataclasses.replace(system, antivirus=engine)

    async def test_one_for_each_file_that_was_scanned(self, client: Any, ann: Any, engine: FakeEngine) -> None:
        assert (await scanned(client, ann, file(b"a"), file(HUGE), file(VIRUS)))["credits"] == 2
        engine.failure, engine.works_for = EngineFailed("no"), len(engine.asked) + 1
        assert (await client.post(SCAN, json={"files": [file(b"a")] * 2}, headers=ann)).status_code == 502
        assert await available(client, ann, "av_scan") == 3

    async def test_too_few_for_all_files(self, client: Any, ann: Any, engine: FakeEngine) -> None:
        answer = await client.post(SCAN, json={"files": [file(b"a")] * 6}, headers=ann)
        assert (answer.status_code, answer.json()["code"], engine.asked) == (402, "insufficient_credits", [])
        assert await available(client, ann, "av_scan") == 5


async def test_a_viewer_may_not_spend_credits(client: Any, ann: Any) -> None:
    viewer = await join(client, ann, "vic@acme.test", "viewer")
    assert (await client.post(SCAN, json={"files": [file(b"x")]}, headers=viewer)).status_code == 403
