"""The file as a whole: what is wanted, and where each part of it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.declarative import placed
from postmta_ctl.declarative import readers as read
from postmta_ctl.declarative.kinds import (
    BY_NAME,
    IP_ADDRESS,
    KINDS,
    NODE,
    OF_ORGANIZATION,
    ONLY_ONE,
    ORGANIZATION,
    POOL,
    SHAPING,
    Kind,
    Thing,
)
from postmta_ctl.declarative.placed import Misplaced, Node
from postmta_ctl.declarative.writing import write

VERSION = 1
MAX_PROBLEMS = 100
T = TypeVar("T")


class Key(NamedTuple):
    """Which thing."""

    kind: str
    organization: str
    """Slug; empty for what belongs to the installation."""
    name: str


State = Mapping[Key, Thing]
"""Things by what they are."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that keeps a file from being applied."""

    file: str
    line: int
    path: str
    """Of names in the file, such as ``organizations.acme.vmtas.mx1.ip_address``."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.message}" if self.path else self._whole()

    def _whole(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Place:
    """Where something stands in the file."""

    line: int
    path: str


@dataclass
class Desired:
    """What a file asks for."""

    file: str
    things: dict[Key, Thing] = field(default_factory=dict)
    """Only the fields that it gives; the others stay as they are."""
    places: dict[Key, Place] = field(default_factory=dict)
    sections: dict[tuple[str, str], Place] = field(default_factory=dict)
    """Kinds and organizations whose things are all in the file: pruning looks at no others."""
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, path: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(file=self.file, line=line, path=path, message=message))


def read_document(text: str, file: str) -> Desired:
    """Read a file. All that is wrong is in its problems, the first hundred of them.

    Args:
        text: Its content.
        file: Its name, for messages.
    """
    desired = Desired(file)
    _Reading(desired).whole(text)
    del desired.problems[MAX_PROBLEMS:]
    return desired


class _Reading:
    def __init__(self, desired: Desired) -> None:
        self._desired = desired

    def whole(self, text: str) -> None:
        root = self._try(lambda: placed.read(text))
        given = self._try(lambda: self._root(root)) if root else None
        if given is None:
            return
        for kind in (NODE, IP_ADDRESS, SHAPING):
            if (node := given.get(kind.section)) is not None:
                self._section(kind, "", node)
        for kind in ONLY_ONE:
            if (node := given.get(kind.section)) is not None:
                self._thing(kind, "", kind.name, node)
        organizations = given.get(ORGANIZATION.section)
        for slug, node in (self._try(lambda: read.mapping(organizations)) or {}).items() if organizations else ():
            self._organization(slug, node)

    def _root(self, root: Node) -> Mapping[str, Node]:
        given = read.mapping(root)
        version = given.get("version")
        if version is None or version.value != VERSION:
            raise Misplaced(version.line if version else root.line, "version", f"must be {VERSION}")
        self._known(given, "version", *(kind.section for kind in KINDS if not kind.of_organization))
        return given

    def _organization(self, slug: str, node: Node) -> None:
        given = self._try(lambda: read.mapping(node))
        if given is None:
            return
        sections = {kind.section: kind for kind in OF_ORGANIZATION}
        self._known(given, *ORGANIZATION.fields, *sections)
        own = {name: one for name, one in given.items() if name in ORGANIZATION.fields}
        self._thing(ORGANIZATION, "", slug, Node(own, node.line, node.path))
        for section, kind in sections.items():
            if section in given:
                self._section(kind, slug, given[section])

    def _known(self, given: Mapping[str, Node], *names: str) -> None:
        for name in given.keys() - set(names):
            self._desired.refuse(given[name].line, given[name].path, f"is nothing known; there are {', '.join(names)}")

    def _section(self, kind: Kind, organization: str, node: Node) -> None:
        given = self._try(lambda: read.mapping(node))
        if given is None:
            return
        self._desired.sections[kind.name, organization] = Place(node.line, node.path)
        for name, one in given.items():
            self._thing(kind, organization, name, one)
        if kind is POOL:
            self._one_default(organization)

    def _thing(self, kind: Kind, organization: str, name: str, node: Node) -> None:
        desired = self._desired
        try:
            key = Key(kind.name, organization, kind.read_name(name))
        except InputError as error:
            desired.refuse(node.line, node.path, error.message)
            return
        if key in desired.places:
            desired.refuse(node.line, node.path, f"is the same as {desired.places[key].path}")
            return
        given: Thing | None = self._try(lambda: read.fields(kind.fields)(node))
        desired.places[key] = Place(node.line, node.path)
        desired.things[key] = given or {}

    def _one_default(self, organization: str) -> None:
        pools = [
            key
            for key, thing in self._desired.things.items()
            if key[:2] == (POOL.name, organization) and thing.get("default")
        ]
        for key in pools[1:]:
            place = self._desired.places[key]
            self._desired.refuse(
                place.line, f"{place.path}.default", f"the pool {pools[0].name} is the default already"
            )

    def _try(self, reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except Misplaced as error:
            self._desired.refuse(error.line, error.field, error.message)
            return None


def write_document(state: State) -> str:
    """A state as a file that asks for just that; the same bytes for the same state."""
    document: dict[str, Any] = {"version": VERSION}
    for kind in KINDS:
        if not kind.of_organization and kind not in ONLY_ONE:
            document[kind.section] = {}
    for slug in sorted(key.name for key in state if key.kind == ORGANIZATION.name):
        document[ORGANIZATION.section][slug] = _written(ORGANIZATION, state[Key(ORGANIZATION.name, "", slug)])
        document[ORGANIZATION.section][slug] |= {kind.section: {} for kind in OF_ORGANIZATION}
    for key, thing in sorted(state.items(), key=lambda one: one[0]):
        kind = BY_NAME[key.kind]
        if kind is ORGANIZATION:
            continue
        if kind in ONLY_ONE:
            document[kind.section] = _written(kind, thing)
            continue
        within = document[ORGANIZATION.section][key.organization] if kind.of_organization else document
        within[kind.section][key.name] = _written(kind, thing)
    return write(document)


def _written(kind: Kind, thing: Thing) -> Thing:
    return {name: thing[name] for name in kind.fields if name in thing and name not in kind.only_new}
