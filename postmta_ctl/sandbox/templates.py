"""Templates of an injection: KumoMTA's own engine (minijinja), compiled once a request, rendered for each recipient.

HTML is escaped unless the template says ``|safe``. Values are inserted as they are: braces in them mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import minijinja

_HTML_FIELDS = frozenset(["html_body", "amp_html_body"])


class TemplateSyntaxError(Exception):
    """A template that cannot be compiled; the text names the field, as KumoMTA's answer does."""


class RenderError(Exception):
    """A template that fails for one recipient."""


class Templates:
    """The templates of one request, by field.

    Args:
        expand: False for the dialect ``Static``, where text is taken as it is.
    """

    def __init__(self, *, expand: bool) -> None:
        self._environment = minijinja.Environment() if expand else None
        self._sources: dict[str, str] = {}

    def add(self, field: str, source: str) -> None:
        """Compile the text of a field.

        Raises:
            TemplateSyntaxError: it is no template.
        """
        self._sources[field] = source
        if self._environment is None:
            return
        try:
            self._environment.add_template(_name(field), source)
        except minijinja.TemplateError as error:
            raise TemplateSyntaxError(_syntax_error(field, source, error)) from error

    def render(self, field: str, values: Mapping[str, Any]) -> str:
        """The text of a field for one recipient.

        Raises:
            RenderError: the template cannot do with these values.
        """
        if self._environment is None:
            return self._sources[field]
        try:
            return self._environment.render_template(_name(field), **values)
        except minijinja.TemplateError as error:
            raise RenderError(f"failed rendering field '{field}': {_short(error)}") from error


def _name(field: str) -> str:
    """Template names ending in ``.html`` are escaped."""
    return f"{field}.html" if field in _HTML_FIELDS else field


def _short(error: minijinja.TemplateError) -> str:
    return str(error).partition("\n")[0]


def _syntax_error(field: str, source: str, error: minijinja.TemplateError) -> str:
    lines = source.splitlines()
    number = error.line or 1
    line = lines[number - 1] if number <= len(lines) else ""
    reason = _short(error).rpartition(" (in ")[0] or _short(error)
    return f"failed parsing field '{field}' as template: {reason} (in template '{field}' line {number}: '{line}')"
