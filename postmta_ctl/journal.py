"""Lines that are kept at once and worked off later.

A line is handed to the operating system before ``append`` returns, so it outlives the process, whenever that is
killed; ``sync`` brings lines to durable storage, so that they outlive a failure of power as well. Lines stand in
segments, files of their own: one grows while the one before is worked off and removed. Each is locked by the process
that made it, and those of a process that is gone are taken over by whichever finds them first.

Lines may come a second time after a kill. Whoever works them off knows them by a key that is in them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections import deque
from pathlib import Path

SUFFIX = ".lines"
_NEW = ".new"
"""Of segments that are not locked yet, so that nobody takes them over."""


class _Segment:
    """A file that this process has locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.done = 0
        """Octets that were worked off."""

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Journal:
    """The lines of one process, and those it took over.

    Args:
        folder: Where the segments stand; made when the first line comes. Processes on one machine may share it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._growing: _Segment | None = None
        self._waiting: deque[_Segment] = deque()

    def append(self, line: bytes) -> None:
        """Keep a line.

        Args:
            line: Without a line feed.

        Raises:
            OSError: It is not kept; the disk is full, say.
        """
        growing = self._growing = self._growing or self._begin()
        if os.write(growing.descriptor, line + b"\n") <= len(line):
            # What was written of it would spoil the next line.
            self._seal()
            raise OSError(f"{growing.path.name}: the line was not written whole")

    def oldest(self, octets: int) -> list[bytes]:
        """Lines that were not worked off yet, from the oldest segment; none if there are none.

        Args:
            octets: About how much of them; a line at least.
        """
        while (segment := self._oldest()) is not None:
            if lines := _lines(segment, octets):
                return lines
            self._waiting.popleft().remove()
        return []

    def done(self, lines: list[bytes]) -> None:
        """Forget lines as ``oldest`` gave them."""
        self._waiting[0].done += sum(map(len, lines)) + len(lines)

    def sync(self) -> None:
        """Bring what was appended to durable storage; for a thread of its own, since it takes time."""
        if (growing := self._growing) is not None:
            os.fdatasync(growing.descriptor)

    def close(self) -> None:
        """Leave what is not worked off to whoever comes next."""
        self._seal()
        while self._waiting:
            os.close(self._waiting.popleft().descriptor)

    def _oldest(self) -> _Segment | None:
        if not self._waiting:
            self._take_over()
            self._seal()
        return self._waiting[0] if self._waiting else None

    def _begin(self) -> _Segment:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Names are not read: which segment is older matters to nobody.
        new = self._folder / f"{secrets.token_hex(8)}{_NEW}"
        descriptor = os.open(new, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return _Segment(new.rename(new.with_suffix(SUFFIX)), descriptor)

    def _seal(self) -> None:
        if self._growing is not None:
            self._waiting.append(self._growing)
            self._growing = None

    def _take_over(self) -> None:
        own = {self._growing.path} if self._growing else set()
        for path in sorted(set(self._folder.glob(f"*{SUFFIX}")) - own):
            if (segment := _locked(path)) is not None:
                self._waiting.append(segment)


def _lines(segment: _Segment, octets: int) -> list[bytes]:
    """The next whole lines; what a failure of power cut short at the end of the file is none."""
    while True:
        found = os.pread(segment.descriptor, octets, segment.done)
        lines = found.split(b"\n")[:-1]
        if lines or len(found) < octets:
            return lines
        octets *= 2


def _locked(path: Path) -> _Segment | None:
    """The segment, if its process is gone and nobody else was quicker."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_nlink == 0:  # removed between opening and locking
        os.close(descriptor)
        return None
    return _Segment(path, descriptor)
