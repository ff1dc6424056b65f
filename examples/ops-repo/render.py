"""Render ``model.json`` into ``policy/``: the same model gives the same bytes, here and in any database.

To be run in a checkout after a change of the templates or of the hand-written Lua.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from postmta_ctl.cli import bundle_folder
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import check
from postmta_ctl.compiler.model import PolicyModel
from postmta_ctl.compiler.render import render

HERE = Path(__file__).parent
RELEASE = 1


def rendered() -> Bundle:
    """The bundle that the compiler makes of ``model.json`` now."""
    model = msgspec.json.decode((HERE / "model.json").read_bytes(), type=PolicyModel)
    findings = check(model)
    if findings:
        sys.exit("\n".join(f"{each.where}: {each.message}" for each in findings))
    return render(model)


if __name__ == "__main__":
    bundle_folder.replace(HERE / "policy", rendered(), RELEASE)
