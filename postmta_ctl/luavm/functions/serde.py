"""``kumo.serde``: JSON, TOML and YAML, from text and from files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import date, time
from typing import TYPE_CHECKING, Any

import tomli_w
import yaml  # type: ignore[import-untyped]

from postmta_ctl.luavm.convert import Plain
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.keysource import read_file

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_PARSERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


def parse(language: str, text: str) -> Plain:
    """The value of a text; dates become text.

    Raises:
        LuaProblem: ``bad_value``.
    """
    try:
        return _plain(_PARSERS[language](text))
    except (ValueError, yaml.YAMLError) as error:
        raise LuaProblem("bad_value", f"not {language.upper()}: {error}") from error


def load(language: str, name: str) -> Plain:
    """The value of a file.

    Raises:
        LuaProblem: ``file_error`` or ``bad_value``.
    """
    try:
        return parse(language, read_file(name).decode("utf-8", "surrogateescape"))
    except LuaProblem as problem:
        raise LuaProblem(problem.code, problem.message, "" if problem.code == "file_error" else name) from problem


def encode(value: Plain, *, indent: int | None = None) -> str:
    """JSON with sorted keys, as KumoMTA writes it.

    Raises:
        LuaProblem: ``bad_value`` for text that is not UTF-8.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(_text_keys(value), sort_keys=True, ensure_ascii=False, separators=separators, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LuaProblem("bad_value", "a string is not UTF-8 and cannot be written as JSON") from error
    return text


def _plain(value: Any) -> Plain:
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    # Lua's integers have 64 bits; what does not fit becomes a float there, too.
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _key(key: object) -> str | int:
    return key if isinstance(key, int) and not isinstance(key, bool) else str(key)


def _text_keys(value: Plain) -> Plain:
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _readers(language: str) -> dict[str, Callable[..., object]]:
    return {
        f"kumo.serde.{language}_parse": lambda _vm, text: parse(language, text),
        f"kumo.serde.{language}_load": lambda _vm, name: load(language, name),
    }


def toml_encode(_vm: Vm, value: Plain) -> str:
    """A TOML document."""
    return tomli_w.dumps(_text_keys(value))


FUNCTIONS: dict[str, Callable[..., object]] = {
    **_readers("json"),
    **_readers("toml"),
    **_readers("yaml"),
    "kumo.serde.json_encode": lambda _vm, value: encode(value),
    "kumo.serde.json_encode_pretty": lambda _vm, value: encode(value, indent=2),
    "kumo.serde.toml_encode": toml_encode,
    "kumo.serde.toml_encode_pretty": toml_encode,
    "kumo.serde.toml_encode_pretty_compact": toml_encode,
    "kumo.serde.yaml_encode": lambda _vm, value: yaml.safe_dump(value, sort_keys=True, allow_unicode=True),
}
