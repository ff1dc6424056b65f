"""Bundles as folders, and what lies between two of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from postmta_ctl.compiler.bundle import Bundle, change_class, diff, read_manifest
from postmta_ctl.compiler.model import Installation, Listener, Organization, PolicyModel, SendingDomain, VirtualMta
from postmta_ctl.compiler.names import shard_file, shard_of
from postmta_ctl.compiler.render import render

VMTA = VirtualMta(organization="acme", name="mx1", address="192.0.2.1", ehlo_domain="mx1.example")
MODEL = PolicyModel(
    installation=Installation(bounce_domain="bounce.example", http_listeners=(Listener(address="127.0.0.1:8000"),)),
    organizations=(Organization(slug="acme"),),
    vmtas=(VMTA,),
    domains=tuple(SendingDomain(name=f"d{number}.example", organization="acme") for number in range(200)),
)


def changed(**settings: object) -> PolicyModel:
    return msgspec.structs.replace(MODEL, installation=msgspec.structs.replace(MODEL.installation, **settings))


def test_a_bundle_comes_back_from_its_folder(tmp_path: Path) -> None:
    bundle = render(MODEL)
    bundle.write(tmp_path / "release", release=7)
    assert Bundle.read(tmp_path / "release") == bundle
    assert Bundle.read(tmp_path / "release").digest == bundle.digest
    assert read_manifest(tmp_path / "release") == bundle.manifest(7)


def test_the_manifest_names_release_and_every_file(tmp_path: Path) -> None:
    bundle = render(MODEL)
    bundle.write(tmp_path, release=7)
    written = msgspec.json.decode((tmp_path / "manifest.json").read_bytes())
    assert written.keys() == {"release", "digest", "files", "kumomta"}
    assert (written["release"], written["digest"], written["kumomta"]) == (7, bundle.digest, "2026.05.12")
    assert written["files"] == {
        path.relative_to(tmp_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_the_number_of_the_release_is_no_part_of_the_digest(tmp_path: Path) -> None:
    for release in (1, 2):
        render(MODEL).write(tmp_path / str(release), release)
    assert Bundle.read(tmp_path / "1").digest == Bundle.read(tmp_path / "2").digest


def test_a_changed_file_shows_in_the_digest(tmp_path: Path) -> None:
    bundle = render(MODEL)
    bundle.write(tmp_path, release=1)
    (tmp_path / "generated/pools.lua").write_text("return {}\n")
    assert Bundle.read(tmp_path).digest != bundle.digest


def test_swapped_files_show_in_the_digest() -> None:
    assert Bundle.of({"a": b"1", "b": b"2"}).digest != Bundle.of({"a": b"2", "b": b"1"}).digest


def test_a_release_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "init.lua").write_text("-- mine")
    with pytest.raises(FileExistsError):
        render(MODEL).write(tmp_path, release=1)
    assert [path.name for path in tmp_path.iterdir()] == ["init.lua"]


def test_the_order_of_rows_does_not_matter() -> None:
    backwards = PolicyModel(
        installation=MODEL.installation,
        organizations=MODEL.organizations,
        vmtas=MODEL.vmtas,
        domains=MODEL.domains[::-1],
    )
    assert render(backwards).files == render(MODEL).files


def test_one_changed_domain_changes_exactly_one_file() -> None:
    first, *rest = MODEL.domains
    moved = msgspec.structs.replace(MODEL, domains=(msgspec.structs.replace(first, organization="globex"), *rest))
    old, new = render(MODEL), render(moved)
    assert len([path for path in new.files if path.startswith("data/domains/")]) == 8
    assert [path for path in new.files if new.files[path] != old.files[path]] == [
        shard_file("domains", shard_of(first.name, 8))
    ]


def test_a_diff_shows_the_changed_line() -> None:
    text = diff(render(MODEL), render(changed(max_age="4 days")))
    assert "--- a/generated/installation.lua\n+++ b/generated/installation.lua\n" in text
    assert '+  queue = { max_age = "4 days", max_retry_interval = "4h", retry_interval = "20m" },\n' in text
    assert text.count("+++") == 1


def test_a_diff_of_the_same_is_empty() -> None:
    assert diff(render(MODEL), render(MODEL)) == ""


def test_a_diff_from_nothing_and_to_less_names_dev_null() -> None:
    assert diff(None, Bundle.of({"x": b"1\n"})) == "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n"
    assert diff(Bundle.of({"x": b"1\n"}), Bundle.of({})) == "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"


def test_the_same_needs_nothing() -> None:
    assert change_class(render(MODEL), render(MODEL)).kind == "nothing"


@pytest.mark.parametrize(
    "change", [{"max_age": "4 days"}, {"log_hook_batch_size": 9}, {"path_defaults": {"smtp_port": 26}}]
)
def test_what_events_read_is_live(change: dict[str, object]) -> None:
    assert change_class(render(MODEL), render(changed(**change))).kind == "live"


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"spool_path": "/srv/spool"}, "storage.spool_path"),
        ({"log_path": "/srv/log"}, "storage.log_path"),
        ({"bounce_classifier_files": ("/etc/rules.toml",)}, "storage.bounce_classifier_files"),
        ({"smtp_listeners": (Listener(address="0.0.0.0:25"),)}, "listeners.smtp"),
        ({"http_listeners": (Listener(address="127.0.0.1:8001"),)}, "listeners.http"),
    ],
)
def test_what_start_up_reads_needs_a_restart_and_is_named(change: dict[str, object], setting: str) -> None:
    verdict = change_class(render(MODEL), render(changed(**change)))
    assert (verdict.kind, verdict.settings) == ("restart", (setting,))


def test_new_start_up_code_needs_a_restart() -> None:
    old = render(MODEL)
    new = Bundle.of(old.files | {"postmta/startup.lua": b"-- another\n"})
    assert change_class(old, new).settings == ("postmta/startup.lua",)


def test_a_first_release_is_a_start() -> None:
    verdict = change_class(None, render(MODEL))
    assert verdict.kind == "restart"
    assert {"listeners.http", "listeners.smtp", "storage.spool_path", "storage.log_path"} <= set(verdict.settings)
