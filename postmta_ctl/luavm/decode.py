"""Options tables checked against the catalogue's types, with kumod's verdict.

A decoder gives back the plain form of what the policy wrote, with defaults filled in, and raises
:class:`LuaProblem` naming the option where kumod would refuse. Where kumod swallows what cannot be meant the code
begins with ``lenient_``: those refusals are ours alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from postmta_ctl.luavm import formats
from postmta_ctl.luavm.catalogue import OptionStruct, catalogue, hint
from postmta_ctl.luavm.convert import Converter, Plain, entries, is_function, split_sequence, type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.tlsnames import OPENSSL_OPTIONS, RUSTLS_CIPHER_SUITES
from postmta_ctl.luavm.typespec import Anything, ListOf, MapOf, Named, OneOf, Scalar, TypeSpec, parse_type
from postmta_ctl.luavm.userdata import Userdata

_INTEGER_RANGES = {
    "u8": (0, 2**8),
    "u16": (0, 2**16),
    "u32": (0, 2**32),
    "u64": (0, 2**63),
    "usize": (0, 2**63),
    "i32": (-(2**31), 2**31),
    "i64": (-(2**63), 2**63),
    "int": (-(2**63), 2**63),
}
_NO_EMPTY_LIST = frozenset(
    [
        ("SmtpProtocol", "mx_list"),
        ("EsmtpListenerParams", "relay_hosts"),
        ("GenericEsmtpListenerParams", "relay_hosts"),
        ("TraceHeaders", "include_meta_names"),
    ]
)
"""Lists behind flattened or untagged types, where kumod takes ``{}`` for a map and refuses it."""


class Decoder:
    """Checks values of one Lua state."""

    def __init__(self, converter: Converter) -> None:
        self._converter = converter

    def decode(self, spec: TypeSpec, value: object) -> Plain:
        """The plain form of ``value`` if it is of type ``spec``."""
        match spec:
            case Scalar(name):
                return self._scalar(name, value)
            case ListOf(item):
                return self._list(item, value)
            case MapOf():
                return self._map(spec, value)
            case OneOf(choices):
                return self._one_of(choices, value)
            case Named(name):
                return self._named(name, value)
            case Anything():
                return self._converter.to_plain(value)

    def struct(self, name: str, value: object) -> dict[str, Plain]:
        """An options table of that struct, defaults included."""
        struct = catalogue().structs[name]
        table = self._names(value, f"a table of {name} options")
        decoded: dict[str, Plain] = {}
        for key, item in table.items():
            decoded[key] = self._option(struct, key, item)
        for field, option in struct.fields.items():
            if field not in decoded and option.required:
                raise LuaProblem("missing_option", f"option {field} is required", field)
            decoded.setdefault(field, copy(option.default))
        return decoded

    def _names(self, value: object, wanted: str) -> dict[str, Any]:
        table = entries(value)
        if table is None:
            raise LuaProblem("wrong_type", f"expected {wanted}, not a {type_name(value)}")
        for key in table:
            if not isinstance(key, str):
                raise LuaProblem("wrong_type", f"expected {wanted}, not a list")
        return table

    def _option(self, struct: OptionStruct, key: str, value: object) -> Plain:
        option = struct.fields.get(key)
        if option is None:
            code = "unknown_option" if struct.deny_unknown_fields else "lenient_unknown_option"
            raise LuaProblem(code, f"{struct.name} has no option {key}{hint(key, struct.fields)}", key)
        try:
            decoded = self.decode(parse_type(option.type), value)
            self._check_further(struct.name, key, decoded)
        except LuaProblem as problem:
            raise problem.under(key) from problem
        return decoded

    def _check_further(self, struct: str, key: str, value: Plain) -> None:
        """What the catalogue's type alone does not say."""
        if (struct, key) in _NO_EMPTY_LIST and not value:
            raise LuaProblem("empty_table", "an empty table is read as a map here: leave the option out")
        if key == "openssl_options":
            _check_names(str(value).split("|"), OPENSSL_OPTIONS, "OpenSSL option")
        if key == "rustls_cipher_suites":
            _check_names(value, RUSTLS_CIPHER_SUITES, "rustls cipher suite")

    def _list(self, item: TypeSpec, value: object) -> list[Plain]:
        table = entries(value)
        if table is None:
            raise LuaProblem("wrong_type", f"expected a list, not a {type_name(value)}")
        items, rest = split_sequence(table)
        decoded = [self._element(item, element, position) for position, element in enumerate(items, 1)]
        if rest:
            code = "lenient_mixed_table" if items else "lenient_map_as_list"
            raise LuaProblem(code, f"expected a list; kumod would silently drop the key {next(iter(rest))!s}")
        return decoded

    def _element(self, item: TypeSpec, value: object, position: int) -> Plain:
        try:
            return self.decode(item, value)
        except LuaProblem as problem:
            raise problem.under(f"[{position}]") from problem

    def _map(self, spec: MapOf, value: object) -> dict[str, Plain]:
        decoded = {}
        for key, item in self._names(value, "a table with names").items():
            try:
                decoded[self.decode(spec.key, key)] = self.decode(spec.value, item)
            except LuaProblem as problem:
                raise problem.under(key) from problem
        return decoded

    def _one_of(self, choices: tuple[TypeSpec, ...], value: object) -> Plain:
        problems = []
        for choice in choices:
            try:
                return self.decode(choice, value)
            except LuaProblem as problem:
                problems.append(problem)
        # The fault lies deepest in the alternative that was meant.
        raise max(problems, key=lambda problem: (len(problem.path), problem.code != "wrong_type"))

    def _named(self, name: str, value: object) -> Plain:
        known = catalogue()
        if name == "DeliveryProto":
            return self._delivery_protocol(value)
        if isinstance(value, Userdata) and value.lua_type == name:
            return value
        if name in known.enums:
            return self._enum(name, known.enums[name], value)
        if name in known.structs:
            return self.struct(name, value)
        if name in known.userdata:
            raise LuaProblem("wrong_type", f"expected a {name}, not a {type_name(value)}")
        return self._converter.to_plain(value)

    def _enum(self, name: str, variants: list[Any], value: object) -> Plain:
        if name == "LogReportDisposition" and isinstance(value, bool):
            return value
        units = [variant for variant in variants if isinstance(variant, str)]
        if isinstance(value, str):
            if value not in units:
                raise LuaProblem("bad_value", f"{value!r} is not one of {', '.join(units)}{hint(value, units)}")
            return value
        if type_name(value) != "table":
            raise LuaProblem("wrong_type", f"expected one of {', '.join(units)}, not a {type_name(value)}")
        return self._tagged(name, variants, self._names(value, f"a {name}"))

    def _tagged(self, name: str, variants: list[Any], table: dict[str, Any]) -> Plain:
        types = {tag: inner for variant in variants if isinstance(variant, dict) for tag, inner in variant.items()}
        if len(table) != 1:
            raise LuaProblem("bad_value", f"expected a {name} with one key")
        [(tag, inner)] = table.items()
        if tag not in types:
            raise LuaProblem("bad_value", f"{tag!r} is not a {name}{hint(tag, types)}")
        return {tag: self.decode(parse_type(types[tag]), inner)}

    def _delivery_protocol(self, value: object) -> Plain:
        variants = {"smtp": "SmtpProtocol", "custom_lua": "LuaDeliveryProtocol", "xfer": "XferProtocol"}
        table = self._names(value, "a delivery protocol")
        if "maildir_path" in table:
            return self.struct("MaildirProtocol", value)
        for tag, struct in variants.items():
            if tag in table:
                return self._only(tag, table, struct)
        known = [*variants, "maildir_path"]
        key = next(iter(table), "")
        raise LuaProblem("bad_value", f"{key!r} is no delivery protocol; use one of {', '.join(known)}")

    def _only(self, tag: str, table: dict[str, Any], struct: str) -> Plain:
        try:
            decoded = {tag: self.struct(struct, table[tag])}
        except LuaProblem as problem:
            raise problem.under(tag) from problem
        others = [key for key in table if key != tag]
        if others:
            raise LuaProblem("lenient_unknown_option", f"{tag} stands alone; kumod would ignore it", others[0])
        return decoded

    def _scalar(self, name: str, value: object) -> Plain:
        if name in _INTEGER_RANGES:
            return _integer(name, value)
        if name == "keysource":
            return self._key_source(value)
        if name == "cidrset":
            return self._list(Scalar("cidr"), value)
        if name == "table":
            return self._converter.to_plain(value)
        return _SCALARS[name](value)

    def _key_source(self, value: object) -> Plain:
        """A path, or a table that says where the key is (KumoMTA's KeySource)."""
        if isinstance(value, str):
            return value
        table = self._names(value, "a file name or a key source")
        for required, optional in _KEY_SOURCES:
            if required <= table.keys():
                self._no_others(table, required | optional)
                return self._key_source_values(table)
        raise LuaProblem("bad_value", "expected a file name, key_data, a vault path or an event as key source")

    def _no_others(self, table: Mapping[str, object], known: frozenset[str]) -> None:
        for key in table:
            if key not in known:
                raise LuaProblem("lenient_unknown_option", f"kumod would ignore {key}{hint(key, known)}", key)

    def _key_source_values(self, table: Mapping[str, object]) -> dict[str, Plain]:
        decoded: dict[str, Plain] = {}
        for key, value in table.items():
            if key == "event_args":
                decoded[key] = self._list(Anything(), value)
                if not decoded[key]:
                    raise LuaProblem("empty_table", "an empty event_args is read as a map", key)
            else:
                decoded[key] = _text(value)
        return decoded


