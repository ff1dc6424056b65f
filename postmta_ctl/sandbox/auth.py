"""Who is calling, and may he: as the policy's own handlers decide, the way KumoMTA asks them.

A request with credentials that are not good is refused even where none are needed. What the policy said about a
credential, good or bad, is remembered for a minute, as in KumoMTA; who may do what, until the next epoch at most.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from postmta_ctl.luavm import PolicyError
from postmta_ctl.luavm.access import TRUSTED_GROUP
from postmta_ctl.luavm.configs import Listener
from postmta_ctl.sandbox.durations import MINUTE
from postmta_ctl.sandbox.jsonbody import BodyError

if TYPE_CHECKING:
    from postmta_ctl.sandbox.node import Node

_REMEMBERED = 128
_LASTS = MINUTE
AuthInfo = Mapping[str, Any]
K = TypeVar("K")
V = TypeVar("V")


class Gate:
    """Decides about requests to one listener.

    Args:
        listener: the policy's own; its address names the resources of access control.
        node: whose policy it is.
    """

    def __init__(self, listener: Listener, node: Node) -> None:
        self._listener = listener
        self._node = node
        self._trusted = [ipaddress.ip_network(network) for network in listener.values["trusted_hosts"]]
        self._remembered: OrderedDict[str, tuple[int, AuthInfo | None]] = OrderedDict()
        self._admitted: OrderedDict[tuple[str | None, ...], tuple[int, int, AuthInfo]] = OrderedDict()

    def admitted(self, authorization: str | None, peer: str, method: str, path: str, now: int) -> AuthInfo | None:
        """The caller, if he was admitted a moment ago; asks nobody, so it may be called from any thread."""
        until, epoch, info = self._admitted.get((authorization, peer, method, path), (0, 0, None))
        return info if until > now and epoch == self._node.runtime.epoch else None

    def admit(self, authorization: str | None, peer: str, method: str, path: str, now: int) -> AuthInfo:
        """The caller, if he may do that.

        Raises:
            BodyError: 400, 401, or 500 when the policy fails.
        """
        try:
            known = self._authenticate(authorization, now)
            groups = [*known.get("groups", ()), *([TRUSTED_GROUP] if self._is_trusted(peer) else [])]
            info = {"peer_address": peer, "identities": list(known.get("identities", ())), "groups": groups}
            allowed = self._node.vm.allows(self._listener.listen, method, path, info)
        except PolicyError as error:
            self._node.complain(f"access control: {error}")
            raise BodyError(500, "try again later") from error
        if not allowed:
            raise BodyError(401, "Unauthorized")
        _remember(self._admitted, (authorization, peer, method, path), (now + _LASTS, self._node.runtime.epoch, info))
        return info

    def _is_trusted(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        return any(address in network for network in self._trusted)

    def _authenticate(self, authorization: str | None, now: int) -> AuthInfo:
        if authorization is None:
            return {}
        until, info = self._remembered.get(authorization, (0, None))
        if until <= now:
            info = self._asked(authorization)
            _remember(self._remembered, authorization, (now + _LASTS, info))
        if info is None:
            raise BodyError(401, "Unauthorized")
        return info

    def _asked(self, authorization: str) -> AuthInfo | None:
        """What the policy says of a credential; None: no."""
        scheme, _, credential = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                answer = self._node.vm.validates_bearer_auth(credential.strip())
                return _info(answer, None)
            case "basic":
                user, password = _basic(credential)
                return _info(self._node.vm.validates_basic_auth(user, password), user)
            case _:
                raise BodyError(400, "Unsupported Authorization scheme")


def _remember(cache: OrderedDict[K, V], key: K, value: V) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > _REMEMBERED:
        cache.popitem(last=False)


def _info(answer: AuthInfo | bool, user: str | None) -> AuthInfo | None:
    if answer is False:
        return None
    if answer is True:
        return {"identities": [{"identity": user, "context": "HttpBasicAuth"}] if user else []}
    return answer


def _basic(credential: str) -> tuple[str, str | None]:
    try:
        text = base64.b64decode(credential.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BodyError(400, "Malformed Authorization header") from error
    user, colon, password = text.partition(":")
    return user, password if colon else None
