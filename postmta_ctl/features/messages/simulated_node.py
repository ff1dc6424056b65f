"""One release of the policy in the Lua VM, and messages sent through it as a node would take them.

Signatures are made with stand-in keys: they are as long as the real ones, and no private key leaves its place.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import parse_source
from postmta_ctl.compiler.node_files import EVERYWHERE, KeyFile, key_path, write_node_files
from postmta_ctl.core.inject import InjectItem, pack
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.features.live_data import node_folder
from postmta_ctl.features.messages.simulation_schemas import (
    DkimIdentity,
    HeaderSize,
    Retries,
    SimulatedReceiver,
    SimulatedRecipient,
    VmtaOdds,
)
from postmta_ctl.features.policy.rehearsal_acts import stand_in_key
from postmta_ctl.luavm import (
    EgressPathConfig,
    EveryHostHasBoth,
    ManualClock,
    Message,
    NodeRuntime,
    QueueConfig,
    Rejected,
    SourceSelector,
    ThrottleStore,
    no_network,
)
from postmta_ctl.luavm.trace import Trace
from postmta_ctl.sandbox.content import Composer
from postmta_ctl.sandbox.inject import supplemental_header
from postmta_ctl.sandbox.jsonbody import decode
from postmta_ctl.sandbox.receivers import fate_of
from postmta_ctl.sandbox.requests import InjectV1Request

PICKS = 1000
MAX_RETRIES = 100
TIME_LIMIT = 2.0
"""Seconds of computing time for each of KumoMTA's questions: thousands of times what one takes."""
_FIELD = re.compile(rb"(?P<name>[!-9;-~]+):(?P<value>(?:[^\r]|\r(?!\n)|\r\n[ \t])*)\r\n")
_TAG = re.compile(r"(?:^|;)\s*(?P<name>[ads])=(?P<value>[^;\s]+)")
_QUEUE_LIMITS = ("max_age", "retry_interval", "max_retry_interval")
_PATH_LIMITS = (
    "connection_limit",
    "max_connection_rate",
    "max_deliveries_per_connection",
    "max_message_rate",
    "source_selection_rate",
    "additional_source_selection_rates",
    "additional_connection_limits",
    "additional_message_rate_throttles",
    "enable_tls",
)


class SimulatedNode:
    """A node of its own for one request, in a folder that is thrown away.

    Args:
        folder: An empty one.
        bundle: The release; of the sharded data it need hold only what the messages ask for.
        clock: Stands still.
        live: Files of live data, as nodes have them: what may leave today from warming vMTAs, who is suppressed.
        number: The release's.

    Raises:
        PolicyError: The policy does not load.
    """

    def __init__(
        self, folder: Path, bundle: Bundle, clock: ManualClock, live: Mapping[str, bytes], number: int
    ) -> None:
        write_node_files(
            folder,
            node_name=EVERYWHERE,
            ingest_url="http://127.0.0.1:1",
            ingest_token="",
            admin_token="",
            durable=False,
        )
        _write_stand_ins(folder, bundle)
        node_folder.write(folder, live, owner=None)
        root = folder / "release"
        bundle.write(root, release=number)
        self._clock = clock
        dns = EveryHostHasBoth()
        self._node = NodeRuntime(
            root, policy_dir=folder, http=no_network, clock=clock, resolver=dns, time_limit=TIME_LIMIT
        )
        self._vm = self._node.context()

    def watch(self) -> Trace:
        """Note from now on what of the policy runs."""
        return self._vm.watch()

    def send(self, item: InjectItem) -> SimulatedRecipient:
        """What a node would do with one recipient.

        Raises:
            PolicyError: The policy broke at it.
        """
        (call,) = pack([item])
        request = decode(call.body, InjectV1Request)
        (recipient,) = request.recipients
        data = Composer(request, self._clock).compose(recipient)
        meta = {"reception_protocol": "HTTP", "extra": recipient.metadata}
        message = Message("0" * 32, request.envelope_sender, [recipient.email], data, meta, self._clock)
        answer = self._vm.http_message_generated(message)
        if isinstance(answer, Rejected):
            return SimulatedRecipient(address=item.address, outcome="refused", refusal=str(answer).partition("\n")[0])
        message.prepend(supplemental_header(request.trace_headers, message))
        return self._leaving(item.address, message)

    def _leaving(self, address: str, message: Message) -> SimulatedRecipient:
        queue = self._vm.queue_config_of(message.queue_name)
        if self._vm.has_handler("throttle_insert_ready_queue"):
            self._vm.fire("throttle_insert_ready_queue", message)
        domain, headers = domain_of(address), header_sizes(message.data)
        paths = {
            entry.name: self._vm.egress_path(domain, entry.name, f"mx.{domain}")
            for entry in self._vm.egress_pool(queue.egress_pool).entries
        }
        picks = self._picks(queue.egress_pool, domain, paths)
        count = Counter(picks)
        first = next((name for name in picks if name is not None), None)
        return SimulatedRecipient(
            address=address,
            outcome="sent",
            tenant=str(message.meta.get("tenant") or ""),
            queue=message.queue_name,
            pool=queue.egress_pool,
            first_vmta=None if first is None else _vmta(first),
            vmtas=[self._odds(name, path, count[name] / PICKS) for name, path in paths.items()],
            delayed_share=count[None] / PICKS,
            queue_limits=_chosen(queue.values, _QUEUE_LIMITS),
            retries=retries(queue),
            dkim=[identity(one.value) for one in headers if one.name.lower() == "dkim-signature"],
            headers=headers,
            header_octets=sum(one.octets for one in headers),
            octets=len(message.data),
            receiver=receiver(address),
        )

    def _picks(self, pool: str, domain: str, paths: dict[str, EgressPathConfig]) -> list[str | None]:
        """The sources that a fresh queue chooses, one message after the other; None where it must wait."""
        selector = SourceSelector(self._vm.egress_pool(pool).entries)
        store = ThrottleStore(self._clock)

        def throttles(source: str) -> Any:
            return paths[source].selection_throttles(f"{source}->mx.{domain}@smtp_client", source)

        return [selector.select(store, throttles).source for _ in range(PICKS)]

    def _odds(self, source: str, path: EgressPathConfig, share: float) -> VmtaOdds:
        values = self._vm.egress_source(source).values
        return VmtaOdds(
            vmta=_vmta(source),
            egress_source=source,
            ip_address=values.get("source_address"),
            ehlo_domain=values.get("ehlo_domain"),
            share=share,
            limits=_chosen(path.values, _PATH_LIMITS),
        )


