"""Traffic through a policy that no node has seen: what ``kumod --validate`` does not do, and what breaks at run time.

A policy that loads may still fail at its first message, and a node then refuses mail while it answers 200. So the
release is laid out as on a node, with stand-ins for keys and tokens, and tenants send messages through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec

from postmta_ctl.compiler import scratch
from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.node_files import KeyFile, key_path
from postmta_ctl.features.policy import rehearsal_mail, rehearsal_records, rehearsal_settings
from postmta_ctl.features.policy.bundle_contents import Contents
from postmta_ctl.features.policy.rehearsal_acts import stand_in_key
from postmta_ctl.luavm import Clock, EveryHostHasBoth, HttpRequest, HttpResponse, NodeRuntime, PolicyError

RELEASE = 999_999
"""The number that the release has in the rehearsal; its answer to the probe must be this."""
SENDERS = 50
"""Organizations that send a signed message. All run the same Lua; what they differ in, queue to path, is walked for
every one, but to load an RSA key takes some ten milliseconds."""
TOKEN = "rehearsal"
"""The control plane's, on that node."""
TICKET = 1000
"""Of every warming vMTA, as the control plane hands them out."""


def rehearse(folder: Path, contents: Contents, bundle: Bundle) -> Iterator[Finding]:
    """What goes wrong when tenants send.

    Args:
        folder: An empty one, to lay the node out in.
        contents: What the bundle says: whose tenants and domains.
        bundle: The policy.
    """
    senders = _senders(contents)
    try:
        node = lay_out(folder, contents, bundle, senders)
        vm = node.start()
    except PolicyError as error:
        yield Finding(code="rehearsal-failed", message=str(error), where="start")
        return
    acts = chain(
        rehearsal_settings.acts(vm, contents),
        rehearsal_records.acts(vm),
        rehearsal_mail.acts(vm, contents, senders, release=RELEASE),
    )
    for act in acts:
        try:
            problem = act.run()
        except PolicyError as error:
            yield Finding(code="rehearsal-failed", message=str(error), where=act.where)
        else:
            if problem is not None:
                yield Finding(code=act.code, message=problem, where=act.where)


def lay_out(
    folder: Path, contents: Contents, bundle: Bundle, domains: dict[str, str], clock: Clock | None = None
) -> NodeRuntime:
    """A node that runs the bundle, not started yet.

    Args:
        folder: An empty one.
        contents: What the bundle says.
        bundle: The policy.
        domains: Those that need their keys, as values.
        clock: The node's; real time when absent.
    """
    scratch.lay_out(folder, bundle, RELEASE, admin_token=TOKEN)
    for name in domains.values():
        for key in contents.domains[name].keys:
            path = key_path(folder, KeyFile(name, key.selector, key.id))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stand_in_key(key.algorithm))
    _hand_out_tickets(folder, contents)
    return NodeRuntime(
        folder,
        policy_dir=folder,
        launcher=True,
        http=_unavailable,
        resolver=EveryHostHasBoth(),
        clock=clock,
        databases=folder,
    )


def _hand_out_tickets(folder: Path, contents: Contents) -> None:
    """Else nothing would leave from a vMTA that is warming."""
    ticket = {"serial": 2, "size": TICKET, "day": TICKET, "limits": {}}
    warming = {name: ticket for name, source in contents.sources.items() if source.warming}
    live = folder / "live"
    live.mkdir(exist_ok=True)
    (live / "warmup.json").write_bytes(msgspec.json.encode({"serial": 1, "vmtas": warming}))


def _unavailable(_request: HttpRequest) -> HttpResponse:
    """The control plane is down: what a node does then is part of the rehearsal."""
    return HttpResponse(status=503, body=b"down")


def _senders(contents: Contents) -> dict[str, str]:
    """One domain each of the first organizations that have one."""
    first = {domain.organization: name for name, domain in sorted(contents.domains.items(), reverse=True)}
    return {organization: first[organization] for organization in sorted(first)[:SENDERS]}
