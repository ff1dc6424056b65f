"""Every code that an error can have, found in the source: those of classes, and those given where an error is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

from postmta_ctl import errors
from postmta_ctl.errors import ConfigurationError, PostMTAError

PACKAGE = Path(errors.__file__).parent
OF_A_FIELD = frozenset({"of", "refuse", "FieldError"})
"""What is called with the code of a field; classes of errors are called with one of the whole answer."""


class Raised(msgspec.Struct, frozen=True, order=True):
    """A code that is given where the error is made."""

    code: str
    status: int
    """Of the answer; 0: it is the code of a field."""
    words: str
    """As written in the source, with ``…`` for what is filled in."""


def classes() -> list[type[PostMTAError]]:
    """Classes of errors that callers meet, by status."""
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, PostMTAError)]
    return sorted((one for one in found if one is not ConfigurationError), key=lambda one: (one.status, one.code))


def raised() -> list[Raised]:
    """Every code that stands in a call, once, with the first words it is given with."""
    found: dict[tuple[str, bool], Raised] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("agent", "cli", "client", "sandbox", "luavm"):
            for one in _calls(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault((one.code, bool(one.status)), one)
    known = {kind.code for kind in classes()}
    return sorted(one for one in found.values() if not (one.status and one.code in known))


def _calls(tree: ast.AST) -> Iterator[Raised]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (one := _read(node)):
            yield one


def _read(call: ast.Call) -> Raised | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "InputError" and len(call.args) > 1:
        return _made(call.args[0], 0, call.args[1])
    code = next((one.value for one in call.keywords if one.arg == "code"), None)
    message = next((one.value for one in call.keywords if one.arg == "message"), None)
    if code is None:
        return None
    if name in OF_A_FIELD:
        return _made(code, 0, message or (call.args[1] if len(call.args) > 1 else None))
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, PostMTAError):
        return _made(code, kind.status, call.args[0] if call.args else None)
    return None


def _made(code: ast.expr, status: int, words: ast.expr | None) -> Raised | None:
    if not isinstance(code, ast.Constant) or not isinstance(code.value, str):
        return None
    return Raised(code.value, status, _words(words))


def _words(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(one) if isinstance(one, ast.Constant) else "…" for one in node.values)
    if isinstance(node, ast.BinOp):
        return _words(node.left) + _words(node.right)
    return ""
