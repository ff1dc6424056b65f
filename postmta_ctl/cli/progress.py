"""Bars for work that takes long: on a terminal only, with an estimate of what is left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from postmta_ctl.progress import heard_by

Report = Callable[[int, int], None]
"""Is told how much is done, of how much."""


@contextmanager
def progress_of(what: str, *, unit: Literal["things", "octets"] = "things") -> Iterator[Report]:
    """A bar on the standard error while the block lasts, from the first report on."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    done_of_all = DownloadColumn() if unit == "octets" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), done_of_all, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield report


@contextmanager
def steps_of(what: str, shares: Mapping[str, int]) -> Iterator[None]:
    """A bar on the standard error for work that tells its steps (``postmta_ctl.progress``).

    Args:
        what: What is being done.
        shares: The steps, each with its share of the time.
    """
    if not sys.stderr.isatty():
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=sum(shares.values()))
        done = dict.fromkeys(shares, 0.0)

        def listen(step: str, part: float) -> None:
            if step in done:
                done[step] = shares[step] * part
                bar.update(task, completed=sum(done.values()))

        with heard_by(listen):
            yield


@contextmanager
def working(what: str) -> Iterator[None]:
    """The time that has passed, on the standard error while the block lasts: for work that cannot say how far it is."""
    if not sys.stderr.isatty():
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(what, total=None)
        yield
