"""Unpacking of compressed streams up to a limit, whatever their headers claim."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

_MAX_STREAMS = 100
_LZMA_MEMORY = 64 * 1024 * 1024
_ZSTD_WINDOW = 8 * 1024 * 1024


class DamagedStream(Exception):
    """It cannot be unpacked, as a whole or from some place on."""


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


_MAKERS: dict[str, Callable[[], _Decompressor]] = {
    "application/gzip": lambda: zlib.decompressobj(31),
    "application/x-bzip2": bz2.BZ2Decompressor,
    "application/x-xz": lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY),
}
KINDS = frozenset({*_MAKERS, "application/zstd"})
"""Media types that :func:`unpack` takes."""


def unpack(kind: str, data: bytes, limit: int) -> bytes:
    """All that a compressed file holds, but no more than ``limit + 1`` octets: one more than the limit tells of more.

    Raises:
        DamagedStream: It is none, or broken.
    """
    try:
        if kind == "application/zstd":
            return _unpack_zstd(data, limit)
        return _unpack_streams(_MAKERS[kind], data, limit)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError) as error:
        raise DamagedStream(str(error)) from None


def inflate(data: bytes, limit: int) -> bytes:
    """A raw deflate stream (RFC 1951), no more than ``limit + 1`` octets of it.

    Raises:
        DamagedStream: It is none, or broken.
    """
    try:
        return zlib.decompressobj(-15).decompress(data, limit + 1)
    except zlib.error as error:
        raise DamagedStream(str(error)) from None


def _unpack_streams(make: Callable[[], _Decompressor], data: bytes, limit: int) -> bytes:
    """Several streams may follow each other in a file (RFC 1952 §2.2); what is no stream after the first is ignored."""
    found, magic = io.BytesIO(), data[:2]
    for _ in range(_MAX_STREAMS):
        decompressor = make()
        found.write(decompressor.decompress(data, limit + 1 - found.tell()))
        if found.tell() > limit:
            return found.getvalue()
        if not decompressor.eof:
            raise DamagedStream("it ends too early")
        data = decompressor.unused_data
        if not data.startswith(magic):
            return found.getvalue()
    raise DamagedStream(f"it has more than {_MAX_STREAMS} streams")


def _unpack_zstd(data: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    with decompressor.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        return reader.read(limit + 1)
