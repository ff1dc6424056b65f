"""Every command: its example, what the list says of it, completion; and every operation of the API has one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from postmta_ctl.cli import PLACES, cli
from postmta_ctl.cli.completion import SHELLS
from postmta_ctl.cli.remote import table_account, table_mail
from postmta_ctl.cli.remote.table_mail import WARMUP
from postmta_ctl.client import Client
from postmta_ctl.client.calls import listing, operation
from postmta_ctl.client.groups.everything import Everything

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
ELSEWHERE = {
    "auth": "passwords and logins are for people in a browser; commands have a key",
    "ingest": "only nodes deliver log records",
    "tracking": "only recipients follow links",
    "nodes": "postmta node works on the installation itself",
    "policy": "postmta policy works on the installation itself",
    "state": "postmta export and postmta apply work on the installation itself",
    "warmup.forecast": "postmta warmup forecast needs no API",
    "warmup.render_forecast": "postmta warmup forecast needs no API",
    "suppressions.import_csv": "postmta suppressions import sends a file in parts",
    "suppressions.show_unsubscribe": "for recipients",
    "suppressions.do_unsubscribe": "for recipients",
    "billing.stripe_callback": "only the payment provider calls it",
    "queues.page": "postmta queues list reads all pages",
}


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = PLACES[name].load() if group is cli else group.commands[name]
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = dict(commands(cli))


def example(command: click.Command) -> str:
    return " ".join((command.help or "").partition("Example: ")[2].split())


def test_every_command_has_an_example_that_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    for path, command in ALL.items():
        if isinstance(command, click.Group):
            continue
        words = re.split(r" (?:&&|>|\|) ", example(command))[0]
        try:
            given = [word for word in shlex.split(words) if not re.match(r"POSTMTA_\w+=", word)]
            (called,) = (one for one, same in ALL.items() if same is command and given[1 : len(one) + 1] == [*one])
            for one in command.params:
                if isinstance(one.type, click.Path):
                    monkeypatch.setattr(one.type, "exists", False)
            command.make_context(path[-1], given[len(called) + 1 :])
        except (click.ClickException, ValueError) as error:
            wrong.append(f"{' '.join(path)}: {error}")
    assert wrong == []


@pytest.mark.parametrize("name", PLACES)
def test_the_list_says_of_a_command_what_it_says_itself(name: str) -> None:
    command = PLACES[name].load()
    assert command.name == name
    said = " ".join((command.help or "").split())
    assert said.startswith(PLACES[name].summary.rstrip(".").split(", and make")[0]), said


def test_every_operation_of_the_api_has_a_command_or_a_reason() -> None:
    rows = [row for group in (*table_mail.GROUPS, *table_account.GROUPS) for row in group.rows]
    there = {row.operation for row in (*rows, *WARMUP)}
    client = Client("http://localhost")
    every = {
        f"{group}.{name}"
        for group in Everything.__annotations__
        for name, one in vars(type(getattr(client, group))).items()
        if isinstance(one, operation | listing)
    }
    missing = {one for one in every - there if one not in ELSEWHERE and one.partition(".")[0] not in ELSEWHERE}
    assert (missing, there - every) == (set(), set())


TRIED = {
    "bash": """
        source completion
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _postmta_completion postmta; }
        ask postmta messages l; echo "${COMPREPLY[@]}"
        ask postmta queues hold --r; echo "${COMPREPLY[@]}"
        complete -p postmta
    """,
    # What zsh has within a completion, and what it would be given there.
    "zsh": """
        compdef() { echo "$@" }
        _describe() { print -l -- $completions_with_descriptions }
        source ./completion
        words=(postmta messages l); CURRENT=3; _postmta_completion
        words=(postmta queues hold --r); CURRENT=4; _postmta_completion
    """,
    "fish": """
        source completion
        complete -C "postmta messages l"
        complete -C "postmta queues hold --r"
    """,
}
COMPLETED = {
    "bash": "list\n--reason\ncomplete -o nosort -F _postmta_completion postmta\n",
    "zsh": "_postmta_completion postmta\nlist:List messages with pagination and filters.\n",
    "fish": "list\tList messages with pagination and filters.\n--reason\n",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_completes_in_the_shell_itself(shell: str, tmp_path: Path) -> None:
    script = CliRunner().invoke(cli, ["completion", shell])
    assert script.exit_code == 0
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "completion").write_text(script.output, encoding="utf-8")
    program = tmp_path / "postmta"
    program.write_text(f"#!{sys.executable}\nfrom postmta_ctl.cli import main\nmain()\n", encoding="utf-8")
    program.chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shell, "-c", TRIED[shell]], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith(COMPLETED[shell]), done.stdout + done.stderr


def test_exit_statuses_are_those_of_the_page(tmp_path: Path) -> None:
    table = dict(re.findall(r"^\| (\d) \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(table) == {"0", "1", "2", "3", "4"}
    assert CliRunner().invoke(cli, ["messages", "list", "--no-such"]).exit_code == 2
    nobody = ["--api-url", "http://127.0.0.1:9", "--api-key", "x"]
    done = CliRunner().invoke(cli, ["domains", "add", "--domain", "example.com", *nobody])
    assert (done.exit_code, "127.0.0.1:9" in done.output) == (4, True)
    addressless = CliRunner().invoke(cli, ["domains", "list", "--api-url", "mail.example.com"])
    assert (addressless.exit_code, "must begin with http" in addressless.output) == (2, True)
    wrong = CliRunner().invoke(cli, ["vmtas", "add", "--name", "mx1", *nobody])
    assert (wrong.exit_code, "ip_address" in wrong.output) == (2, True)
    away = {"POSTMTA_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/x", "POSTMTA_DATA_DIR": str(tmp_path)}
    unusable = CliRunner().invoke(cli, ["db", "current"], env=away)
    assert (unusable.exit_code, "database cannot be used" in unusable.output) == (4, True)
    broken = CliRunner().invoke(cli, ["pools", "add", "--name", "p", "--members", "[{", *nobody])
    assert (broken.exit_code, "is no JSON" in broken.output) == (2, True)


def test_nothing_of_the_list_is_imported_to_show_it() -> None:
    code = "import json, sys; from postmta_ctl.cli import cli; cli(['--help'], standalone_mode=False)\n"
    code += "print(json.dumps([name for name in sys.modules if name.startswith('postmta_ctl.')]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert len(json.loads(done.stdout.splitlines()[-1])) < 6
