"""Checking a policy without a node: every file compiled, every global known, start-up and validation run through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from postmta_ctl.luavm.bytecode import GlobalAccess, global_accesses
from postmta_ctl.luavm.catalogue import hint
from postmta_ctl.luavm.clock import ManualClock
from postmta_ctl.luavm.dns import EveryHostHasBoth
from postmta_ctl.luavm.errors import PolicyError
from postmta_ctl.luavm.http import no_network
from postmta_ctl.luavm.machine import Machine
from postmta_ctl.luavm.node import NodeRuntime

Severity = Literal["error", "warning"]
_NOT_CHECKABLE = frozenset(["not_simulated", "http_failure"])
"""A policy may well need these at start-up; that they end its check here is no fault of its own."""
_SPOOLS = frozenset(["data", "meta"])
_OPTIONAL_GLOBALS = frozenset(["_ENV", "_KUMO_CURRENT_EVENT", "_VALIDATING_CONFIG"])


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a policy. ``file`` is relative to the bundle."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    severity: Severity = "error"

    @property
    def where(self) -> str:
        """``FILE:LINE``, as far as known."""
        return ":".join(str(part) for part in (self.file, self.line) if part is not None)


def check_policy(root: Path, *, policy_dir: Path | None = None) -> list[Finding]:
    """What is wrong with the bundle in ``root``; an empty list is a policy that KumoMTA would start with.

    Compiles every ``.lua`` file, looks for globals that nothing defines (also in code that start-up does not reach),
    then loads the policy and runs ``pre_init``, ``init`` and ``validate_config`` as ``kumod --validate`` does.

    Args:
        root: The folder of the bundle.
        policy_dir: The node's folder, for policies that read keys or secrets from it.
    """
    root = root.absolute()
    compiler = Machine(object(), package_path="", time_limit=1.0)
    files = sorted(root.rglob("*.lua"))
    findings = [finding for file in files for finding in _check_file(compiler, root, file)]
    if any(finding.code == "lua_syntax" for finding in findings):
        return findings
    return _unique([*findings, *_check_start(root, policy_dir), *_check_daemon(root)])


def _check_file(compiler: Machine, root: Path, file: Path) -> Iterator[Finding]:
    name = str(file.relative_to(root))
    try:
        chunk = compiler.compile(file.read_bytes(), name)
    except PolicyError as error:
        yield _finding(error)
        return
    known = compiler.global_names() | _OPTIONAL_GLOBALS
    for access in global_accesses(compiler.bytecode(chunk)):
        if access.is_write or access.name not in known:
            yield _global_finding(name, access, known)


def _global_finding(file: str, access: GlobalAccess, known: Iterable[str]) -> Finding:
    if access.is_write:
        message = f"{access.name} is assigned as a global; write local {access.name}"
        return Finding(code="accidental_global", message=message, file=file, line=access.line)
    message = f"{access.name} is not defined{hint(access.name, known)}"
    return Finding(code="undefined_global", message=message, file=file, line=access.line)


def _check_start(root: Path, policy_dir: Path | None) -> Iterator[Finding]:
    clock = ManualClock(datetime.now(UTC))  # a policy that sleeps must not hold up its check
    node = NodeRuntime(
        root, policy_dir=policy_dir, clock=clock, http=no_network, resolver=EveryHostHasBoth(), validating=True
    )
    try:
        vm = node.start()
    except PolicyError as error:
        yield _finding(error)
        return
    if node.validation_failed:
        printed = [line.text for line in node.log_lines if line.level == "print"]
        yield Finding(code="validation_failed", message="; ".join(printed) or "the policy found fault with itself")
    for caught in vm.raised:
        yield _finding(caught, severity="error" if node.validation_failed else "warning")
    names = {spool.name for spool in node.spools}
    if not names >= _SPOOLS:
        missing = ", ".join(sorted(_SPOOLS - names))
        yield Finding(code="missing_spool", message=f"init must define the spools data and meta; missing: {missing}")


def _check_daemon(root: Path) -> Iterator[Finding]:
    """The policy of a TSA daemon, where there is one."""
    if not (root / "tsa_init.lua").exists():
        return
    clock = ManualClock(datetime.now(UTC))
    try:
        NodeRuntime(root, clock=clock, http=no_network, process="tsa-daemon").start()
    except PolicyError as error:
        yield _finding(error)


def _finding(error: PolicyError, severity: Severity = "error") -> Finding:
    if error.code in _NOT_CHECKABLE:
        severity = "warning"
    return Finding(code=error.code, message=error.message, file=error.file, line=error.line, severity=severity)


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Each place and code once: what runs into a fault has often been found by looking already."""
    return list({(finding.code, finding.file, finding.line): finding for finding in findings}.values())
