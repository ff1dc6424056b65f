"""What is process-wide in kumod: it outlives Lua contexts, and mostly also configuration epochs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from postmta_ctl.luavm.caches import TtlCache
from postmta_ctl.luavm.clock import Clock, SystemClock
from postmta_ctl.luavm.configs import EgressPool, EgressSource, Listener, LogOutput, Spool
from postmta_ctl.luavm.control import NodeControl
from postmta_ctl.luavm.dns import Resolver
from postmta_ctl.luavm.errors import PolicyError, Rejected
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.luavm.http import HttpTransport, HttpxTransport
from postmta_ctl.luavm.message import Message
from postmta_ctl.luavm.signing import Signer
from postmta_ctl.luavm.throttle import ThrottleStore
from postmta_ctl.luavm.vm import Vm

if TYPE_CHECKING:
    from postmta_ctl.luavm.functions.counters import CounterSeries

KUMOMTA_VERSION = "2026.08.04-3ebc1e85"
MemoCache = TtlCache[tuple[int | None, str], Any]
TIME_LIMIT = 10.0
"""Seconds of computing time for one call into a policy."""
_CONTEXT_AGE_SECONDS = 300
_STARTS = {"kumod": ("pre_init", "init"), "tsa-daemon": ("tsa_load_shaping_data", "tsa_init")}
"""The events of a start by program, in their order."""
_ENTRIES = {"kumod": "init.lua", "tsa-daemon": "tsa_init.lua"}
_CONTEXT_USES = 1024


class LogLine(msgspec.Struct, frozen=True):
    """A line that the policy wrote to the process log; ``level`` is ``print`` for plain output."""

    level: str
    text: str


class NodeRuntime:
    """One kumod process without its network: declarations, caches, throttles and the Lua contexts' surroundings.

    Args:
        root: the folder of the bundle; ``root/init.lua`` is the policy.
        policy_dir: the node's folder, given to the policy as its second argument.
        launcher: run ``policy_dir/init.lua`` instead, as kumod does, and let it find the release by itself.
        clock: the node's time; throttles and caches go by it.
        http: carries out the policy's HTTP requests; the real network unless given.
        resolver: answers ``kumo.dns``; not simulated unless given.
        control: the node behind ``kumo.api``; not simulated unless given.
        validating: act as ``kumod --validate``.
        environ: the environment of the process; empty, never ours, unless given.
        process: the program: ``kumod``, or ``tsa-daemon``, which runs the bundle's ``tsa_init.lua``.
        databases: a folder for the SQLite files that the policy opens, wherever it believes them to be; there unless
            given.
        time_limit: seconds of computing time for one call into the policy; waiting does not count. ``TIME_LIMIT``
            unless given.

    Attributes:
        listeners, spools, log_hooks, local_logs, settings, spawned_tasks: what ``pre_init`` and ``init`` declared.
        injected: messages given to ``kumo.inject_message``.
        log_lines: the latest lines written by ``kumo.log_*`` and ``print``.
    """

    def __init__(
        self,
        root: Path,
        *,
        policy_dir: Path | None = None,
        launcher: bool = False,
        clock: Clock | None = None,
        http: HttpTransport | None = None,
        resolver: Resolver | None = None,
        control: NodeControl | None = None,
        node_id: str = "00000000-0000-0000-0000-000000000001",
        validating: bool = False,
        environ: Mapping[str, str] | None = None,
        version: str = KUMOMTA_VERSION,
        process: str = "kumod",
        databases: Path | None = None,
        time_limit: float | None = None,
    ) -> None:
        self.root = root.absolute()
        self.policy_dir = policy_dir.absolute() if policy_dir else None
        self.launcher = launcher
        self.clock = clock or SystemClock()
        self._http = http
        self.resolver = resolver
        self.control = control
        self.node_id = node_id
        self.validating = validating
        self.environ = dict(environ or {})
        self.version = version
        self.process = process
        self.time_limit = TIME_LIMIT if time_limit is None else time_limit
        self._databases = databases
        self.epoch = 0
        self.validation_failed = False
        self.injected: list[Message] = []
        self.log_lines: deque[LogLine] = deque(maxlen=1000)
        self.pools: TtlCache[str, EgressPool] = TtlCache(self.clock, 128, lambda pool: pool.seconds("ttl") or 0)
        self.sources: TtlCache[str, EgressSource] = TtlCache(self.clock, 128, lambda source: source.seconds("ttl") or 0)
        self.signers: TtlCache[str, Signer] = TtlCache(self.clock, 1024, lambda signer: signer.ttl)
        self.throttles = ThrottleStore(self.clock)
        self.counters: dict[str, CounterSeries] = {}
        self._memo_caches: dict[str, tuple[dict[str, Any], MemoCache]] = {}
        self._pooled: tuple[Vm, float] | None = None
        self.forget_declarations()

    def database(self, path: str) -> str:
        """Where the SQLite file is that the policy calls so."""
        return path if self._databases is None else str(self._databases / path.strip("/").replace("/", "-"))

    def forget_declarations(self) -> None:
        """Back to before ``pre_init``."""
        self.listeners: list[Listener] = []
        self.spools: list[Spool] = []
        self.log_hooks: list[LogOutput] = []
        self.local_logs: list[LogOutput] = []
        self.settings: dict[str, Any] = {}
        self.spawned_tasks: list[tuple[str, list[Any]]] = []

    def start(self) -> Vm:
        """Run the policy's top level, ``pre_init`` and ``init``; under validation ``validate_config`` as well.

        Raises:
            PolicyError: any of them failed; a real node would not start.
        """
        self.forget_declarations()
        vm = self.context()
        events = [*_STARTS[self.process], *(["validate_config"] if self.validating else [])]
        for event in events:
            answer = vm.fire(event)
            if isinstance(answer, Rejected):
                raise PolicyError("rejected", f"{event}: {answer}")
        return vm

    def context(self) -> Vm:
        """A fresh Lua context with the policy loaded.

        Raises:
            PolicyError: the policy does not load.
        """
        return Vm(self)

    def current(self) -> Vm:
        """A context from the pool: made anew after an epoch change, 300 s or 1,024 events, as in kumod."""
        now = self.clock.now().timestamp()
        if self._pooled is not None:
            vm, made_at = self._pooled
            if vm.epoch == self.epoch and now - made_at < _CONTEXT_AGE_SECONDS and vm.uses < _CONTEXT_USES:
                return vm
        self._pooled = (self.context(), now)
        return self._pooled[0]

    def bump_epoch(self) -> None:
        """A new configuration epoch: contexts are dropped, and memoized results that asked for it."""
        self.epoch += 1
        self.__dict__.pop("_sources", None)

    def memo_cache(self, name: str, params: Mapping[str, Any]) -> MemoCache:
        """The cache of that name; other parameters than before replace it with an empty one, as in kumod."""
        known = self._memo_caches.get(name)
        if known is None or known[0] != params:
            ttl = parse_duration(params["ttl"])
            known = (dict(params), TtlCache(self.clock, params["capacity"], lambda _: ttl))
            self._memo_caches[name] = known
        return known[1]

    @property
    def http(self) -> HttpTransport:
        """Carries out HTTP requests."""
        if self._http is None:
            self._http = HttpxTransport()
        return self._http

    def log(self, level: str, text: str) -> None:
        """Keep a line of the process log."""
        self.log_lines.append(LogLine(level, text))

    def entry_point(self) -> tuple[Path, tuple[str, ...]]:
        """The policy file and the arguments its chunk gets."""
        name = _ENTRIES[self.process]
        if self.launcher and self.policy_dir:
            return self.policy_dir / name, ()
        directories = (self.root, self.policy_dir) if self.policy_dir else (self.root,)
        return self.root / name, tuple(map(str, directories))

    @property
    def package_path(self) -> str:
        """Where ``require`` looks at first."""
        folder = self.policy_dir if self.launcher and self.policy_dir else self.root
        return f"{folder}/?.lua;{folder}/?/init.lua"

    def relative(self, file: str | None) -> str | None:
        """A file's name within the bundle, or within the node's folder."""
        for folder in (self.root, self.policy_dir):
            if file and folder and file.startswith(f"{folder}/"):
                return file.removeprefix(f"{folder}/")
        return file

    def mentions(self, text: str) -> int:
        """How often a text occurs in the Lua files and data of the policy."""
        return sum(source.count(text) for source in self._sources.values())

    def source_line(self, file: str, line: int) -> str:
        """One line of a Lua file."""
        lines = self._sources.get(Path(file), "").splitlines()
        return lines[line - 1] if 0 < line <= len(lines) else ""

    @cached_property
    def _sources(self) -> dict[Path, str]:
        files = {path for suffix in ("lua", "toml", "json") for path in self.root.glob(f"*.{suffix}")}
        # Old releases may be removed meanwhile, which a walk passes over and a glob does not.
        for folder, _, names in os.walk(self.root):
            files |= {Path(folder, name) for name in names if name.endswith(".lua")}
        if self.launcher and self.policy_dir:
            files.add(self.policy_dir / "init.lua")
        return {path: text for path in files if (text := _text(path)) is not None}


def _text(path: Path) -> str | None:
    """What a file holds; None if there is none any more."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        return None
