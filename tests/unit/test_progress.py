"""Bars are for terminals."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

CODE = """
from postmta_ctl.cli.progress import progress_of, working
with progress_of("Importing") as report:
    for done in range(1, 4):
        report(done, 3)
with working("Proving"):
    pass
print("done")
"""


def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else() -> None:
    piped = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert (piped.stdout, piped.stderr) == ("done\n", "")
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    shown = subprocess.run(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=theirs, env=environ, check=True, timeout=60
    )
    os.close(theirs)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert shown.stdout == b"done\n"
    assert "Importing" in drawn
    assert "3/3" in drawn
    assert "Proving" in drawn
