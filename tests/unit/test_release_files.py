"""Releases in a node's policy folder: whole, shared, pruned, and never changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postmta_ctl.compiler.bundle import Bundle, read_manifest
from postmta_ctl.compiler.node_files import current_release, switch_release
from postmta_ctl.features.nodes import release_files
from postmta_ctl.features.nodes.release_files import KEPT, ReleaseChanged, prune, put_release

NOW = datetime.now(UTC)


def bundle(**files: bytes) -> Bundle:
    return Bundle.of({"init.lua": b"return 1\n", "data/domains/0000.json": b"{}\n"} | files)


def publish(folder: Path, number: int, what: Bundle) -> Path:
    name = put_release(folder, number, what)
    switch_release(folder, name)
    return folder / "releases" / name


def test_a_release_lies_there_as_rendered(tmp_path: Path) -> None:
    folder = publish(tmp_path, 7, bundle())
    assert folder.name == f"000007-{bundle().digest[:12]}"
    assert Bundle.read(folder) == bundle()
    assert read_manifest(folder).release == 7
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_any_user_may_read_a_release_and_none_may_write(tmp_path: Path) -> None:
    earlier = os.umask(0o077)
    try:
        folder = publish(tmp_path, 1, bundle())
    finally:
        os.umask(earlier)
    for path in [tmp_path / "releases", folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o444), path


def test_unchanged_files_are_shared_with_the_release_before(tmp_path: Path) -> None:
    first = publish(tmp_path, 1, bundle())
    second = publish(tmp_path, 2, bundle(**{"init.lua": b"return 2\n"}))
    shared, changed = "data/domains/0000.json", "init.lua"
    assert (first / shared).samefile(second / shared)
    assert not (first / changed).samefile(second / changed)
    assert (first / changed).read_bytes() == b"return 1\n"


def test_a_file_that_was_edited_is_not_shared(tmp_path: Path) -> None:
    first = publish(tmp_path, 1, bundle())
    (first / "data/domains/0000.json").chmod(0o644)
    (first / "data/domains/0000.json").write_bytes(b"by hand")
    assert Bundle.read(publish(tmp_path, 2, bundle(**{"x.lua": b""}))) == bundle(**{"x.lua": b""})


def test_without_hard_links_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, 1, bundle())

    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert Bundle.read(publish(tmp_path, 2, bundle())) == bundle()


def test_putting_a_release_twice_changes_nothing(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, bundle())
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert put_release(tmp_path, 1, bundle()) == folder.name
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


@pytest.mark.parametrize("edit", ["change", "add", "remove", "manifest"])
def test_a_release_that_was_edited_is_reported_and_left_alone(tmp_path: Path, edit: str) -> None:
    folder = publish(tmp_path, 1, bundle())
    if edit == "remove":
        (folder / "init.lua").unlink()
    else:
        name = {"change": "init.lua", "add": "more.lua", "manifest": "manifest.json"}[edit]
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text("by hand")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ReleaseChanged, match="by hand"):
        put_release(tmp_path, 1, bundle())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_a_killed_publication_left_is_removed(tmp_path: Path) -> None:
    half = tmp_path / "releases/.000002-0123456789ab/generated"
    half.mkdir(parents=True)
    (half / "pools.lua").write_text("ret")
    publish(tmp_path, 1, bundle())
    assert [path.name[:6] for path in (tmp_path / "releases").iterdir()] == ["000001"]


def test_the_newest_releases_are_kept_and_what_is_not_ours(tmp_path: Path) -> None:
    for number in range(1, KEPT + 6):
        publish(tmp_path, number, bundle(**{"n.lua": str(number).encode()}))
    (tmp_path / "releases/notes").mkdir()
    prune(tmp_path, now=NOW + timedelta(days=1))
    names = sorted(path.name for path in (tmp_path / "releases").iterdir())
    assert [name.partition("-")[0] for name in names] == [f"{n:06d}" for n in range(6, KEPT + 6)] + ["notes"]


def test_the_running_release_is_kept_however_old(tmp_path: Path) -> None:
    first = publish(tmp_path, 1, bundle())
    for number in range(2, KEPT + 6):
        put_release(tmp_path, number, bundle(**{"n.lua": str(number).encode()}))
    prune(tmp_path, now=NOW + timedelta(days=1))
    assert first.is_dir()
    assert current_release(tmp_path) == first.name


def test_what_is_younger_than_so_many_days_is_kept_beside_the_newest(tmp_path: Path) -> None:
    for number, days in ((1, 40.0), (2, 20.0), (3, 10.0), (4, 0.0)):
        folder = publish(tmp_path, number, bundle(**{"n.lua": str(number).encode()}))
        written = (NOW - timedelta(days=days)).timestamp()
        os.utime(folder / "manifest.json", (written, written))
    prune(tmp_path, kept=2, days=30.0, now=NOW)
    assert sorted(path.name[:6] for path in (tmp_path / "releases").iterdir()) == ["000002", "000003", "000004"]
    prune(tmp_path, kept=2, days=5.0, now=NOW)
    assert sorted(path.name[:6] for path in (tmp_path / "releases").iterdir()) == ["000003", "000004"]


PUBLISH_FOR_EVER = """
import datetime, itertools, pathlib, sys
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.node_files import switch_release
from postmta_ctl.features.nodes.release_files import prune, put_release

folder = pathlib.Path(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    files = {f"data/{n:04x}.json": b"%d" % (number if n % 2 else 0) for n in range(40)}
    switch_release(folder, put_release(folder, number, Bundle.of(files)))
    prune(folder, now=datetime.datetime.now(datetime.UTC))
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_the_old_release_or_the_new_one(tmp_path: Path) -> None:
    number = 1
    for turn in range(12):
        arguments = [sys.executable, "-c", PUBLISH_FOR_EVER, str(tmp_path), str(number)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.003 * turn)
            process.send_signal(signal.SIGKILL)
            said = [number, *(int(line) for line in process.stdout if line.strip().isdigit())]
        name = current_release(tmp_path)
        assert name is not None
        folder = tmp_path / "releases" / name
        manifest = read_manifest(folder)
        assert Bundle.read(folder).digest == manifest.digest
        assert manifest.release in (said[-1], said[-1] + 1)
        number = manifest.release + 1
    assert number > release_files.KEPT, "the loop was killed before it published anything worth a test"
