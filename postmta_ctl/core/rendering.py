"""Message templates: Jinja2 in a sandbox, and of its language only what cannot run for long.

Anybody with a key writes templates, so what they may contain is a list of what is allowed, held against the parsed
template before anything runs: values, a few filters that do not multiply text, conditions, and loops that are not
within each other, over a list that was given. There are no calls, no arithmetic, no assignments, no inclusion. Values
are plain JSON of bounded size, and only their own members can be reached. So the time is bounded by the number of
nodes times the length of the longest list; what filters read is metered, and the output is cut off at a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, TemplateRuntimeError, UndefinedError, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from postmta_ctl.core.errors import InputError

MAX_SOURCE = 256 * 1024
"""Characters of one part of a template."""
MAX_NODES = 2000
"""Nodes of its syntax tree, text between two expressions counting as one."""
MAX_LIST = 100
"""Entries of a list among the variables: what a loop can go through."""
MAX_VARIABLES = 64 * 1024
"""Octets of all variables as JSON."""
MAX_DEPTH = 8
MAX_OUTPUT = 1024 * 1024
"""Characters of what is rendered."""

MAX_FILTERED = 4 * 1024 * 1024
"""Characters that all filters of one part read together."""

FILTERS = frozenset({"capitalize", "default", "escape", "e", "first", "join", "last", "length", "lower", "round"})
FILTERS |= {"title", "trim", "truncate", "upper", "urlencode"}
_METER: ContextVar[list[int] | None] = ContextVar("characters read by filters", default=None)
TESTS = frozenset({"defined", "undefined", "none", "true", "false"})
_OF_LOOPS = frozenset({"index", "index0", "first", "last", "length"})
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})
"""Names that stand for things of Jinja's own."""
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.For,
    nodes.Keyword,
)
_NAMES = {nodes.Call: "calls", nodes.Assign: "set", nodes.Macro: "macros", nodes.Include: "include"}


class _Environment(ImmutableSandboxedEnvironment):
    """Reaches the members of JSON objects and lists, and nothing of Python's."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, list) and type(argument) is int and -len(obj) <= argument < len(obj):
            return obj[argument]
        if isinstance(obj, LoopContext) and argument in _OF_LOOPS:
            return getattr(obj, str(argument))
        return self.undefined(obj=obj, name=argument)


def _metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which fails once all of them have read more than their share."""

    @wraps(function)  # takes along the marks by which Jinja knows what to pass
    def metered(*arguments: Any, **named: Any) -> Any:
        meter = _METER.get()
        if meter is not None:
            meter[0] += sum(_length(one) for one in arguments)
            if meter[0] > MAX_FILTERED:
                raise TemplateRuntimeError(f"its filters would read more than {MAX_FILTERED} characters")
        return function(*arguments, **named)

    return metered


def _length(value: Any) -> int:
    if isinstance(value, list):
        return sum(_length(one) for one in value)
    return len(value) if isinstance(value, str) else 1


def _environment(*, is_html: bool) -> _Environment:
    made = _Environment(autoescape=is_html, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    made.globals.clear()
    made.filters = {name: _metered(made.filters[name]) for name in FILTERS}
    made.tests = {name: made.tests[name] for name in TESTS}
    return made


_TEXT, _HTML = _environment(is_html=False), _environment(is_html=True)


def check_source(field: str, source: str, *, is_html: bool = False) -> None:
    """Check one part of a template.

    Raises:
        InputError: ``template_too_large``, ``template_syntax`` or ``template_not_allowed``, at ``field``.
    """
    if len(source) > MAX_SOURCE:
        raise InputError("template_too_large", f"more than {MAX_SOURCE} characters", field=field)
    try:
        tree = (_HTML if is_html else _TEXT).parse(source)
    except (TemplateError, RecursionError) as error:
        raise InputError("template_syntax", _words(error), field=field) from None
    problem = next(_problems(tree), None)
    if problem is not None:
        raise InputError("template_not_allowed", problem, field=field)


def check_variables(variables: Mapping[str, Any]) -> None:
    """Check the values for a template.

    Raises:
        InputError: ``variables_too_large``.
    """
    if len(msgspec.json.encode(variables)) > MAX_VARIABLES:
        raise InputError("variables_too_large", f"more than {MAX_VARIABLES} octets as JSON", field="variables")
    _check_value(variables, 1)


def render(field: str, source: str, variables: Mapping[str, Any], *, is_html: bool = False) -> str:
    """Fill in one part of a checked template; in HTML every value is escaped.

    Raises:
        InputError: ``variable_missing``, ``template_failed`` or ``template_output_too_large``, at ``field``.
    """
    pieces: list[str] = []
    size = 0
    token = _METER.set([0])
    try:
        for piece in _compiled(source, is_html).generate(dict(variables)):
            size += len(piece)
            if size > MAX_OUTPUT:
                raise InputError("template_output_too_large", f"more than {MAX_OUTPUT} characters", field=field)
            pieces.append(piece)
    except TemplateError as error:
        code = "variable_missing" if isinstance(error, UndefinedError) else "template_failed"
        raise InputError(code, _words(error), field=field) from None
    except (TypeError, ValueError, OverflowError, LookupError, AttributeError, AssertionError) as error:
        # A filter that was given what it cannot work on; some of Jinja's complain by assertion.
        raise InputError("template_failed", _words(error), field=field) from None
    finally:
        _METER.reset(token)
    return "".join(pieces)


@lru_cache(maxsize=256)
def _compiled(source: str, is_html: bool) -> Template:
    check_source("template", source, is_html=is_html)
    return (_HTML if is_html else _TEXT).from_string(source)


def _problems(tree: nodes.Template) -> Iterator[str]:
    for count, (node, loops) in enumerate(_walk(tree, 0)):
        if count > MAX_NODES:
            yield f"more than {MAX_NODES} expressions and pieces of text"
        if not isinstance(node, _ALLOWED):
            yield f"line {node.lineno}: {_NAMES.get(type(node), type(node).__name__.lower())} cannot be used"
        elif isinstance(node, nodes.Name) and node.name in _RESERVED:
            yield f"line {node.lineno}: {node.name} cannot be used"
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield f"line {node.lineno}: there is no filter {node.name}"
        elif isinstance(node, nodes.Test) and node.name not in TESTS:
            yield f"line {node.lineno}: there is no test {node.name}"
        elif isinstance(node, nodes.For) and (loops or node.recursive or not _is_path(node.iter)):
            yield f"line {node.lineno}: a loop goes over a list that was given, and holds no other loop"


def _walk(node: nodes.Node, loops: int) -> Iterator[tuple[nodes.Node, int]]:
    """All nodes, each with the number of loops around it. A deep tree takes memory and no recursion."""
    waiting = [(node, loops)]
    while waiting:
        one, around = waiting.pop()
        yield one, around
        inside = around + isinstance(one, nodes.For)
        waiting += [(child, inside) for child in one.iter_child_nodes()]


def _is_path(node: nodes.Node) -> bool:
    while isinstance(node, nodes.Getattr):
        node = node.node
    return isinstance(node, nodes.Name)


def _check_value(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError("variables_too_large", f"nested more than {MAX_DEPTH} deep", field="variables")
    if isinstance(value, list) and len(value) > MAX_LIST:
        raise InputError("variables_too_large", f"a list has more than {MAX_LIST} entries", field="variables")
    if isinstance(value, (list, Mapping)):
        for one in value.values() if isinstance(value, Mapping) else value:
            _check_value(one, depth + 1)


def _words(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__
