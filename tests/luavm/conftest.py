"""A bundle written by the test itself, and a node that runs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.luavm import ManualClock, NodeRuntime, PolicyError, Vm

START = datetime(2026, 8, 4, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Callable[..., NodeRuntime]:
    """Write files (init.lua first) and make a node for them."""

    def make(init: str, files: dict[str, str] | None = None, **options: Any) -> NodeRuntime:
        for name, text in {"init.lua": f"local kumo = require 'kumo'\n{init}", **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return NodeRuntime(tmp_path, **{"clock": clock, **options})

    return make


@pytest.fixture
def load(node: Callable[..., NodeRuntime]) -> Callable[..., Vm]:
    """A context of such a node."""
    return lambda init, files=None, **options: node(init, files, **options).context()


@pytest.fixture
def run(load: Callable[..., Vm]) -> Callable[..., Any]:
    """Run Lua as the handler of an event and give back what it returns, as plain values."""

    def run(body: str, *args: object, event: str = "init", **options: Any) -> Any:
        vm = load(f"kumo.on('{event}', function(...)\n{body}\nend)", **options)
        answer = vm.fire(event, *args)
        return answer if isinstance(answer, Exception) else vm.to_plain(answer)

    return run


@pytest.fixture
def refusal(run: Callable[..., Any]) -> Callable[..., PolicyError]:
    """The error that a piece of Lua runs into; line 1 of the body is line 3 of init.lua."""

    def refusal(body: str, *args: object, **options: Any) -> PolicyError:
        with pytest.raises(PolicyError) as caught:
            run(body, *args, **options)
        return caught.value

    return refusal
