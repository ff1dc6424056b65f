"""Bars and colours are for terminals; bars give an estimate."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

COUNTED = """
import time
from postmta_ctl.cli.progress import progress_of, working
with progress_of("Importing") as report:
    for done in range(1, 4):
        report(done, 10)
        time.sleep(0.15)
with progress_of("Reading", unit="octets") as report:
    report(2_000_000, 2_000_000)
with working("Proving"):
    pass
print("done")
"""
POSTMTA = "from postmta_ctl.cli import main; main()"


def at_a_terminal(*words: str, **environ: str) -> tuple[str, str]:
    """What a Python program writes to a standard output that is none, and to a standard error that is one."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"} | environ,
        text=True,
    )
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 1 << 16):
            drawn += part
    except OSError:  # how a terminal says that its other end is closed
        pass
    os.close(ours)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told + drawn.decode()
    return told, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else() -> None:
    piped = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True, timeout=60)
    assert (piped.stdout, piped.stderr) == ("done\n", "")
    told, drawn = at_a_terminal("-c", COUNTED)
    assert told == "done\n"
    assert re.search(r"Importing .* 3/10 0:00:0\d", drawn), drawn
    assert re.search(r"Reading .* 2.0/2.0 MB", drawn)
    assert "Proving" in drawn


def test_proving_a_policy_tells_how_far_it_is_and_how_long_it_takes(tmp_path: Path) -> None:
    own = {"POSTMTA_DATA_DIR": str(tmp_path / "data")}
    told, drawn = at_a_terminal("-c", POSTMTA, "policy", "check", **own)
    assert "traffic" in told
    shown = re.findall(r"Proving the policy \S+ +(\d+)% (\S+)", drawn)
    assert shown[-1] == ("100", "0:00:00"), drawn
    assert len(shown) > 3
    assert [int(part) for part, _ in shown] == sorted(int(part) for part, _ in shown)


def test_colours_are_for_terminals_and_not_for_who_wants_none(tmp_path: Path) -> None:
    environ = os.environ | {"POSTMTA_DATA_DIR": str(tmp_path / "none"), "TERM": "xterm"}
    for more, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", POSTMTA, "doctor"]
        done = subprocess.run(command, stdout=theirs, env=environ | more, check=False, timeout=60)
        os.close(theirs)
        said = os.read(ours, 1 << 16).decode()
        os.close(ours)
        assert (done.returncode, "FAIL" in said) == (1, True)
        assert ("\x1b[31m" in said) == colours, said
    piped = subprocess.run(command, capture_output=True, env=environ, text=True, check=False, timeout=60)
    assert "\x1b" not in piped.stdout
