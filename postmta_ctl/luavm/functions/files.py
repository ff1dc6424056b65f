"""``kumo.fs``: reading files and folders."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from glob import glob
from os import stat_result
from pathlib import Path
from typing import TYPE_CHECKING

from postmta_ctl.luavm.errors import LuaProblem, not_simulated
from postmta_ctl.luavm.functions.times import Time
from postmta_ctl.luavm.keysource import read_file
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.clock import Clock
    from postmta_ctl.luavm.vm import Vm

_WHENCE = {"set": io.SEEK_SET, "cur": io.SEEK_CUR, "end": io.SEEK_END}


class File(Userdata):
    """A file open for reading."""

    lua_type = "File"

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def lua_read(self, _vm: Vm, n: int | None) -> bytes:
        """``n`` bytes, or the rest."""
        return self._stream.read(-1 if n is None else n)

    def lua_seek(self, _vm: Vm, whence: str | None, offset: int | None) -> int:
        """Move, and tell where it is now."""
        if whence is not None and whence not in _WHENCE:
            raise LuaProblem("bad_value", f"{whence!r} is none of set, cur, end", "whence")
        return self._stream.seek(offset or 0, _WHENCE[whence or "cur"])

    def lua_flush(self, _vm: Vm) -> None:
        """Nothing was written."""

    def lua_close(self, *_vm: Vm) -> None:
        """Close it."""
        self._stream.close()


class FsMetadata(Userdata):
    """What the file system says of a path."""

    lua_type = "FsMetadata"

    def __init__(self, status: stat_result, clock: Clock) -> None:
        self._status = status
        self._clock = clock

    def _field(self, name: str) -> object:
        mode = self._status.st_mode
        tests = {"is_file": stat.S_ISREG, "is_dir": stat.S_ISDIR, "is_symlink": stat.S_ISLNK}
        if name in tests:
            return tests[name](mode)
        if name in ("atime", "mtime", "ctime"):
            return Time(datetime.fromtimestamp(getattr(self._status, f"st_{name}"), UTC), self._clock)
        if name == "readonly":
            return not mode & 0o222
        return getattr(self._status, "st_size" if name in ("len", "size") else f"st_{name}")


def open_file(_vm: Vm, name: str, mode: str | None) -> File:
    """A file for reading; nothing is written from here."""
    if (mode or "r").removesuffix("b") != "r":
        raise not_simulated("writing files")
    return File(read_file(name))


def read_dir(_vm: Vm, path: str) -> list[str]:
    """The paths in a folder."""
    try:
        return sorted(map(str, Path(path).iterdir()))
    except OSError as error:
        raise LuaProblem("file_error", f"cannot read {path}: {error.strerror}") from error


def find(_vm: Vm, pattern: str, relative_to: str | None, *_ttl: object) -> list[str]:
    """The paths that a pattern matches."""
    return sorted(glob(pattern, root_dir=relative_to, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


def _metadata(*, follow: bool) -> Callable[[Vm, str], FsMetadata]:
    def read(vm: Vm, path: str) -> FsMetadata:
        try:
            return FsMetadata(Path(path).stat(follow_symlinks=follow), vm.node.clock)
        except OSError as error:
            raise LuaProblem("file_error", f"cannot look at {path}: {error.strerror}") from error

    return read


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.fs.open": open_file,
    "kumo.fs.read_dir": read_dir,
    "kumo.fs.glob": find,
    "kumo.fs.uncached_glob": find,
    "kumo.fs.metadata_for_path": _metadata(follow=True),
    "kumo.fs.symlink_metadata_for_path": _metadata(follow=False),
}
