"""Real engines of the tests' own: loopback, free ports, temporary folders, rules and signatures of a few lines."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postmta_ctl.core.files.inspection import EICAR

START_SECONDS = 60
PACKAGES = {"clamd": "clamav-daemon", "spamd": "spamd", "rspamd": "rspamd"}
RSPAMD_CONF = """
options {{
  pidfile = "{folder}/rspamd.pid";
  tempdir = "{folder}";
  cache_file = "{folder}/symbols.cache";
  url_tld = "{folder}/tld";
  rrd = "";
  filters = "";
  disable_hyperscan = true;
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 0; }}
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "controller" {{ bind_socket = "127.0.0.1:{controller}"; count = 1; password = "secret"; secure_ip = []; }}
modules {{ path = "{plugins}/settings.lua"; }}
settings {{ }}
lua = "{folder}/rules.lua";
actions {{ reject = 15; add_header = 6; }}
"""
RSPAMD_RULES = """
local function found(name, score, kind, callback)
  rspamd_config:register_symbol{ name = name, score = score, type = kind, description = 'of the tests',
    callback = callback }
end
found('SUBJECT_IS_SPAM', 7.5, 'normal', function(task)
  local subject = task:get_header('Subject') or ''
  if subject:find('SPAM') then return true, 1.0, subject end
end)
-- What a module that remembers senders would do, under the name of one.
found('GREYLIST_CHECK', 1.0, 'normal', function() return true, 1.0 end)
found('FLAGS', 0.1, 'postfilter', function(task)
  local flags = {}
  for _, name in ipairs{'no_log', 'no_stat'} do
    if task:has_flag(name) then table.insert(flags, name) end
  end
  return true, 1.0, flags
end)
"""
SPAMD_RULES = """
required_score 5
util_rb_tld test
header SUBJECT_IS_SPAM Subject =~ /SPAM/
describe SUBJECT_IS_SPAM The subject says that it is spam
score SUBJECT_IS_SPAM 7.5
header HAS_SUBJECT exists:Subject
describe HAS_SUBJECT There is a subject
score HAS_SUBJECT -0.5
"""
SPAMD_REPORT = """
clear_report_template
report Content analysis details:   (_SCORE_ points, _REQD_ required)
report
report " pts rule name              description"
report  ---- ---------------------- --------------------------------------------------
report _SUMMARY_
"""
"""The end of the template that SpamAssassin comes with."""


def missing(program: str) -> str | None:
    """Why there can be no daemon, if so."""
    if _program(program):
        return None
    return f"{program} is not installed (Debian: apt-get install {PACKAGES[program]})"


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait(process, folder, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            is_alive = process.poll() is None and time.monotonic() < deadline
            assert is_alive, (
                f"{process.args!r} does not answer:\n{(folder / 'log').read_text(errors='replace')[-2000:]}"
            )
            time.sleep(0.05)
        else:
            return


@contextmanager
def clamd(folder: Path) -> Iterator[tuple[str, str]]:
    """A clamd that knows one signature, EICAR's; yields its two addresses. It takes streams of 1 MiB."""
    (folder / "db").mkdir()
    (folder / "db" / "tests.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
    port, path = free_port(), folder / "clamd.sock"
    lines = [
        f"DatabaseDirectory {folder / 'db'}",
        f"TemporaryDirectory {folder}",
        "TCPAddr 127.0.0.1",
        f"TCPSocket {port}",
        f"LocalSocket {path}",
        "Foreground yes",
        "MaxThreads 4",
        "StreamMaxLength 1M",
    ]
    (folder / "clamd.conf").write_text("\n".join(lines) + "\n")
    with _running([_program("clamd") or "", "-c", str(folder / "clamd.conf")], folder, port):
        yield f"127.0.0.1:{port}", f"unix:{path}"


@contextmanager
def spamd(folder: Path, *, report: bool = True) -> Iterator[str]:
    """A spamd of two rules and no network; yields its address. Without a report template, its reports have no table."""
    folder.chmod(0o755)
    for name, text in {"rules": SPAMD_RULES + SPAMD_REPORT * report, "site": ""}.items():
        (folder / name).mkdir()
        (folder / name / "tests.cf").write_text(text)
    (folder / "site" / "init.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Check\n")
    port = free_port()
    command = [_program("spamd") or "", "-L", "-x", "-i", "127.0.0.1", "-p", str(port), "-m", "1", "-s", "stderr"]
    command += ["-C", str(folder / "rules"), f"--siteconfigpath={folder / 'site'}", "-H", str(folder)]
    command += ["-u", "nobody"] if os.geteuid() == 0 else []
    with _running(command, folder, port):
        yield f"127.0.0.1:{port}"


@contextmanager
def rspamd(folder: Path) -> Iterator[tuple[str, str]]:
    """An rspamd of two rules and no network; yields the URLs of its worker and of its controller."""
    port, controller = free_port(), free_port()
    plugins = "/usr/share/rspamd/plugins"
    conf = RSPAMD_CONF.format(folder=folder, port=port, controller=controller, plugins=plugins)
    (folder / "rspamd.conf").write_text(conf)
    (folder / "rules.lua").write_text(RSPAMD_RULES)
    (folder / "tld").write_text("test\ncom\n")
    command = [_program("rspamd") or "", "-f", "-c", str(folder / "rspamd.conf")]
    if os.geteuid() == 0:
        shutil.chown(folder, "_rspamd", "_rspamd")
        folder.chmod(0o755)
        command += ["-u", "_rspamd", "-g", "_rspamd"]
    with _running(command, folder, port):
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{controller}"
