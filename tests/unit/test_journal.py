"""Lines that are kept at once and worked off later."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.journal import Journal


def drained(journal: Journal, octets: int = 100) -> list[bytes]:
    found: list[bytes] = []
    while lines := journal.oldest(octets):
        found += lines
        journal.done(lines)
    return found


@given(
    st.lists(st.one_of(st.binary(max_size=300).map(bytes.hex).map(str.encode), st.none()), max_size=40),
    st.integers(1, 500),
)
def test_every_line_comes_once_and_in_order(steps: list[bytes | None], octets: int) -> None:
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"journal-{os.getpid()}"
    journal = Journal(folder)
    found: list[bytes] = []
    for step in steps:
        if step is not None:
            journal.append(step)
        elif lines := journal.oldest(octets):
            found += lines
            journal.done(lines)
    assert found + drained(journal, octets) == [step for step in steps if step is not None]
    assert list(folder.glob("*")) == []
    journal.close()


def test_what_was_not_worked_off_comes_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(b"one")
    assert journal.oldest(10) == journal.oldest(10) == [b"one"]
    journal.append(b"two")
    assert drained(journal) == [b"one", b"two"]


def test_lines_of_a_process_that_is_gone_are_taken_over_by_one(tmp_path: Path) -> None:
    gone, one, other = Journal(tmp_path), Journal(tmp_path), Journal(tmp_path)
    gone.append(b"first")
    assert one.oldest(10) == []
    gone.close()
    assert one.oldest(10) == [b"first"]
    assert other.oldest(10) == []
    assert drained(one) == [b"first"]
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "0.lines").write_bytes(b"whole\nhal")
    assert drained(Journal(tmp_path)) == [b"whole"]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_no_larger_than(octets: int) -> Iterator[None]:
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_line_that_does_not_fit_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with files_no_larger_than(12):
        journal.append(b"first")
        with pytest.raises(OSError, match="not written whole"):
            journal.append(b"too long")
        journal.append(b"next")
    assert drained(journal) == [b"first", b"next"]


def test_lines_are_nobody_elses_business(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "fetches")
    journal.append(b"bob@example.org")
    (segment,) = (tmp_path / "fetches").iterdir()
    assert (segment.parent.stat().st_mode & 0o777, segment.stat().st_mode & 0o777) == (0o700, 0o600)
    journal.sync()
    journal.close()
