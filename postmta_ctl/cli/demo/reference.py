"""The curl examples of the API reference, run as they are printed there but for host, token and password."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A curl command, taken apart."""

    title: str
    method: str
    path: str
    headers: dict[str, str]
    body: str | None


def examples(*, token: str, password: str) -> Iterator[Example]:
    """Each example, with the placeholders filled in."""
    text = (files(__package__) / "reference.txt").read_text(encoding="utf-8")
    for title, command in re.findall(r"(?ms)^# (.*?)\n(curl .*?)(?=^#|\Z)", text):
        filled = command.replace("YOUR_JWT", token).replace('"password":"..."', f'"password":"{password}"')
        yield parse_curl(title, filled)


def parse_curl(title: str, command: str) -> Example:
    """Read the options that the reference uses: ``-X``, ``-H``, ``-d`` and the address."""
    words = iter(shlex.split(re.sub(r"\\\s", " ", command))[1:])
    method, path, headers, body = "", "", {}, None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            headers[name.strip()] = value.strip()
        elif word == "-d":
            body = next(words)
        else:
            url = urlsplit(word)
            path = url.path + (f"?{url.query}" if url.query else "")
    return Example(title=title, method=method or ("POST" if body else "GET"), path=path, headers=headers, body=body)
