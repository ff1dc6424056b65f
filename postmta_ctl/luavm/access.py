"""KumoMTA's access control: who may do what to which resource (KumoMTA reference, "Access Control").

Rules of the resource itself come first, then those of its parents; the first that matches decides. Without any,
access is denied.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.formats import parse_network
from postmta_ctl.luavm.userdata import Userdata

TRUSTED_GROUP = "kumomta:http-listener-trusted-ip"
"""The group of peers whose address is among a listener's ``trusted_hosts``."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """``criteria`` is a term of KumoMTA's AclRuleTerm."""

    privileges: tuple[str, ...]
    criteria: Any
    allow: bool


class AccessControlList(Userdata):
    """The rules of one resource, in order."""

    lua_type = "AccessControlList"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)


class AccessControlListMap(Userdata):
    """Lists by resource, as loaded from a file."""

    lua_type = "AccessControlListMap"
    is_memoizable = True

    def __init__(self, lists: Mapping[str, AccessControlList]) -> None:
        self._lists = lists

    def get(self, resource: str) -> AccessControlList | None:
        """The list of a resource."""
        return self._lists.get(resource)

    def lua_get(self, _vm: Any, resource: str) -> AccessControlList | None:
        """The list of a resource, nil when there is none."""
        return self.get(resource)

    @classmethod
    def from_file(cls, data: Any) -> AccessControlListMap:
        """The content of an ACL file.

        Raises:
            LuaProblem: ``bad_value``.
        """
        try:
            content = msgspec.convert(data, _AclFile)
        except msgspec.ValidationError as error:
            raise LuaProblem("bad_value", f"not an ACL file: {error}") from error
        return cls(
            {name: AccessControlList([entry.rule(name) for entry in rows]) for name, rows in content.acl.items()}
        )


class _AclEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allow: bool
    privileges: tuple[str, ...]
    identity: Any = None
    criteria: Any = None

    def rule(self, resource: str) -> Rule:
        """The rule of this entry."""
        if (self.identity is None) == (self.criteria is None):
            raise LuaProblem("bad_value", f"{resource}: give identity or criteria, one of them")
        criteria = {"Identity": self.identity} if self.criteria is None else self.criteria
        matches(criteria, {})  # a term that is not understood is found now
        return Rule(privileges=self.privileges, criteria=criteria, allow=self.allow)


class _AclFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    acl: dict[str, list[_AclEntry]]


def matches(term: Any, auth_info: Mapping[str, Any]) -> bool:
    """Whether the term is true of somebody.

    Raises:
        LuaProblem: ``bad_value``, the term is none of KumoMTA's.
    """
    match term:
        case {"AllOf": list(terms)}:
            return all(_each(terms, auth_info))
        case {"AnyOf": list(terms)}:
            return any(_each(terms, auth_info))
        case {"Not": inner}:
            return not matches(inner, auth_info)
        case {"Identity": identity}:
            return _is(identity, auth_info)
        case _:
            raise LuaProblem("bad_value", f"{term!r} is not a criterion of an ACL rule")


def _each(terms: Sequence[Any], auth_info: Mapping[str, Any]) -> list[bool]:
    """Every term is looked at, so that a term that is not understood is always found."""
    return [matches(term, auth_info) for term in terms]


def _is(identity: Any, auth_info: Mapping[str, Any]) -> bool:
    """Unit variants may be written ``Any`` or ``{Any = {}}``."""
    tag: Any = identity
    value: Any = None
    if isinstance(identity, Mapping) and identity:
        tag, value = next(iter(identity.items()))
    names = [one["identity"] for one in auth_info.get("identities") or []]
    tests: dict[Any, Callable[[], bool]] = {
        "Individual": lambda: value in names,
        "Group": lambda: value in (auth_info.get("groups") or []),
        "Machine": lambda: _is_peer([value], auth_info),
        "MachineSet": lambda: _is_peer(value, auth_info),
        "Authenticated": lambda: bool(names),
        "Unauthenticated": lambda: not names,
        "Any": lambda: True,
    }
    if tag not in tests:
        raise LuaProblem("bad_value", f"{identity!r} is not an identity of an ACL rule")
    return tests[tag]()


def _is_peer(networks: Sequence[str], auth_info: Mapping[str, Any]) -> bool:
    try:
        known = [parse_network(network) for network in networks]
    except ValueError as error:
        raise LuaProblem("bad_value", str(error)) from error
    peer = auth_info.get("peer_address")
    return peer is not None and any(ipaddress.ip_address(peer) in network for network in known)


def http_resource(listen: str, path: str) -> str:
    """The resource of a URL path on a listener."""
    return f"http_listener/{listen}/{path.strip('/')}".rstrip("/")


def lineage(resource: str) -> Iterator[str]:
    """The resource, then its parents; below an HTTP listener's address the path is gone through again under ``*``."""
    kind, _, rest = resource.partition("/")
    listen, _, path = rest.partition("/")
    for root in dict.fromkeys([listen, "*"] if kind == "http_listener" and listen else [rest] if rest else []):
        parts = path.split("/") if path and kind == "http_listener" else []
        for length in range(len(parts), 0, -1):
            yield "/".join([kind, root, *parts[:length]])
        if root != "*":
            yield f"{kind}/{root}"
    yield kind


def decide(
    resource: str, privilege: str, auth_info: Mapping[str, Any], lists: Callable[[str], AccessControlList | None]
) -> tuple[Rule | None, str | None]:
    """The rule that decides and the resource it belongs to; None when no rule matches, which means no."""
    for name in lineage(resource):
        acl = lists(name)
        for rule in acl.rules if acl else ():
            if privilege in rule.privileges and matches(rule.criteria, auth_info):
                return rule, name
    return None, None


def _default_lists() -> dict[str, AccessControlList]:
    """What holds where a policy says nothing (policy of the KumoMTA distribution)."""

    def rule(identity: Any, *privileges: str) -> Rule:
        return Rule(privileges=privileges, criteria={"Identity": identity}, allow=True)

    trusted = {"Group": TRUSTED_GROUP}
    lists = {path: [rule("Any", "GET")] for path in ("api/check-liveness", "rapidoc", "api-docs/openapi.json")}
    lists["api/inject"] = [rule(trusted, "POST"), rule("Authenticated", "POST")]
    lists["api/admin"] = [rule(trusted, "GET", "DELETE", "POST")]
    lists["api/xfer"] = [rule(trusted, "POST")]
    lists |= {path: [rule(trusted, "GET")] for path in ("api/machine-info", "metrics", "metrics.json")}
    return {f"http_listener/*/{path}": AccessControlList(rules) for path, rules in lists.items()}


DEFAULT_LISTS = _default_lists()
