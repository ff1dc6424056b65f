"""Private keys on a node: written once, replaced when made anew, removed when no longer wanted."""

from __future__ import annotations

from pathlib import Path

from postmta_ctl.compiler.node_files import KeyFile, key_path
from postmta_ctl.features.nodes import key_files

ONE, TWO = KeyFile("a.test", "s1", "1"), KeyFile("b.test", "s1", "2")


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    assert key_files.missing(tmp_path, {ONE, TWO}) == [ONE, TWO]
    key_files.write(tmp_path, {ONE: b"pem"}, None)
    assert key_files.missing(tmp_path, {ONE, TWO}) == [TWO]
    assert key_path(tmp_path, ONE).read_bytes() == b"pem"


def test_a_key_made_anew_under_the_same_name_is_missing(tmp_path: Path) -> None:
    anew = ONE._replace(key_id="9")
    key_files.write(tmp_path, {ONE: b"pem"}, None)
    assert key_files.missing(tmp_path, {anew}) == [anew]
    key_files.write(tmp_path, {anew: b"other"}, None)
    assert key_files.missing(tmp_path, {anew}) == []
    assert key_path(tmp_path, anew).read_bytes() == b"other"
    assert key_path(tmp_path, ONE).read_bytes() == b"pem", "a node may sign by it until it runs the next release"


def test_a_key_whose_file_is_gone_is_missing(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem"}, None)
    key_path(tmp_path, ONE).unlink()
    assert key_files.missing(tmp_path, {ONE}) == [ONE]


def test_only_keys_that_were_written_here_are_removed(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem", TWO: b"pem"}, None)
    by_hand = tmp_path / "keys/b.test/mine.key"
    by_hand.write_bytes(b"mine")
    key_files.remove_others(tmp_path, {ONE}, None)
    assert key_path(tmp_path, ONE).exists()
    assert not key_path(tmp_path, TWO).exists()
    assert by_hand.exists()
    assert key_files.missing(tmp_path, {ONE, TWO}) == [TWO]


def test_named_keys_are_removed_and_no_other(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem", TWO: b"pem"}, None)
    key_files.remove(tmp_path, {TWO, KeyFile("c.test", "s1", "3")}, None)
    assert key_files.missing(tmp_path, {ONE, TWO}) == [TWO]
    key_files.remove(tmp_path / "a folder that never was", {TWO}, None)


def test_keys_of_domains_that_did_not_change_are_left_alone(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem", TWO: b"pem"}, None)
    key_files.remove_others(tmp_path, (), None, domains=[ONE.domain])
    assert key_files.missing(tmp_path, {ONE, TWO}) == [ONE]


def test_the_index_holds_no_key_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"-----BEGIN"}, None)
    [index] = (tmp_path / "keys.index").iterdir()
    assert b"BEGIN" not in index.read_bytes()
    assert index.stat().st_mode & 0o777 == 0o600
