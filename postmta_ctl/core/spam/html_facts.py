"""What a reader would see of an HTML body, and what it hides. Parsed as browsers do (lexbor, by selectolax)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_HTML = 1024 * 1024
"""Characters that are looked at; mail programs clip messages at a tenth of it."""
MAX_TAGS = 20_000
"""Tags that are looked at: a parser of HTML takes time by their number times how deep they are nested."""
MAX_LINKS = 500
_MAX_LINK_TEXT = 300
_UNSEEN = frozenset({"head", "script", "style", "template", "noscript", "title"})
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity|max-height)\s*:\s*0(?:\.0+)?(?![\d.])",
    re.IGNORECASE,
)


class Link(msgspec.Struct, frozen=True):
    """Where an anchor leads, and what it shows."""

    href: str
    text: str


class HtmlFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An HTML body in numbers and words."""

    length: int
    """Characters of the markup."""
    visible: str
    """The text that a reader sees, white space run together."""
    hidden: str
    """The text that styles hide."""
    links: tuple[Link, ...]
    images: int
    images_without_alt: int
    forms: int
    scripts: int


def read_html(html: str) -> HtmlFacts:
    """Read the facts off a body; beyond :data:`MAX_HTML` and :data:`MAX_TAGS` nothing is looked at."""
    reader = _Reader()
    root = LexborHTMLParser("<".join(html[:MAX_HTML].split("<", MAX_TAGS)[:MAX_TAGS])).root
    for node in root.traverse(include_text=True) if root is not None else ():
        reader.take(node)
    return HtmlFacts(
        length=len(html),
        visible=_joined(reader.visible),
        hidden=_joined(reader.hidden),
        links=tuple(reader.links),
        images=reader.images,
        images_without_alt=reader.images_without_alt,
        forms=reader.forms,
        scripts=reader.scripts,
    )


class _Reader:
    """Takes the nodes in the order of the document, so that each parent is judged before its children."""

    def __init__(self) -> None:
        self.visible: list[str] = []
        self.hidden: list[str] = []
        self.links: list[Link] = []
        self.images = self.images_without_alt = self.forms = self.scripts = 0
        self._hidden_nodes: set[int] = set()
        self._unseen_nodes: set[int] = set()

    def take(self, node: LexborNode) -> None:
        parent = node.parent.mem_id if node.parent is not None else 0
        tag = node.tag or ""
        if tag == "-text":
            self._text(node, parent)
            return
        if parent in self._unseen_nodes or tag in _UNSEEN:
            self._unseen_nodes.add(node.mem_id)
        elif parent in self._hidden_nodes or _hides(node):
            self._hidden_nodes.add(node.mem_id)
        self._element(node, tag)

    def _text(self, node: LexborNode, parent: int) -> None:
        if parent in self._unseen_nodes:
            return
        (self.hidden if parent in self._hidden_nodes else self.visible).append(node.text(deep=False))

    def _element(self, node: LexborNode, tag: str) -> None:
        if tag == "img":
            self.images += 1
            self.images_without_alt += "alt" not in node.attributes
        elif tag == "form":
            self.forms += 1
        elif tag == "script":
            self.scripts += 1
        elif tag == "a" and len(self.links) < MAX_LINKS and (href := node.attributes.get("href")):
            self.links.append(Link(href.strip(), _joined([node.text()])[:_MAX_LINK_TEXT]))


def _hides(node: LexborNode) -> bool:
    attributes = node.attributes
    return "hidden" in attributes or bool(_HIDING.search(attributes.get("style") or ""))


def _joined(parts: list[str]) -> str:
    return " ".join(_words(parts))


def _words(parts: list[str]) -> Iterator[str]:
    for part in parts:
        yield from part.split()
