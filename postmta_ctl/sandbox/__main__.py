"""``python -m postmta_ctl.sandbox``."""

from __future__ import annotations

from postmta_ctl.sandbox.command import sandbox

sandbox(prog_name="postmta sandbox")
