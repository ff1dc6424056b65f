"""From the signature of an operation to the arguments and options of its command, and back to a call."""

from __future__ import annotations

import datetime
import enum
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
import rich_click as click

from postmta_ctl.cli.remote import bodies

HIDDEN = ("cursor", "limit")
"""Pages are turned by the command itself."""
DEFAULT_LIMIT = 50


class Parameter(NamedTuple):
    """What an operation takes."""

    name: str
    hint: Any
    required: bool
    kind: Literal["path", "query", "body"]

    @property
    def option(self) -> str:
        """How it is called on the command line."""
        return self.name.rstrip("_").replace("_", "-")


def of(describe: Callable[..., Any]) -> list[Parameter]:
    """The parameters of an operation."""
    hints = get_type_hints(describe, include_extras=True)
    found = list(inspect.signature(describe).parameters.values())[1:]  # the first is the group
    return [
        Parameter(one.name, hints[one.name], one.default is inspect.Parameter.empty, _kind(one))
        for one in found
        if one.name not in HIDDEN
    ]


def _kind(one: inspect.Parameter) -> Literal["path", "query", "body"]:
    if one.name == "body":
        return "body"
    return "query" if one.kind is inspect.Parameter.KEYWORD_ONLY else "path"


def click_parameters(parameters: list[Parameter]) -> list[click.Parameter]:
    """Arguments and options for them; those of a body are made of its fields."""
    found: list[click.Parameter] = []
    for one in parameters:
        if one.kind == "path":
            metavar = one.name.removesuffix("_id").upper()
            kind = int if plain(one.hint) is int else str
            found.append(click.Argument([one.name], metavar=metavar, type=kind))
        elif one.kind == "query":
            found.append(option(one.name, one.option, one.hint, required=one.required))
        else:
            found += bodies.click_parameters(plain(one.hint), option)
    return found


def option(name: str, shown: str, hint: Any, *, required: bool = False, help_text: str = "") -> click.Option:
    """An option for a value of this type; what has fields or keys of its own is given as JSON."""
    hint = plain(hint)
    more: dict[str, Any] = {"default": None, "required": required, "help": help_text or None}
    words = [name, f"--{shown}"]
    if hint is bool:
        return click.Option([name, f"--{shown}/--no-{shown}"], **more)
    if get_origin(hint) is list and plain(get_args(hint)[0]) is str:
        return click.Option(words, multiple=True, type=str, **(more | {"default": ()}))
    return click.Option(words, type=_click_type(hint), **more)


def _click_type(hint: Any) -> Any:
    if choices := _choices(hint):
        return click.Choice(choices)
    if hint in (int, float, str):
        return hint
    return str if hint in (datetime.datetime, datetime.date) else Json()


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(one) for one in get_args(hint)]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [str(one.value) for one in hint]
    return []


class Json(click.ParamType[Any]):
    """A value in JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of the text."""
        if not isinstance(value, str):
            return value
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            self.fail(f"is no JSON: {error}", param, ctx)


def plain(hint: Any) -> Any:
    """The type without what may be left out and without its limits."""
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint = get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            left = [one for one in get_args(hint) if one not in (type(None), msgspec.UnsetType)]
            if len(left) != 1:
                return hint
            hint = left[0]
        else:
            return hint


def arguments(
    parameters: list[Parameter], given: Mapping[str, Any], fixed: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """What to call the operation with: what was given on the command line, and what the command itself is about.

    Raises:
        click.UsageError: The body is not what the API takes.
    """
    positional, keywords = list[Any](), dict[str, Any]()
    for one in parameters:
        if one.name in fixed:
            positional.append(fixed[one.name])
        elif one.kind == "body":
            positional.append(bodies.value(plain(one.hint), given, required=one.required))
        elif one.kind == "path":
            positional.append(given[one.name])
        elif given[one.name] not in (None, ()):
            value = given[one.name]
            keywords[one.name] = list(value) if isinstance(value, tuple) else value
    return positional, keywords
