"""The guide: complete where it is written from the code, whole without another host, and no dead links."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import rich_click as click
from litestar import Litestar

from postmta_ctl import errors
from postmta_ctl.cli import cli
from postmta_ctl.core.event_types import EVENT_TYPES, TEST
from postmta_ctl.features.docs import guide, reference
from postmta_ctl.features.docs.document import describe
from postmta_ctl.settings import TABLES, Settings, load
from tests.conftest import Client

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {"settings", "events", "errors"}
CODE = re.compile(r"`([^`\n]+)`")


def test_reference_pages_are_as_the_code_has_it() -> None:
    """``UPDATE_DOCS=1`` writes them anew."""
    pages = reference.pages()
    assert pages.keys() == GENERATED
    for name, wanted in pages.items():
        if os.environ.get("UPDATE_DOCS"):
            (DOCS / f"{name}.md").write_text(wanted, encoding="utf-8")
        assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == wanted, name


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
    paths = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    dead = []
    for path, text in pages.items():
        for link in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text):
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


def written() -> dict[str, str]:
    """Pages that are written by hand, as the reader finds them."""
    paths = [path for path in DOCS.glob("*.md") if path.stem not in GENERATED] + [ROOT / "README.md"]
    paths += (ROOT / "examples").rglob("*.md")
    return {"/".join(path.parts[-2:]): path.read_text(encoding="utf-8") for path in paths}


def test_operations_that_are_named_exist(application: Litestar) -> None:
    paths = {re.sub(r"{\w+}", "*", path): item for path, item in describe(application)["paths"].items()}
    wrong = []
    for page, text in written().items():
        for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/(?:api/v1|v3|health|metrics)[^\s`?]*)", text):
            shape = re.sub(r"{\w+}", "*", path)
            known = paths.get(shape) or next(
                (item for one, item in paths.items() if re.fullmatch(one.replace("*", "[^/]+"), shape)), {}
            )
            if method.lower() not in known:
                wrong.append(f"{page}: {method} {path}")
    assert wrong == [], "\n".join(wrong)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words begin with, and the others."""
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        try:
            _, inner, rest = command.resolve_command(click.Context(command), words)
        except click.UsageError:
            break
        assert inner is not None
        command, words = inner, rest
    return command, words


def test_commands_that_are_named_exist() -> None:
    wrong = []
    for page, text in written().items():
        for line in re.findall(r"(?:^|[`$#] )postmta ([a-z][^`\n#|&;]*)", text, re.MULTILINE):
            command, words = command_of(line.split())
            known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
            wrong += [f"{page}: {line}: {word}" for word in words if word.startswith("--") and word not in known]
            if isinstance(command, click.Group) and words and not words[0].startswith("-"):
                wrong.append(f"{page}: no command {line}")
    assert wrong == [], "\n".join(wrong)


def typed() -> Iterator[tuple[str, list[str]]]:
    """Each command of ours in a block to be typed, with the page that has it."""
    for page, text in written().items():
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r" (?:&&|\|) ", re.sub(r"^[#$] ", "", line)):
                    words = shlex.split(part.partition(" > ")[0].partition(" # ")[0]) if "postmta" in part else []
                    while words and re.match(r"\w+=", words[0]):
                        words.pop(0)
                    if words and words[0] in ("postmta", "postmta-agent"):
                        yield page, words


def test_commands_to_be_typed_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments and values as well; most of them are run by tests/e2e/test_documents.py."""
    wrong, count = [], 0
    for page, (program, *words) in typed():
        command, rest = command_of(["agent", *words] if program == "postmta-agent" else words)
        for one in command.params:
            if isinstance(one.type, click.Path):
                monkeypatch.setattr(one.type, "exists", False)
        count += 1
        try:
            command.make_context(program, rest)
        except click.ClickException as error:
            wrong.append(f"{page}: {program} {' '.join(words)}: {error.format_message()}")
    assert wrong == [], "\n".join(wrong)
    assert count > 30


def test_settings_in_examples_are_ones(tmp_path: Path) -> None:
    pages = [text for page, text in written().items() if page in (f"{ROOT.name}/README.md", "docs/installing.md")]
    blocks = [block for text in pages for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) >= 4
    for block in blocks:
        (tmp_path / "postmta.toml").write_text(block, encoding="utf-8")
        load({"POSTMTA_CONFIG": str(tmp_path / "postmta.toml")})


def test_python_in_examples_compiles() -> None:
    for page, text in written().items():
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
