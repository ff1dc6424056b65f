"""The demo fleet's bundle, byte for byte. ``UPDATE_GOLDEN=1 pytest tests/policy/test_golden.py`` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from postmta_ctl import resources
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import PolicyModel

GOLDEN = Path(__file__).parent / "golden"


def rendered(bundle: Bundle) -> dict[str, bytes]:
    return {path: content for path, content in bundle.files.items() if not path.startswith("postmta/")}


def test_the_rendered_files_are_the_golden_ones(bundle: Bundle) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        for path, content in rendered(bundle).items():
            (GOLDEN / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / path).write_bytes(content)
    golden = {path.relative_to(GOLDEN).as_posix(): path.read_bytes() for path in GOLDEN.rglob("*") if path.is_file()}
    assert rendered(bundle) == golden


def test_the_hand_written_modules_are_shipped_as_they_are(bundle: Bundle) -> None:
    shipped = {path: content for path, content in bundle.files.items() if path.startswith("postmta/")}
    assert shipped == {f"postmta/{path.name}": path.read_bytes() for path in resources.policy_dir().iterdir()}


def test_the_demo_fleet_has_no_findings(model: PolicyModel) -> None:
    assert check(model) == []
