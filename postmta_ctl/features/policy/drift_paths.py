"""Paths as a node resolves them now, against what the published policy says of them.

A node that was switched, and says that it runs the release, may still answer KumoMTA's questions otherwise: by what
it keeps in memory, or by a handler that somebody put before ours. So it is asked, for a few sources and domains, what
it would do: ``GET /api/admin/resolve-egress-path/v1``, which not every version of KumoMTA has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from postmta_ctl.clients.kumod import NodeAddress, NodeRefused, ResolvedPath
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.node_files import EVERYWHERE, write_node_files
from postmta_ctl.core.drift import PathComparison, PathDifference
from postmta_ctl.core.shaping import Limits
from postmta_ctl.luavm import NodeRuntime, PolicyError, no_network
from postmta_ctl.luavm.clock import SystemClock
from postmta_ctl.luavm.configs import UNSPECIFIED, EgressPathConfig
from postmta_ctl.luavm.formats import parse_duration, parse_limit, parse_throttle
from postmta_ctl.luavm.tables import read_table
from postmta_ctl.luavm.vm import Vm
from postmta_ctl.system import System

SOURCES = 4
"""As many are asked about, spread over all names."""
DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "example.net")
"""Each of another large provider, and one of none."""
PATIENCE_SECONDS = 10.0
"""The node looks up mail exchangers, and may have a resolver that does not answer."""
TIME_LIMIT = 2.0
SHOWN = 100
_POOLS = "generated/pools.lua"
_TICKETS = ("source_selection_rate", "additional_source_selection_rates")
"""What a warming vMTA may send: handed out while it runs, and no part of a release."""
_AUTOMATED = Limits.__struct_fields__
"""What a TSA daemon may have made stricter for a while."""
_NOTHING: tuple[Any, ...] = (None, {}, [])


async def compare(system: System, node: NodeAddress, bundle: Bundle) -> PathComparison:
    """Ask a node how it resolves some paths, and compare.

    Raises:
        NodeFailed: It does not answer, or resolving fails on it.
    """
    sources = sample(bundle)
    # The first tells what the node answers for anything that the policy does not settle.
    asked = [(DOMAINS[-1], UNSPECIFIED), *((domain, source) for source in sources for domain in DOMAINS)]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await _ask(system, node, asked)
    except TimeoutError:
        return PathComparison(compared=0, not_compared=f"no answer within {PATIENCE_SECONDS:g} s")
    except NodeRefused as error:
        if error.http_status in (404, 405):
            return PathComparison(compared=0, not_compared="not offered by this node")
        if error.http_status in (401, 403):
            return PathComparison(compared=0, not_compared="refused by this node")
        raise
    try:
        differences = await asyncio.to_thread(_differences, bundle, found)
    except PolicyError as error:
        return PathComparison(compared=0, not_compared=f"the published policy fails in the VM: {error}")
    return PathComparison(compared=len(found) - 1, differences=differences[:SHOWN])


def sample(bundle: Bundle) -> list[str]:
    """A few sources of the policy, spread over all."""
    with suppress(KeyError, PolicyError):
        pools = read_table(bundle.files[_POOLS], _POOLS)
        if isinstance(pools, dict):
            names = sorted({name for pool in pools.values() if isinstance(pool, list) for name in map(str, pool)})
            return names[:: max(1, -(-len(names) // SOURCES))]
    return []


async def _ask(system: System, node: NodeAddress, asked: Sequence[tuple[str, str]]) -> list[ResolvedPath]:
    # The first alone: a node that does not offer it is asked once.
    first = await system.kumod.resolve_path(node, *asked[0])
    rest = await asyncio.gather(*(system.kumod.resolve_path(node, *one) for one in asked[1:]))
    return [first, *rest]


def _differences(bundle: Bundle, found: list[ResolvedPath]) -> list[PathDifference]:
    with TemporaryDirectory(prefix="postmta-paths-") as folder:
        vm = _vm(Path(folder), bundle)
        defaults = EgressPathConfig(vm.decoder.struct(EgressPathConfig.struct, vm.to_lua({}))).values
        pairs = [(one, vm.egress_path(one.domain, one.source, one.site).values) for one in found]
    unsettled = _unsettled(defaults, *pairs[0])
    for _, wanted in pairs if "generated/tsa.lua" in bundle.digests else ():
        for name in _AUTOMATED:
            wanted.pop(name, None)
    return [difference for one, wanted in pairs[1:] for difference in _compared(one, wanted, defaults, unsettled)]


def _vm(folder: Path, bundle: Bundle) -> Vm:
    """The policy without its sending domains, of which paths know nothing."""
    write_node_files(
        folder, node_name=EVERYWHERE, ingest_url="http://127.0.0.1:1", ingest_token="", admin_token="", durable=False
    )
    root = folder / "release"
    Bundle.of({path: one for path, one in bundle.files.items() if not path.startswith("data/")}).write(root, release=0)
    node = NodeRuntime(root, policy_dir=folder, http=no_network, clock=SystemClock(), time_limit=TIME_LIMIT)
    return node.context()


def _unsettled(defaults: Mapping[str, Any], found: ResolvedPath, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the node answers where the policy settles nothing: versions of KumoMTA differ in their defaults."""
    return {name: value for name, value in found.path_config.items() if _is(name, wanted.get(name), defaults.get(name))}


def _compared(
    found: ResolvedPath, wanted: Mapping[str, Any], defaults: Mapping[str, Any], unsettled: Mapping[str, Any]
) -> Iterator[PathDifference]:
    for name, should in wanted.items():
        if name in _TICKETS or name not in found.path_config or _is(name, should, found.path_config[name]):
            continue
        value = found.path_config[name]
        if name in unsettled and _is(name, should, defaults[name]) and _is(name, value, unsettled[name]):
            continue
        yield PathDifference(
            source=found.source, domain=found.domain, option=name, wanted=_text(should), found=_text(value)
        )


def _is(name: str, first: Any, second: Any) -> bool:
    return bool(canonical(name, first) == canonical(name, second))


def canonical(name: str, value: Any) -> Any:
    """A value of an option in one of its forms: KumoMTA answers ``1m`` where a policy says ``60s``."""
    if value in _NOTHING:
        return None
    if name.startswith("additional_") and isinstance(value, Mapping):
        return {key: canonical(name.removeprefix("additional_"), one) for key, one in value.items()}
    if isinstance(value, Mapping) and "limit" in value:
        value = f"{'local:' if value.get('force_local') else ''}{value['limit']}"
    with suppress(ValueError, TypeError):
        if name in ("connection_limit", "connection_limits"):
            return parse_limit(value)
        if name.endswith(("_rate", "_rates", "_rate_throttles")):
            return parse_throttle(value)
        if name.endswith(("_timeout", "_interval")):
            return parse_duration(value)
    return sorted(value, key=str) if isinstance(value, list) else value


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
