"""``kumo.string`` and ``kumo.regex``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, Undefined
from jinja2.sandbox import SandboxedEnvironment

from postmta_ctl.luavm.errors import LuaProblem, not_simulated
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_GROUP_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


class Regex(Userdata):
    """A compiled pattern. Rust's syntax and Python's agree on all but rare constructs, which are refused."""

    lua_type = "Regex"

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise LuaProblem("bad_value", f"{pattern!r} is not a pattern: {error}") from error

    def lua_is_match(self, _vm: Vm, haystack: str) -> bool:
        """Whether it occurs."""
        return self._pattern.search(haystack) is not None

    def lua_find(self, _vm: Vm, haystack: str) -> str | None:
        """The first occurrence."""
        match = self._pattern.search(haystack)
        return match[0] if match else None

    def lua_find_all(self, _vm: Vm, haystack: str) -> list[str]:
        """Each occurrence."""
        return [match[0] for match in self._pattern.finditer(haystack)]

    def lua_captures(self, _vm: Vm, haystack: str) -> dict[int | str, str] | None:
        """The groups of the first occurrence by number, 0 being all of it, and by name."""
        match = self._pattern.search(haystack)
        if match is None:
            return None
        numbered: dict[int | str, Any] = dict(enumerate((match[0], *match.groups())))
        return numbered | match.groupdict()

    def lua_replace(self, vm: Vm, haystack: str, replacement: str) -> str:
        """The text with the first occurrence replaced."""
        return self.lua_replacen(vm, haystack, 1, replacement)

    def lua_replace_all(self, vm: Vm, haystack: str, replacement: str) -> str:
        """The text with each occurrence replaced."""
        return self.lua_replacen(vm, haystack, 0, replacement)

    def lua_replacen(self, _vm: Vm, haystack: str, limit: int, replacement: str) -> str:
        """The text with the first ``limit`` occurrences replaced, 0 for all; ``$1`` and ``${name}`` are groups."""
        return self._pattern.sub(lambda match: _expanded(match, replacement), haystack, count=limit)

    def lua_split(self, _vm: Vm, haystack: str) -> list[str]:
        """What stands between the occurrences."""
        starts = [0, *(match.end() for match in self._pattern.finditer(haystack))]
        ends = [*(match.start() for match in self._pattern.finditer(haystack)), len(haystack)]
        return [haystack[start:end] for start, end in zip(starts, ends, strict=True)]


def _expanded(match: re.Match[str], replacement: str) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[3]:
            return "$"
        name = reference[1] or reference[2]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _GROUP_REFERENCE.sub(group, replacement)


def eval_template(_vm: Vm, name: str, template: str, context: Any, dialect: str | None) -> str:
    """A template rendered; values are escaped when its name ends in ``.html``."""
    if dialect == "Static":
        return template
    if dialect == "Handlebars":
        raise not_simulated("the template dialect Handlebars")
    environment = SandboxedEnvironment(autoescape=name.endswith(".html"), undefined=Undefined)
    try:
        return environment.from_string(template).render(context or {})
    except TemplateError as error:
        raise LuaProblem("bad_value", f"template {name}: {error}") from error


def _rsplitn(_vm: Vm, text: str, limit: int, pattern: str) -> list[str]:
    return text.rsplit(pattern, max(limit - 1, 0))[::-1]


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.regex.compile": lambda _vm, pattern: Regex(pattern),
    "kumo.regex.escape": lambda _vm, text: re.escape(text),
    "kumo.string.replace": lambda _vm, text, old, new: text.replace(old, new),
    "kumo.string.replacen": lambda _vm, text, old, new, count: text.replace(old, new, count),
    "kumo.string.split": lambda _vm, text, pattern: text.split(pattern),
    "kumo.string.splitn": lambda _vm, text, limit, pattern: text.split(pattern, max(limit - 1, 0)),
    "kumo.string.rsplit": lambda _vm, text, pattern: text.split(pattern)[::-1],
    "kumo.string.rsplitn": _rsplitn,
    "kumo.string.split_whitespace": lambda _vm, text: text.split(),
    "kumo.string.split_ascii_whitespace": lambda _vm, text: [part for part in re.split(r"[ \t\n\f\r]+", text) if part],
    "kumo.string.starts_with": lambda _vm, text, pattern: text.startswith(pattern),
    "kumo.string.ends_with": lambda _vm, text, pattern: text.endswith(pattern),
    "kumo.string.trim": lambda _vm, text: text.strip(),
    "kumo.string.trim_start": lambda _vm, text: text.lstrip(),
    "kumo.string.trim_end": lambda _vm, text: text.rstrip(),
    "kumo.string.eval_template": eval_template,
}
