"""Options tables checked against the catalogue's types, with kumod's verdict.

A decoder gives back the plain form of what the policy wrote, with defaults filled in, and raises
:class:`LuaProblem` naming the option where kumod would refuse. Where kumod swallows what cannot be meant the code
begins with ``lenient_``: those refusals are ours alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from postmta_ctl.luavm import scalars
from postmta_ctl.luavm.catalogue import OptionStruct, catalogue, hint
from postmta_ctl.luavm.convert import Converter, Plain, entries, split_sequence, type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.tlsnames import OPENSSL_OPTIONS, RUSTLS_CIPHER_SUITES
from postmta_ctl.luavm.typespec import Anything, ListOf, MapOf, Named, OneOf, Scalar, TypeSpec, parse_type
from postmta_ctl.luavm.userdata import Userdata

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
        if name in scalars.INTEGER_RANGES:
            return scalars.integer(name, value)
        if name == "keysource":
            return self._key_source(value)
        if name == "cidrset":
            return self._list(Scalar("cidr"), value)
        if name == "table":
            return self._converter.to_plain(value)
        return scalars.SCALARS[name](value)

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
                decoded[key] = scalars.text(value)
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