_KEY_SOURCES = (
    (frozenset(["key_data"]), frozenset[str]()),
    (frozenset(["vault_mount", "vault_path"]), frozenset(["vault_key", "vault_address", "vault_token"])),
    (frozenset(["event_name", "event_args"]), frozenset[str]()),
)


def _check_names(names: list[str], known: frozenset[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise LuaProblem("bad_value", f"{name!r} is not an {what}{hint(name, known)}")


def _integer(name: str, value: object) -> int:
    low, high = _INTEGER_RANGES[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise LuaProblem("wrong_type", f"expected a whole number ({name}), not a {type_name(value)}")
    if not low <= value < high:
        raise LuaProblem("bad_value", f"{value} is out of range for {name}")
    return value


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LuaProblem("wrong_type", f"expected a number, not a {type_name(value)}")
    return value


def _text(value: object) -> str:
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
    text = _text(value)
    if not text.startswith("/"):
        raise LuaProblem("lenient_relative_path", f"{text!r} would be relative to wherever kumod was started")
    return text


def _text_of(parse: Callable[[str], object]) -> Callable[[object], str]:
    """A check for text that ``parse`` takes; the text itself is what the policy gets back."""

    def check(value: object) -> str:
        text = _text(value)
        _parsed(parse, text)
        return text

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
    text = _text(value)
    try:
        formats.parse_host_port(text)
    except ValueError as error:
        raise LuaProblem("lenient_socket_address", f"{error}; kumod finds out only when it binds") from error
    return text


def _limit(value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise LuaProblem("wrong_type", f"expected a whole number or text, not a {type_name(value)}")
    _parsed(formats.parse_limit, value)
    return value


def _url(value: object) -> str:
    text = _text(value)
    if not all(urlsplit(text)[:2]):
        raise LuaProblem("bad_value", f"{text!r} is not an absolute URL")
    return text


_SCALARS: dict[str, Callable[[object], Plain]] = {
    "bool": _bool,
    "string": _text,
    "bytes": _text,
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
    "regex": _text,
    "uuid": _text_of(UUID),
    "function": _function,
    "nil": _nil,
}
