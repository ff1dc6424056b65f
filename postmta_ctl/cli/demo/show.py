"""What the demonstration prints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from postmta_ctl.cli.demo.reference import Example

DIFF_LINES = 40
SHOWN_CHARACTERS = 110


class Screen:
    """The terminal; plain text where there is none."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        """A new part."""
        self._console.print(f"\n[bold]{escape(text)}[/bold]")

    def step(self, text: str) -> None:
        """Something that was done."""
        self._console.print(f"  {escape(text)}")

    def dns_records(self, domain: dict[str, Any]) -> None:
        """What the owner of a domain has to publish."""
        table = Table("type", "name", "value", title=f"DNS records to publish for {domain['domain']}")
        for record in domain["dns_records"]:
            table.add_row(record["type"], record["name"], _cut(record["value"], 60))
        self._console.print(table)

    def plan(self, plan: dict[str, Any]) -> None:
        """What publishing would do."""
        self.title(f"Plan of release {plan['release']}: {plan['change_class']['kind']}")
        for change in plan["changes"]:
            self.step(f"{change['author']}: {change['summary']}")
        lines = plan["diff"].splitlines()
        self._console.print(Syntax("\n".join(lines[:DIFF_LINES]), "diff", background_color="default"))
        if len(lines) > DIFF_LINES:
            self.step(f"… and {len(lines) - DIFF_LINES} more lines; `postmta policy plan` shows them all")

    def published(self, answer: dict[str, Any]) -> None:
        """The release, and what each node says it runs."""
        self.title(f"Release {answer['release']}: {answer['outcome']}")
        for node in answer["nodes"]:
            state = f"runs release {node['running_release']}" if node["ok"] else node["detail"]
            self.step(f"node {node['node']} {state}")

    def example(self, example: Example, answer: httpx.Response) -> None:
        """A request of the reference and its answer."""
        colour = "green" if answer.is_success else "yellow"
        self._console.print(f"  [{colour}]{answer.status_code}[/{colour}] {example.method} {escape(example.path)}")
        self._console.print(f"      {escape(_cut(answer.text, SHOWN_CHARACTERS))}")

    def statuses(self, fates: dict[str, tuple[int, str]], meant: dict[str, str], found: dict[str, str]) -> None:
        """What became of the hundred."""
        table = Table("recipients", "meant", "found", title="100 messages (sandbox receivers)")
        for word, (count, status) in fates.items():
            statuses = Counter(found[message_id] for message_id, one in meant.items() if one == word)
            shown = ", ".join(f"{number} {name}" for name, number in statuses.most_common())
            table.add_row(f"{word}…@example.org", f"{count} {status}", shown)
        self._console.print(table)

    def timeline(self, message: dict[str, Any]) -> None:
        """All that happened to one message."""
        self.title(f"Time line of {message['id']}, to {message['recipients'][0]['address']}")
        for entry in message["timeline"]:
            words = f"{entry.get('code') or ''} {entry.get('reply') or ''}".strip()
            via = f" via {entry['vmta']}" if entry.get("vmta") else ""
            self.step(f"{entry['at'][11:23]}  {entry['type']:<18}{words}{via}")

    def policy_folder(self, folder: Path) -> None:
        """Where the rendered Lua is."""
        release = (folder / "current").read_text(encoding="utf-8").strip()
        self.title("The policy that routed them")
        self.step(str(folder / "releases" / release / "init.lua"))

    def verdict(self, *, as_meant: bool) -> None:
        """The end."""
        self.title("Every message met the fate that was meant for it." if as_meant else "Not as meant: see the table.")

    def invitation(self, url: str, api_key: str, account: str) -> None:
        """How to go on by hand."""
        body = '{"from":"news@co.com","to":["ok@example.org"],"subject":"Hello","text":"Hi"}'
        self.title("Ready. Stop with Ctrl-C.")
        self.step(f"URL      {url}    (OpenAPI: {url}/openapi.json)")
        self.step(f"Console  {url}/console    (log in as {account})")
        self.step(f"API key  {api_key}")
        self._console.print(f"\nexport KEY={api_key}", markup=False)
        auth = '-H "X-API-Key: $KEY"'
        self._console.print(f"curl {url}/api/v1/messages {auth}", markup=False)
        self._console.print(
            f"curl {url}/api/v1/messages/send {auth} -H 'Content-Type: application/json' -d '{body}'", markup=False
        )
        self._console.print(f"curl {url}/api/v1/policy/plan {auth}", markup=False)


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}…"
