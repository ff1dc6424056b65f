"""The host: settings, files that hold secrets, room on the disk."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from postmta_ctl.features.doctor.findings import Finding
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.settings import Settings

LITTLE, VERY_LITTLE = 2 * 1024**3, 256 * 1024**2
"""Octets that are free: below the first somebody should know, below the second things fail soon."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NOBODYS_DOMAIN = ".postmta.test"


def look(settings: Settings, nodes: list[NodeRow]) -> list[Finding]:
    """Everything about the host."""
    folders = [Path(node.policy_dir) for node in nodes if node.transport == "folder"]
    return [*_settings(settings), *_modes(settings, folders), _room(settings.data_dir)]


def _settings(settings: Settings) -> Iterator[Finding]:
    if settings.bounces.endswith(NOBODYS_DOMAIN):
        found = f"bounces go to {settings.bounces}, which nobody has"
        yield _finding("settings", "bounce_domain", "warning", found, "Set POSTMTA_BOUNCE_DOMAIN to a domain of yours.")
    if settings.dns == "sandbox":
        found = "DNS is only pretended: every record counts as published"
        yield _finding("settings", "dns", "warning", found, "Set POSTMTA_DNS=system before real mail is sent.")
    if settings.url.startswith("http://") and not settings.public_host.startswith(("127.", "localhost")):
        found = f"{settings.url} is not encrypted"
        todo = "Put a proxy with TLS before it, and set POSTMTA_PUBLIC_URL to https://…"
        yield _finding("settings", "public_url", "warning", found, todo)


def _modes(settings: Settings, folders: list[Path]) -> Iterator[Finding]:
    private = [settings.data_dir, settings.data_dir / "secrets", *(settings.data_dir / "secrets").glob("*")]
    for folder in folders:
        private += [folder / "node.json", *(folder / "keys").rglob("*.key")]
    open_ones = [path for path in private if path.exists() and path.stat().st_mode & OTHERS]
    for path in open_ones:
        mode = stat.S_IMODE(path.stat().st_mode)
        todo = f"chmod {'700' if path.is_dir() else '600'} {path}"
        yield _finding("files", str(path), "error", f"others on this host may use it (mode {mode:04o})", todo)
    if not open_ones:
        yield _finding(
            "files", str(settings.data_dir), "ok", f"{len(private)} files and folders are for their owner only"
        )


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    level = "error" if free < VERY_LITTLE else "warning" if free < LITTLE else "ok"
    todo = "" if level == "ok" else "Make room: a full disk stops mail from being accepted."
    return _finding("files", str(folder), level, f"{free / 1024**3:.1f} GiB are free", todo)


def _finding(check: str, subject: str, level: str, found: str, todo: str = "") -> Finding:
    return Finding(check=check, subject=subject, level=level, found=found, todo=todo)  # type: ignore[arg-type]
