"""An authoritative DNS server on the loopback, whose zone a test writes and whose questions it can count."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


@dataclass
class DnsServer:
    """``records[name, type]`` are values; ``failing`` names get SERVFAIL, ``silent`` ones no answer at all."""

    port: int
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    everything: str | None = None
    """The address that a hijacking resolver gives for whatever does not exist."""
    ttl: int = 300
    negative_ttl: int = 120
    asked: list[tuple[str, str]] = field(default_factory=list)

    def publish(self, kind: str, name: str, value: str) -> None:
        """Put a record where records of that name and type were; a long text goes into several strings of it."""
        pieces = [value[start : start + 255] for start in range(0, len(value), 255)]
        self.records[name, kind] = [" ".join(f'"{piece}"' for piece in pieces) if kind == "TXT" else f"{value}."]

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """The response; None: say nothing."""
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = question.to_text().rsplit(" ", 1)[-1]
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        values = self.records.get((name, kind))
        if values is None and self.everything and kind == "A":
            values = [self.everything]
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            response.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *values))
        else:
            known = any(name == one for one, _ in self.records)
            response.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
            text = f"ns.invalid. hostmaster.invalid. 1 3600 600 86400 {self.negative_ttl}"
            response.authority.append(dns.rrset.from_text("test.", 900, "IN", "SOA", text))
        return response


@contextmanager
def running() -> Iterator[DnsServer]:
    """A server on a free port of 127.0.0.1, until the block ends."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(0.1)
    server, stop = DnsServer(port=listener.getsockname()[1]), threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                wire, peer = listener.recvfrom(4096)
            except TimeoutError:
                continue
            if (response := server.answer(dns.message.from_wire(wire))) is not None:
                listener.sendto(response.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server
    stop.set()
    thread.join()
    listener.close()
