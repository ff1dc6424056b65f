"""Reading the files of a configuration, and none that are not its own."""

from __future__ import annotations

from pathlib import Path

from postmta_ctl.core.errors import InputError
from postmta_ctl.importing.files import MAX_FILE


class Files:
    """The files of a folder.

    A configuration may name any path, and it may come from anybody: so what is outside its own folder is not read,
    links included, unless the caller says by ``root`` where absolute paths are to be looked up.

    Args:
        folder: Of the configuration.
        root: What absolute paths are below; ``/`` on the machine that the configuration is of.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._root = root.resolve() if root else None
        self._read: dict[str, Path] = {}

    def names(self) -> list[tuple[str, bool]]:
        """What is in the folder, in the order of the names, but what is hidden."""
        found = (one for one in self._folder.iterdir() if not one.name.startswith("."))
        return sorted((one.name, one.is_dir()) for one in found)

    def read(self, path: str, *, beside: str = "") -> tuple[str, bytes]:
        """A file, and what it is called from now on: its path in the folder, or the one it was named by.

        Raises:
            InputError: It may not be read, is not there, or is too large.
        """
        beside_folder = self._read[beside].parent if beside else self._folder
        try:
            found = self._located(path, beside_folder)
            content = _content(found)
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("file_unreadable", "there is no such file that can be read") from None
        inside = found.is_relative_to(self._folder)
        name = str(found.relative_to(self._folder)) if inside else path
        self._read[name] = found
        return name, content

    def _located(self, path: str, beside: Path) -> Path:
        given = Path(path)
        if given.is_absolute() and self._root:
            given = self._root / given.relative_to(given.anchor)
        found = (beside / given).resolve(strict=True)
        allowed = (self._folder, self._root) if self._root else (self._folder,)
        if not any(found.is_relative_to(folder) for folder in allowed):
            message = "is outside the folder of the configuration; --root says where absolute paths are looked up"
            raise InputError("file_outside", message)
        return found


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise InputError("file_unreadable", "is no regular file")
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise InputError("file_too_large", f"is larger than {MAX_FILE} octets")
    return content
