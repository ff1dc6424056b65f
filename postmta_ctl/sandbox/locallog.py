"""Local logs: JSON lines in zstd segments, named by the second in which they began (KumoMTA, ``configure_local_logs``).

A segment is readable by others as far as its last flush; when it is finished it loses its write bit, which is how
KumoMTA tells readers that nothing will follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from postmta_ctl.sandbox.durations import SECOND


class LocalLog:
    """One log directory.

    Args:
        directory: made when it does not exist.
        segment_span: nanoseconds after which a segment is closed; None: never.
        max_size: bytes of JSON after which a segment is closed.
        suffix: end of the file names.
    """

    def __init__(self, directory: Path, *, segment_span: int | None, max_size: int, suffix: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._span = segment_span
        self._max_size = max_size
        self._suffix = suffix
        self._segment: _Segment | None = None

    def write(self, lines: Iterable[bytes], now: int) -> None:
        """Append lines, each ending in a newline, and flush them to the operating system."""
        self.rotate(now)
        for line in lines:
            if self._segment is None:
                self._segment = _Segment(self.directory, self._suffix, now)
            self._segment.write(line)
        if self._segment is not None:
            self._segment.flush()

    def newest(self) -> set[bytes]:
        """The lines of the newest segment, as far as they are whole."""
        segments = sorted(self.directory.glob(f"*{self._suffix}"))
        if not segments:
            return set()
        with segments[-1].open("rb") as file:
            return set(zstandard.ZstdDecompressor().stream_reader(file).read().splitlines(keepends=True))

    def rotate(self, now: int) -> None:
        """Close the segment when its time or its size is used up."""
        segment = self._segment
        if segment is None:
            return
        if segment.size >= self._max_size or (self._span is not None and now - segment.began >= self._span):
            self.close()

    def close(self) -> None:
        """Finish the open segment."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None


class _Segment:
    """An open file."""

    def __init__(self, directory: Path, suffix: str, now: int) -> None:
        self.began = now
        self.size = 0
        whole, fraction = divmod(now, SECOND)
        name = f"{datetime.fromtimestamp(whole, UTC):%Y%m%d-%H%M%S}.{fraction:09}{suffix}"
        self._path = directory / name
        self._file = self._path.open("xb")
        self._writer = zstandard.ZstdCompressor().stream_writer(self._file)

    def write(self, line: bytes) -> None:
        self._writer.write(line)
        self.size += len(line)

    def flush(self) -> None:
        self._writer.flush(zstandard.FLUSH_BLOCK)
        self._file.flush()

    def close(self) -> None:
        self._writer.close()  # type: ignore[no-untyped-call]
        self._file.close()
        self._path.chmod(0o444)