def retries(queue: QueueConfig) -> Retries:
    """When a queue tries what nobody takes."""
    max_age, after = queue.seconds("max_age") or 0.0, list[int]()
    at = queue.retry_delay(1)
    while at <= max_age and len(after) < MAX_RETRIES:
        after.append(round(at))
        at += queue.retry_delay(len(after) + 1)
    return Retries(max_age=round(max_age), after=after, is_all=at > max_age)


def receiver(address: str) -> SimulatedReceiver:
    """The first answer of the simulated receiver that has this address."""
    fate = fate_of(address)
    reply = fate.reply(0)
    return SimulatedReceiver(
        sandbox=True,
        meaning=fate.meaning,
        code=reply.code,
        enhanced_code=".".join(map(str, reply.enhanced)),
        reply=reply.content,
    )


def header_sizes(data: bytes) -> list[HeaderSize]:
    """Every header field of a message, in order."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    return [
        HeaderSize(
            name=found["name"].decode("ascii"),
            value=" ".join(found["value"].decode("utf-8", "replace").split()),
            octets=len(found[0]),
        )
        for found in _FIELD.finditer(head)
    ]


def identity(signature: str) -> DkimIdentity:
    """Who a DKIM-Signature field says has signed."""
    tags = {found["name"]: found["value"] for found in _TAG.finditer(signature)}
    return DkimIdentity(domain=tags["d"], selector=tags["s"], algorithm=tags["a"])


def _write_stand_ins(folder: Path, bundle: Bundle) -> None:
    for path, content in bundle.files.items():
        if path.startswith("data/domains/"):
            try:
                keys = [(domain, key) for domain, entry in json.loads(content).items() for key in entry["keys"]]
                for domain, key in keys:
                    _write_stand_in(folder, KeyFile(domain, key["selector"], key["id"]), key["algorithm"])
            except (ValueError, TypeError, KeyError, AttributeError):
                # Somebody changed the file: what the policy says to that is what is asked for.
                continue


def _write_stand_in(folder: Path, file: KeyFile, algorithm: str) -> None:
    place = key_path(folder, file)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{place} is outside of the node's folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(stand_in_key(algorithm))


def _vmta(source: str) -> str:
    parsed = parse_source(source)
    return parsed.vmta if parsed else source


def _chosen(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) not in (None, {}, [])}
