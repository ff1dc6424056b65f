"""How far long work is: the work tells its steps, and whoever waits for it shows them; nobody need wait.

The listener is of the context, so that what tells and who shows need not know each other, and two works that run
side by side are not mixed up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, float], None]
"""Is told the name of a step, and which part of it is done, up to 1."""
_LISTENER: ContextVar[Listener | None] = ContextVar("postmta_progress", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Have a listener told of the steps of what is done in the block, also in threads and tasks begun there."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def reached(step: str, done: int = 1, total: int = 1) -> None:
    """Tell that a step is through, or so much of it."""
    if listener := _LISTENER.get():
        listener(step, done / total if total else 1.0)
