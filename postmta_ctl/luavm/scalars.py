"""Options that are a single value: what kumod takes for a number, a text or a text with a grammar."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from postmta_ctl.luavm import formats
from postmta_ctl.luavm.convert import Plain, is_function, type_name
from postmta_ctl.luavm.errors import LuaProblem

INTEGER_RANGES = {
    "u8": (0, 2**8),
    "u16": (0, 2**16),
    "u32": (0, 2**32),
    "u64": (0, 2**63),
    "usize": (0, 2**63),
    "i32": (-(2**31), 2**31),
    "i64": (-(2**63), 2**63),
    "int": (-(2**63), 2**63),
}


def integer(name: str, value: object) -> int:
    """A Lua integer in the range of that Rust type; 1.0 is a float and therefore none."""
    low, high = INTEGER_RANGES[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise LuaProblem("wrong_type", f"expected a whole number ({name}), not a {type_name(value)}")
    if not low <= value < high:
        raise LuaProblem("bad_value", f"{value} is out of range for {name}")
    return value


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LuaProblem("wrong_type", f"expected a number, not a {type_name(value)}")
    return value


def text(value: object) -> str:
    """A string; numbers are none."""
    if not isinstance(value, str):
        raise LuaProblem("wrong_type", f"expected a string, not a {type_name(value)}")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise LuaProblem("wrong_type", f"expected true or false, not a {type_name(value)}")
    return value


def _function(value: object) -> object:
    if not is_function(value):
        raise LuaProblem("wrong_type", f"expected a function, not a {type_name(value)}")
    return value


def _nil(value: object) -> None:
    if value is not None:
        raise LuaProblem("wrong_type", f"expected nil, not a {type_name(value)}")


def _path(value: object) -> str:
    checked = text(value)
    if not checked.startswith("/"):
        raise LuaProblem("lenient_relative_path", f"{checked!r} would be relative to wherever kumod was started")
    return checked


def _text_of(parse: Callable[[str], object]) -> Callable[[object], str]:
    """A check for text that ``parse`` takes; the text itself is what the policy gets back."""

    def check(value: object) -> str:
        checked = text(value)
        _parsed(parse, checked)
        return checked

    return check


def _text_or_number(parse: Callable[[Any], object]) -> Callable[[object], str | float]:
    def check(value: object) -> str | float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise LuaProblem("wrong_type", f"expected text or a number, not a {type_name(value)}")
        _parsed(parse, value)
        return value

    return check


def _parsed(parse: Callable[[Any], object], value: object) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise LuaProblem("bad_value", str(error)) from error


def _listen_address(value: object) -> str:
    checked = text(value)
    try:
        formats.parse_host_port(checked)
    except ValueError as error:
        raise LuaProblem("lenient_socket_address", f"{error}; kumod finds out only when it binds") from error
    return checked


def _limit(value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LuaProblem("wrong_type", f"expected a whole number or text, not a {type_name(value)}")
    _parsed(formats.parse_limit, value)
    return value


def _url(value: object) -> str:
    checked = text(value)
    if not all(urlsplit(checked)[:2]):
        raise LuaProblem("bad_value", f"{checked!r} is not an absolute URL")
    return checked


SCALARS: dict[str, Callable[[object], Plain]] = {
    "bool": _bool,
    "string": text,
    "bytes": text,
    "float": _float,
    "path": _path,
    "url": _url,
    "ip": _text_of(ipaddress.ip_address),
    "cidr": _text_of(formats.parse_network),
    "socketaddr": _listen_address,
    "hostport": _text_of(formats.parse_host_port),
    "datetime": _text_of(datetime.fromisoformat),
    "duration": _text_or_number(formats.parse_duration),
    "throttle": _text_of(formats.parse_throttle),
    "limit": _limit,
    "min_free": _text_or_number(formats.parse_min_free),
    "regex": text,
    "uuid": _text_of(UUID),
    "function": _function,
    "nil": _nil,
}
