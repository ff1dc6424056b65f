"""``kumo.aaa``: access control lists, loaded and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.access import AccessControlList, AccessControlListMap, Rule, http_resource, matches
from postmta_ctl.luavm.functions import serde
from postmta_ctl.luavm.keysource import load_key
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class AclQueryDisposition(Userdata):
    """What an access check came to."""

    lua_type = "AclQueryDisposition"

    def __init__(self, rule: Rule | None, resource: str | None) -> None:
        self._rule = rule
        self._resource = resource

    def field_allow(self) -> bool:
        """Whether access is granted."""
        return self._rule is not None and self._rule.allow

    def field_rule(self) -> Mapping[str, Any] | None:
        """The rule that decided."""
        if self._rule is None:
            return None
        access = "Allow" if self._rule.allow else "Deny"
        return {"criteria": self._rule.criteria, "privilege": self._rule.privileges[0], "access": access}

    def field_resource(self) -> str | None:
        """The resource whose list it stands in."""
        return self._resource


def load_acl_map(vm: Vm, source: Any) -> AccessControlListMap:
    """An ACL file (TOML)."""
    return AccessControlListMap.from_file(serde.parse("toml", load_key(vm, source).decode("utf-8", "replace")))


def make_access_control_list(_vm: Vm, rules: Sequence[Mapping[str, Any]]) -> AccessControlList:
    """A list made in Lua."""
    for rule in rules:
        matches(rule["criteria"], {})
    return AccessControlList(
        [
            Rule(privileges=(rule["privilege"],), criteria=rule["criteria"], allow=rule["access"] == "Allow")
            for rule in rules
        ]
    )


def query_resource_access(vm: Vm, resource: str, auth_info: Mapping[str, Any], privilege: str) -> AclQueryDisposition:
    """Check an access as KumoMTA would."""
    return AclQueryDisposition(*vm.decide_access(resource, privilege, auth_info))


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.aaa.load_acl_map": load_acl_map,
    "kumo.aaa.make_access_control_list": make_access_control_list,
    "kumo.aaa.make_http_url_resource": lambda _vm, listen, url: http_resource(listen, url),
    "kumo.aaa.query_resource_access": query_resource_access,
}
