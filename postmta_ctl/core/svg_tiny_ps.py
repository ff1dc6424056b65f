"""The SVG profile that BIMI asks of a logo: SVG Tiny Portable/Secure (draft-svg-tiny-ps-abrotman).

The document comes from anywhere. It is read by expat, which expands no entity here: a document type, without which
there are no entities, ends the reading at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn
from xml.parsers import expat

MAX_OCTETS = 32 * 1024
_MAX_DEPTH = 100
_MAX_PROBLEMS = 20
_SVG = "http://www.w3.org/2000/svg"
_FORBIDDEN = {
    "script": "scripts",
    "handler": "scripts",
    "listener": "scripts",
    "image": "raster images",
    "foreignObject": "foreign content",
    "a": "links",
    "video": "media",
    "audio": "media",
    "animation": "animation",
    "animate": "animation",
    "animateColor": "animation",
    "animateMotion": "animation",
    "animateTransform": "animation",
    "set": "animation",
    "discard": "animation",
}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")
_FOREIGN_URL = re.compile(r"url\(\s*['\"]?\s*(?!#)|@import", re.IGNORECASE)


class _NotReadable(Exception):
    """Why the document cannot be read."""


def problems(svg: bytes) -> list[str]:
    """What keeps a logo from being shown, in sentences; none if it conforms."""
    if len(svg) > MAX_OCTETS:
        return [f"The logo has {len(svg)} octets; at most {MAX_OCTETS} are shown."]
    reader = _Reader()
    try:
        reader.read(svg)
    except expat.ExpatError as error:
        return [f"It is not well-formed XML: {expat.ErrorString(error.code)} in line {error.lineno}."]
    except (_NotReadable, ValueError) as error:
        return [str(error)]
    return [*dict.fromkeys([*reader.found, *reader.at_end()])][:_MAX_PROBLEMS]


class _Reader:
    """Notes what a document holds that it must not, as expat goes through it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._path: list[str] = []
        self._title: str | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.ProcessingInstructionHandler = self._instruction

    def read(self, svg: bytes) -> None:
        """Read the whole document."""
        self._parser.Parse(svg, True)

    def at_end(self) -> Iterator[str]:
        """What is missing."""
        if not (self._title or "").strip():
            yield "It has no title: the first element within svg must be a title that says whose logo it is."

    def _doctype(self, *_: object) -> NoReturn:
        raise _NotReadable("It has a document type declaration, which may hold entities; leave it out.")

    def _instruction(self, target: str, _: str) -> None:
        if target == "xml-stylesheet":
            self.found.append("It has a style sheet of its own; references to other documents are not allowed.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if not self._path:
            self.found += _root_problems(namespace, local, attributes)
        if len(self._path) >= _MAX_DEPTH:
            raise _NotReadable(f"Its elements are nested more than {_MAX_DEPTH} deep.")
        self._path.append(local)
        if self._path[1:] == ["title"] and self._title is None:
            self._title = ""
        if namespace == _SVG and local in _FORBIDDEN:
            self.found.append(f"It has the element {local}; {_FORBIDDEN[local]} are not allowed.")
        self.found += _attribute_problems(attributes)

    def _end(self, _: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        if self._path[1:] == ["title"]:
            self._title = (self._title or "") + text
        if self._path[-1] == "style" and _FOREIGN_URL.search(text):
            self.found.append("Its style refers to another document.")


def _root_problems(namespace: str, local: str, attributes: dict[str, str]) -> Iterator[str]:
    if (namespace, local) != (_SVG, "svg"):
        raise _NotReadable("It is no SVG: the outermost element is not svg of the namespace " + _SVG + ".")
    if attributes.get("version") != "1.2":
        yield 'The svg element must have version="1.2".'
    if attributes.get("baseProfile") != "tiny-ps":
        yield 'The svg element must have baseProfile="tiny-ps".'
    for name in ("x", "y"):
        if name in attributes:
            yield f"The svg element must not have the attribute {name}."
    yield from _shape_problems(attributes)


def _shape_problems(attributes: dict[str, str]) -> Iterator[str]:
    box = attributes.get("viewBox", "").replace(",", " ").split()
    if len(box) != 4 or not all(_NUMBER.match(number) for number in box):
        yield "The svg element needs a viewBox of four numbers."
    elif float(box[2]) != float(box[3]) or float(box[2]) <= 0:
        yield f"The logo is not square: its viewBox is {box[2][:20]} by {box[3][:20]}."
    sides = {attributes[name] for name in ("width", "height") if name in attributes}
    if len(sides) > 1 or any(side.endswith("%") for side in sides):
        yield "width and height, if there are any, must be equal and no percentages."


def _attribute_problems(attributes: dict[str, str]) -> Iterator[str]:
    for name, value in attributes.items():
        local = name.rpartition(" ")[2]
        if local == "href" and not value.strip().startswith("#"):
            yield f"It refers to {value[:60]!r}; references must stay within the document."
        elif local.lower().startswith("on"):
            yield f"It has the attribute {local[:40]}; scripts are not allowed."
        elif _FOREIGN_URL.search(value):
            yield f"The attribute {local[:40]} refers to another document."
