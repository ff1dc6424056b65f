"""Where the files lie that are no Python: the Jinja templates and the hand-written Lua of the policy, and the guide."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder of Jinja templates that a bundle's generated files come from."""
    return _find("templates")


def policy_dir() -> Path:
    """The folder of Lua modules that every bundle carries verbatim as ``postmta/``."""
    return _find("kumo_policy")


def guide_dir() -> Path:
    """The folder of Markdown pages that ``/docs/guide`` shows."""
    return _find("docs")


def _find(name: str) -> Path:
    """In an installed package inside it, in a checkout beside it."""
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}: neither in the package {_PACKAGE} nor beside it")
