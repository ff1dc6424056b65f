"""What it takes to get from the present state to the one that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from postmta_ctl.declarative.document import Desired, Key, State
from postmta_ctl.declarative.kinds import BY_NAME, KINDS, Thing

Action = Literal["create", "update", "delete"]


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that gets another value."""

    field: str
    before: Any
    after: Any


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is made, changed or deleted."""

    action: Action
    kind: str
    organization: str
    """Slug; empty for what belongs to the installation."""
    name: str
    changes: list[FieldChange]
    line: int
    """Of the file; for what is deleted, of the section that it is not in."""
    path: str

    @property
    def key(self) -> Key:
        """Which thing."""
        return Key(self.kind, self.organization, self.name)

    def values(self) -> Thing:
        """What its fields become."""
        return {one.field: one.after for one in self.changes}


def difference(present: State, desired: Desired, *, prune: bool) -> list[Step]:
    """The steps, in an order in which they can be done: what is deleted makes room for what is new.

    What a new thing needs and does not get is added to the problems of ``desired``.

    Args:
        present: What there is.
        desired: What is wanted.
        prune: Delete what is not in the file, where the file has a section for things of its kind.
    """
    deleted = list(_deletions(present, desired)) if prune else []
    return deleted + _in_order(list(_changes(present, desired)), present)


def _deletions(present: State, desired: Desired) -> Iterator[Step]:
    gone = [key for key in present if key[:2] in desired.sections and key not in desired.things]
    for kind in reversed([kind for kind in KINDS if kind.can_delete]):
        for key in sorted(key for key in gone if key.kind == kind.name):
            thing = present[key]
            changes = [_change(name, thing[name], None) for name in kind.fields if name in thing]
            line, path = desired.sections[key[:2]].line, f"{desired.sections[key[:2]].path}.{key.name}"
            yield Step(action="delete", **key._asdict(), changes=changes, line=line, path=path)


def _changes(present: State, desired: Desired) -> Iterator[Step]:
    for kind in KINDS:
        for key in sorted(key for key in desired.things if key.kind == kind.name):
            place, wanted = desired.places[key], desired.things[key]
            if key not in present and (missing := [name for name in kind.required if name not in wanted]):
                desired.refuse(place.line, place.path, f"a new one needs {', '.join(missing)}")
            changes = _created(wanted) if key not in present else _updated(present[key], wanted, kind.only_new)
            if changes or key not in present:
                action: Action = "update" if key in present else "create"
                yield Step(action=action, **key._asdict(), changes=changes, line=place.line, path=place.path)


def _created(wanted: Thing) -> list[FieldChange]:
    return [_change(name, None, value) for name, value in wanted.items()]


def _updated(present: Thing, wanted: Thing, only_new: tuple[str, ...]) -> list[FieldChange]:
    return [
        _change(name, present.get(name), value)
        for name, value in wanted.items()
        if name not in only_new and not _same(name, present, value)
    ]


def _same(name: str, present: Thing, wanted: Any) -> bool:
    if name == "warmup" and wanted is not None:
        # A vMTA that has been warmed up so is what the file asks for, today or after the last stage.
        return any(_contains(present.get(one), wanted) for one in ("warmup", "warmed"))
    # A pause that ends by itself is present as none, and so is one that a block made: neither is ended by a file.
    return bool(present.get(name) == wanted)


def _contains(present: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return present is not None and all(present.get(name) == value for name, value in wanted.items())


def _change(name: str, before: Any, after: Any) -> FieldChange:
    return FieldChange(field=name, before=before, after=after)


def _in_order(steps: list[Step], present: State) -> list[Step]:
    """Changes that give something up go before those that take it: an address of a vMTA, a domain of a pool.

    Two that swap theirs stay as they are, and are refused when they are carried out.
    """
    done = list[Step]()
    for kind in KINDS:
        waiting = [step for step in steps if step.kind == kind.name]
        claims = _CLAIMS.get(kind.name)
        while waiting:
            held = {} if claims is None else _held(waiting, present, claims)
            ready, later = list[Step](), list[Step]()
            for step in waiting:
                (later if claims is not None and _waits(step, held, claims) else ready).append(step)
            done += ready or later
            waiting = later if ready else []
    return done


Claims = Callable[[Key, Thing], set[tuple[str, str]]]
_CLAIMS: dict[str, Claims] = {
    # An address belongs to one vMTA of all organizations, a domain to one pool of its own.
    "vmta": lambda _, thing: {("", thing[one]) for one in ("ip_address", "ipv6_address") if thing.get(one)},
    "pool": lambda key, thing: {(key.organization, one) for one in thing.get("domains", ())},
}


def _held(steps: list[Step], present: State, claims: Claims) -> dict[tuple[str, str], Key]:
    return {one: step.key for step in steps for one in claims(step.key, present.get(step.key, {}))}


def _waits(step: Step, held: dict[tuple[str, str], Key], claims: Claims) -> bool:
    return any(held.get(one, step.key) != step.key for one in claims(step.key, step.values()))


def title(step: Step) -> str:
    """What a step is about, in words."""
    owner = f" of {step.organization}" if step.organization else ""
    return f"{BY_NAME[step.kind].name.replace('_', ' ')} {step.name}{owner}"
