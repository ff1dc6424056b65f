"""Which files an import reads, and which it must not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from postmta_ctl.core.errors import InputError
from postmta_ctl.features.importing.files import Files
from postmta_ctl.importing.files import MAX_FILE


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a configuration in it, and a secret beside it."""
    (tmp_path / "etc" / "inner").mkdir(parents=True)
    (tmp_path / "etc" / "config").write_text("main")
    (tmp_path / "etc" / "inner" / "more").write_text("more")
    (tmp_path / "secret").write_text("secret")
    return tmp_path


def test_files_of_the_folder_are_read_by_any_path(place: Path) -> None:
    files = Files(place / "etc")
    assert files.read("config") == ("config", b"main")
    assert files.read("inner/more", beside="config") == ("inner/more", b"more")
    assert files.read("../config", beside="inner/more") == ("config", b"main")
    assert files.read(str(place / "etc" / "config")) == ("config", b"main")


@pytest.mark.parametrize("path", ["../secret", "inner/../../secret", "{place}/secret", "link", "linked/secret"])
def test_nothing_outside_the_folder_is_read(place: Path, path: str) -> None:
    (place / "etc" / "link").symlink_to(place / "secret")
    (place / "etc" / "linked").symlink_to(place)
    with pytest.raises(InputError) as refused:
        Files(place / "etc").read(path.format(place=place))
    assert refused.value.code == "file_outside"


def test_absolute_paths_are_looked_up_below_the_root(place: Path) -> None:
    files = Files(place / "etc", root=place)
    assert files.read("/secret") == ("/secret", b"secret")
    with pytest.raises(InputError):
        files.read("/../../etc/hostname")


@pytest.mark.parametrize("path", ["nowhere", "inner", "pipe", "nul\0", "x" * 5000, "loop", ""])
def test_what_is_no_file_is_not_read(place: Path, path: str) -> None:
    os.mkfifo(place / "etc" / "pipe")
    (place / "etc" / "loop").symlink_to("loop")
    with pytest.raises(InputError) as refused:
        Files(place / "etc").read(path)
    assert refused.value.code == "file_unreadable"


def test_a_huge_file_is_not_read(place: Path) -> None:
    with (place / "etc" / "huge").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    with pytest.raises(InputError) as refused:
        Files(place / "etc").read("huge")
    assert refused.value.code == "file_too_large"


def test_names_leave_out_what_is_hidden(place: Path) -> None:
    (place / "etc" / ".git").mkdir()
    assert Files(place / "etc").names() == [("config", False), ("inner", True)]
