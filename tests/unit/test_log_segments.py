"""KumoMTA's local log segments, whole and as a crash leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.ingest.importer import read_lines

RECORDS = [b'{"type":"Reception","id":"%d"}' % number for number in range(5)]


def written(path: Path, *, finished: bool, half: bytes = b"") -> Path:
    """A segment with all records flushed, and then ``half`` of one more."""
    with path.open("wb") as file:
        writer = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        writer.write(b"".join(record + b"\n" for record in RECORDS) + half)
        writer.flush(zstandard.FLUSH_FRAME if finished else zstandard.FLUSH_BLOCK)
    return path


def test_a_finished_segment_has_its_lines(tmp_path: Path) -> None:
    assert list(read_lines(written(tmp_path / "log", finished=True))) == RECORDS


def test_a_segment_that_is_still_written_has_what_was_flushed(tmp_path: Path) -> None:
    assert list(read_lines(written(tmp_path / "log", finished=False))) == RECORDS


@pytest.mark.parametrize("finished", [True, False])
def test_half_a_line_at_the_end_is_no_record(tmp_path: Path, finished: bool) -> None:
    assert list(read_lines(written(tmp_path / "log", finished=finished, half=b'{"type":"Del'))) == RECORDS


def test_a_segment_cut_off_anywhere_has_a_beginning_of_its_lines(tmp_path: Path) -> None:
    whole = written(tmp_path / "log", finished=True).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        found = list(read_lines(tmp_path / "cut"))
        assert found == RECORDS[: len(found)]


def test_what_is_no_segment_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"not compressed at all")
    with pytest.raises(InvalidRequest, match="log"):
        list(read_lines(tmp_path / "log"))
