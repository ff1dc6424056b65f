"""The guide: complete where it is written from the code, whole without another host, and no dead links."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from postmta_ctl import errors
from postmta_ctl.core.event_types import EVENT_TYPES, TEST
from postmta_ctl.features.docs import guide, reference
from postmta_ctl.settings import TABLES, Settings
from tests.conftest import Client

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CODE = re.compile(r"`([^`\n]+)`")


@pytest.mark.parametrize("name", ["settings", "events", "errors"])
def test_reference_pages_are_as_the_code_has_it(name: str) -> None:
    """``UPDATE_DOCS=1`` writes them anew."""
    wanted = reference.pages()[name]
    if os.environ.get("UPDATE_DOCS"):
        (DOCS / f"{name}.md").write_text(wanted, encoding="utf-8")
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == wanted


def named(page: str) -> set[str]:
    return set(CODE.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")))


def test_they_are_complete() -> None:
    variables = {f"POSTMTA_{name.upper()}" for name in Settings.__struct_fields__ if name not in TABLES}
    tables = {name for table in TABLES for name in getattr(Settings(), table).__struct_fields__}
    assert (variables | tables) - named("settings") == set()
    assert {*EVENT_TYPES, TEST} - named("events") == set()
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.PostMTAError)]
    assert {one.code for one in kinds} - named("errors") == {"configuration_error"}  # no caller meets it
    # A code of each way in which one is given.
    assert {"idempotency_conflict", "vmta_unknown", "address_syntax", "invalid"} - named("errors") == set()
    for kind in reference.PAYLOADS.values():
        assert {field.encode_name for field in msgspec.structs.fields(kind)} - named("events") == set()


def test_links_lead_somewhere() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in [*DOCS.glob("*.md"), ROOT / "README.md"]}
    dead = []
    for path, text in pages.items():
        for link in re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", text):
            name, _, fragment = link.partition("#")
            if "://" in name:
                continue
            target = (path.parent / name).resolve() if name else path
            headings = re.findall(r"^#+ (.+)$", pages.get(target, ""), re.MULTILINE)
            if not target.exists() or (fragment and fragment not in map(guide.anchor, headings)):
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_markup_is_escaped_and_links_are_safe() -> None:
    html = guide._rendered(
        '<script>x</script>\n\n[a](javascript:x) [b](tour.md#x) [c](../bench "t") [d](https://a.test)'
    )
    assert "<script" not in html
    assert "javascript:" not in html.replace("(javascript:x)", "")
    assert 'href="tour#x"' in html
    assert 'href="../bench' not in html
    assert 'href="https://a.test"' in html


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_page_is_served_and_loads_only_what_is_served_here(client: Client) -> None:
    contents = await client.get("/docs/guide")
    assert 'href="guide/tour"' in contents.text
    assert 'href="tour"' in (await client.get("/docs/guide/")).text
    assert 'href="docs/guide"' in (await client.get("/docs")).text
    for name, page in guide.pages().items():
        answer = await client.get(f"/docs/guide/{name}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert page.title in answer.text
        loaded = re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', answer.text)
        assert set(loaded) == {"../favicon-32x32.png", "../guide.css"}
        assert not re.search(r"<script|style=|\son\w+=", answer.text)
    assert (await client.get("/docs/guide/..%2fREADME")).status_code == 404
    assert (await client.get("/docs/guide.css")).headers["content-type"].startswith("text/css")
