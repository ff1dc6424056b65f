"""Private keys on a node: written once, replaced when made anew, removed when no longer wanted."""

from __future__ import annotations

from pathlib import Path

from postmta_ctl.compiler.node_files import key_path
from postmta_ctl.features.nodes import key_files

ONE, TWO = ("a.test", "s1"), ("b.test", "s1")


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    assert key_files.missing(tmp_path, {ONE: "1", TWO: "2"}) == [ONE, TWO]
    key_files.write(tmp_path, {ONE: b"pem"}, {ONE: "1", TWO: "2"}, None)
    assert key_files.missing(tmp_path, {ONE: "1", TWO: "2"}) == [TWO]
    assert key_path(tmp_path, *ONE).read_bytes() == b"pem"


def test_a_key_made_anew_under_the_same_name_is_missing(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem"}, {ONE: "1"}, None)
    assert key_files.missing(tmp_path, {ONE: "9"}) == [ONE]
    key_files.write(tmp_path, {ONE: b"other"}, {ONE: "9"}, None)
    assert key_files.missing(tmp_path, {ONE: "9"}) == []
    assert key_path(tmp_path, *ONE).read_bytes() == b"other"


def test_a_key_whose_file_is_gone_is_missing(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem"}, {ONE: "1"}, None)
    key_path(tmp_path, *ONE).unlink()
    assert key_files.missing(tmp_path, {ONE: "1"}) == [ONE]


def test_only_keys_that_were_written_here_are_removed(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"pem", TWO: b"pem"}, {ONE: "1", TWO: "2"}, None)
    by_hand = key_path(tmp_path, "b.test", "mine")
    by_hand.write_bytes(b"mine")
    key_files.remove_others(tmp_path, {ONE: "1"}, None)
    assert key_path(tmp_path, *ONE).exists()
    assert not key_path(tmp_path, *TWO).exists()
    assert by_hand.exists()
    assert key_files.missing(tmp_path, {ONE: "1", TWO: "2"}) == [TWO]


def test_the_index_holds_no_key_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    key_files.write(tmp_path, {ONE: b"-----BEGIN"}, {ONE: "1"}, None)
    index = tmp_path / "keys.json"
    assert b"BEGIN" not in index.read_bytes()
    assert index.stat().st_mode & 0o777 == 0o600
