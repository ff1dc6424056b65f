"""The guide: the Markdown pages of ``docs``, as HTML that asks no other host and runs no script."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from string import Template

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

from postmta_ctl.resources import guide_dir

ORDER = (
    "tour",
    "installing",
    "operating",
    "console",
    "client",
    "sendgrid",
    "moving-in",
    "cli",
    "declarative",
    "policy-checks",
    "sizing",
    "benchmarks",
    "settings",
    "events",
    "errors",
)
"""Pages as a reader needs them; others follow by name."""
_NOT_IN_AN_ANCHOR = re.compile(r"[^\w\- ]")
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")

_FRAME = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · PostMTA</title>
<link rel="icon" href="${up}favicon-32x32.png">
<link rel="stylesheet" href="${up}guide.css">
</head>
<body>
<nav aria-label="Guide">
<p><a href="${up}../docs">API reference</a></p>
<ul>
$links
</ul>
</nav>
<main>
$body
</main>
</body>
</html>
""")


class Page(msgspec.Struct, frozen=True):
    """A page of the guide."""

    name: str
    title: str
    markdown: str


@cache
def pages() -> dict[str, Page]:
    """All pages by their names, in the order in which they are listed."""
    found = {}
    for path in guide_dir().glob("*.md"):
        text = path.read_text(encoding="utf-8")
        found[path.stem] = Page(path.stem, text.partition("\n")[0].removeprefix("# "), text)
    rank = {name: index for index, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda name: (rank.get(name, len(rank)), name))}


@cache
def html_of(name: str) -> str:
    """A page as HTML; its links lead to the pages beside it.

    Raises:
        KeyError: There is no such page.
    """
    page = pages()[name]
    return _framed(page.title, _rendered(page.markdown), up="../", current=name)


@cache
def contents(*, is_folder: bool) -> str:
    """The list of pages as a page of its own.

    Args:
        is_folder: Whether it was asked for with a slash at the end, which links are relative to.
    """
    prefix = "" if is_folder else "guide/"
    body = f"<h1>Guide</h1>\n<ul>\n{_links(prefix, '')}\n</ul>"
    return _framed("Guide", body, up="../" if is_folder else "", prefix=prefix)


def _framed(title: str, body: str, *, up: str, prefix: str = "", current: str = "") -> str:
    return _FRAME.substitute(title=escape(title), body=body, links=_links(prefix, current), up=up)


def _links(prefix: str, current: str) -> str:
    return "\n".join(
        f'<li><a href="{prefix}{one.name}"{" aria-current=page" * (one.name == current)}>{escape(one.title)}</a></li>'
        for one in pages().values()
    )


def _rendered(markdown: str) -> str:
    tokens = _MARKDOWN.parse(markdown)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[index + 1].content))
        for child in token.children or ():
            _redirect(child)
        # A column may be aligned by style, which our Content-Security-Policy does not take.
        token.attrs.pop("style", None)
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _redirect(token: Token) -> None:
    """Pages link to each other as files; what is not in the guide stands in the repository only."""
    if token.type != "link_open":
        return
    path, mark, fragment = str(token.attrs["href"]).partition("#")
    if path.endswith(".md") and path.removesuffix(".md") in pages():
        token.attrs["href"] = path.removesuffix(".md") + mark + fragment
    elif path and "://" not in path:
        token.attrs = {"class": "elsewhere", "title": f"{path}, in the repository"}


def anchor(heading: str) -> str:
    """What a heading is linked to by, as code hosts have it."""
    return _NOT_IN_AN_ANCHOR.sub("", heading.lower().replace("`", "")).replace(" ", "-")
