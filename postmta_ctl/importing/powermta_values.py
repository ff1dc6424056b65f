"""Values as PowerMTA writes them, made into KumoMTA's."""

from __future__ import annotations

import ipaddress
import re

_TIME = re.compile(r"(?:\d+[smhdw])+\Z")
_RATE = re.compile(r"(\d+)/(\d*)(s|sec|m|min|h|hr|hour|d|day)\Z")
_WHOLE = re.compile(r"\d{1,9}\Z")
ANY = "0.0.0.0"  # noqa: S104
ANYBODY = {"0/0": ANY, "*": ANY, "0.0.0.0/0": ANY, "::/0": "::"}
"""How all addresses are written, and the address that a listener has for all."""


def duration(text: str) -> str:
    """A time such as ``5m`` or ``4d12h``; a bare number is of seconds.

    Raises:
        ValueError: It is none.
    """
    value = text.lower()
    if value.isascii() and value.isdigit():
        return f"{value}s"
    if not _TIME.match(value):
        raise ValueError(f"{text!r} is no time such as 5m or 4d12h")
    return re.sub(r"(?<=[smhdw])(?=\d)", " ", value)


def rate(text: str) -> str:
    """A rate such as ``100/h`` or ``10/5m``.

    Raises:
        ValueError: It is none.
    """
    found = _RATE.match(text.lower())
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is no rate such as 100/h")
    return f"{found[1]}/{found[2]}{found[3]}"


def count(text: str) -> int:
    """A number from 1.

    Raises:
        ValueError: It is none.
    """
    if not _WHOLE.match(text) or not text.isascii() or not int(text):
        raise ValueError(f"{text!r} is no number from 1 to 999999999")
    return int(text)


def truth(text: str) -> bool:
    """``yes`` or ``no``.

    Raises:
        ValueError: It is neither.
    """
    known = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is neither yes nor no")
    return known[text.lower()]


def listener(text: str) -> str:
    """``ip:port`` of a listener; ``0/0`` stands for every IPv4 address.

    Raises:
        ValueError: It is none.
    """
    host, colon, port = text.rpartition(":")
    host = ANYBODY.get(host, host)
    address = ipaddress.ip_address(host.strip("[]") if colon else "")
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ValueError(f"{text!r} is no address and port")
    return f"[{address}]:{int(port)}" if address.version == 6 else f"{address}:{int(port)}"


def network(text: str) -> str:
    """A host or a CIDR block without host bits.

    Raises:
        ValueError: It is none.
    """
    return str(ipaddress.ip_network(text, strict=False)).removesuffix("/32")


def smart_host(text: str) -> str:
    """``host:port``; port 25 when there is none.

    Raises:
        ValueError: It is no host.
    """
    host, _, port = text.rpartition(":") if re.search(r":\d+\Z", text) else (text, "", "25")
    if not host or re.search(r"[\s/,\"]", host):
        raise ValueError(f"{text!r} is no host")
    name = host.strip("[]")
    try:
        return f"[{ipaddress.ip_address(name)}]:{port}"
    except ValueError:
        return f"{name.lower()}:{port}"
