"""Bodies of requests: an option for each field, or JSON, or a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from postmta_ctl.features.fields import field_error

DATA, FILE = "data", "file"
PREFIX = "body_"
MakeOption = Callable[..., click.Option]


def click_parameters(kind: Any, option: MakeOption) -> list[click.Parameter]:
    """The options that give a body of this type."""
    if kind is bytes:
        return [click.Argument([FILE], metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))]
    fields = msgspec.structs.fields(kind)
    found: list[click.Parameter] = [
        option(PREFIX + one.name, one.encode_name.replace("_", "-"), one.type, help_text=_help(one)) for one in fields
    ]
    text = "All of it as JSON, or @FILE, or @- for the standard input; options come on top."
    return [*found, click.Option([DATA, "--data"], metavar="JSON", help=text)]


def _help(field: msgspec.structs.FieldInfo) -> str:
    return "Needed, here or in --data." if field.required else ""


def value(kind: Any, given: Mapping[str, Any], *, required: bool) -> Any:
    """The body that was given.

    Raises:
        click.UsageError: It is not what the API takes; the message names the field.
    """
    if kind is bytes:
        return _file(given[FILE])
    body = _data(given.get(DATA))
    for one in msgspec.structs.fields(kind):
        chosen = given.get(PREFIX + one.name)
        if chosen not in (None, ()):
            body[one.encode_name] = list(chosen) if isinstance(chosen, tuple) else chosen
    if not body and not required:
        return None
    try:
        return msgspec.convert(body, kind, strict=False)
    except msgspec.ValidationError as error:
        wrong = field_error(str(error))
        raise click.UsageError(f"{wrong.field}: {wrong.message}") from None


def _data(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text.startswith("@"):
        text = _file(Path(text[1:])).decode("utf-8", errors="replace")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--data: {error}") from None


def _file(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
