"""Where a daemon listens: ``host:port``, or ``unix:`` and the path of a socket."""

from __future__ import annotations

import re

import msgspec

from postmta_ctl.core.errors import InputError

_UNIX = "unix:"
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Either a path, or a host and a port."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"{_UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_peer(text: str) -> Peer:
    """Read an address; an IPv6 address stands in brackets.

    Raises:
        InputError: ``peer_syntax``.
    """
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if path.startswith("/"):
            return Peer(path=path)
        raise InputError("peer_syntax", "the path of a socket begins with a slash")
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if is_bracketed else host
    if (
        not bare
        or is_bracketed != (":" in bare)
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port) < 65536
    ):
        raise InputError("peer_syntax", "expected host:port, or unix: and a path")
    return Peer(host=bare, port=int(port))
