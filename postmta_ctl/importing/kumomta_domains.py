"""Domains: keys of KumoMTA's ``dkim_sign`` helper, and where mail that comes in is passed on to."""

from __future__ import annotations

from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.importing import kumomta_values as values
from postmta_ctl.importing.builder import Builder, reason
from postmta_ctl.importing.kumomta_entries import Entries, Entry

DKIM_FOLDER = "/opt/kumomta/etc/dkim"
"""Where the helper looks for keys that have no ``filename`` (docs: userguide/configuration/dkim)."""


class Keys:
    """Collects the domains that mail is signed for."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self.domains = Entries(builder)
        self.base = Entries(builder)

    def finish(self) -> None:
        """Settle them, now that the default selector is known."""
        base = self.base.get(("base",)).get("selector")
        if base:
            self._builder.settle(base.index, "imported", "the selector of domains that name none")
        for (domain,), entries in self.domains:
            try:
                outcome = self._key(domain, entries, base.value if base else None)
                self.domains.settle(entries, "imported", outcome)
            except ValueError as error:
                self.domains.settle(entries, "not_supported", reason(error))

    def _key(self, domain: str, entries: dict[str, Entry], default: object) -> str:
        selector = entries["selector"].value if "selector" in entries else default
        if selector is None:
            raise ValueError("has no selector, and there is none in base")
        path = f"{DKIM_FOLDER}/{domain}/{selector}.key"
        if "filename" in entries:
            path = values.text(entries["filename"].value)
        lines = [entry.index for entry in entries.values()]
        return self._builder.key(domain, values.text(selector), path, *lines)


class Incoming:
    """Collects the domains that strangers may send mail to."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self.relayed = Entries(builder)
        self.routes = Entries(builder)

    def finish(self) -> None:
        """Bring together what two files say of a domain."""
        hosts: dict[str, list[str]] = {}
        for (domain,), entries in self.relayed:
            route = self.routes.get((domain,))
            try:
                hosts[parse_mail_domain(domain)] = [self._host(route)]
                note = "policy.relay_domains, in the settings file"
                self.relayed.settle(entries, "approximated", note)
                self.routes.settle(route, "approximated", note)
            except ValueError as error:
                self.relayed.settle(entries, "not_supported", reason(error))
                self.routes.settle(route, "not_supported", reason(error))
        for name, entries in self.routes:
            if not self.relayed.get(name):
                self.routes.settle(entries, "not_supported", "only mail that comes in is passed on, and this is not")
        if hosts:
            self._builder.setting("relay_domains", hosts)

    @staticmethod
    def _host(route: dict[str, Entry]) -> str:
        if "routing_domain" not in route:
            raise ValueError("policy.relay_domains needs a host to pass the mail on to: give a routing_domain")
        return values.host(route["routing_domain"].value)
