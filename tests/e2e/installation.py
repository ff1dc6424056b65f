"""The whole of it: the product as a service, a real kumod that runs what it publishes, and somewhere to mail to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tests.dns_server import DnsServer
from tests.e2e.kumod import SUBMISSION_HOST, Kumod, user
from tests.e2e.sink import Sink, SinkServer
from tests.serving import Service, wait_for

BOUNCE_DOMAIN = "bounce.postmta.test"
RETRY_SECONDS = 2
FIRST_VMTA = "127.0.0.2"
Prepare = Callable[[dict[str, Any], Kumod, Sink], None]


@dataclass
class Installation:
    service: Service
    kumod: Kumod
    sink: Sink
    domain: dict[str, Any]
    """The sending domain as the API answered when it was made, with its DNS records."""

    def node(self) -> dict[str, Any]:
        """The node as the API shows it."""
        (found,) = self.service.call("GET", "/api/v1/nodes")["data"]
        return dict(found)

    def add_vmta(self, name: str, address: str) -> str:
        body = {"name": name, "ip_address": address, "ehlo_domain": f"{name}.sender.test"}
        return str(self.service.call("POST", "/api/v1/vmtas", body)["id"])

    def publish(self) -> dict[str, Any]:
        """Publish from the command line, and have every node say that it runs the release."""
        done: dict[str, Any] = json.loads(self.service.command("policy", "publish", "--json"))
        return done

    def start_kumod(self) -> None:
        """Start it, and wait until the control plane has noticed."""
        before = self.node()["online_since"]
        self.kumod.start()
        wait_for(lambda: self.node()["online_since"] != before, "the node being seen again")
        wait_for(lambda: self.node()["running_release"], "the node saying what it runs")


@contextmanager
def installed(
    folder: Path,
    dns: DnsServer | None = None,
    join: Callable[[Installation], None] | None = None,
    prepare: Prepare | None = None,
    **settings: str,
) -> Iterator[Installation]:
    """From an empty folder to a node that runs release 1, the way an operator goes.

    Args:
        folder: Where everything lies.
        dns: Whom the service asks; without it, it pretends that every record is published.
        join: Makes the node known; by default as one whose folder the control plane writes to.
        prepare: May change the ``[policy]`` table, and how the node is started.
        settings: More variables of the environment.
    """
    sink, kumod = Sink(), Kumod(folder)
    config = folder / "postmta.toml"
    table = policy_settings(kumod, sink)
    if prepare is not None:
        prepare(table, kumod, sink)
    config.write_text(tomli_w.dumps({"policy": table}))
    environment = {
        "POSTMTA_CONFIG": str(config),
        "POSTMTA_EMBEDDED_NODE": "false",
        "POSTMTA_BOUNCE_DOMAIN": BOUNCE_DOMAIN,
        **({"POSTMTA_DNS": f"127.0.0.1:{dns.port}"} if dns else {}),
        **settings,
    }
    with closing(Service(folder, environment)) as service, closing(kumod):
        server = SinkServer(sink)
        server.start()
        try:
            service.start()
            service.register()
            here = Installation(service, kumod, sink, service.verified_domain("sender.test", dns))
            here.add_vmta("mx1", FIRST_VMTA)
            (join or add_node)(here)
            # Nobody is there yet to say that it runs the release: the files are written, the status says the rest.
            service.command("policy", "publish", status=1)
            here.start_kumod()
            yield here
        finally:
            server.stop()


def policy_settings(kumod: Kumod, sink: Sink) -> dict[str, Any]:
    """The ``[policy]`` table of an installation that neither listens nor sends beyond loopback."""
    return {
        "smtp_listeners": [{"address": f"127.0.0.1:{kumod.smtp_port}", "hostname": f"mx.{BOUNCE_DOMAIN}"}],
        "submission_listeners": [
            {
                "address": f"127.0.0.1:{kumod.submission_port}",
                "hostname": SUBMISSION_HOST,
                "tls_certificate": str(kumod.certificate),
                "tls_private_key": str(kumod.private_key),
            }
        ],
        "http_listeners": [{"address": f"127.0.0.1:{kumod.http_port}"}],
        "spool_path": str(kumod.spool),
        "spool_kind": "LocalDisk",
        "log_path": str(kumod.logs),
        "smart_host": [f"[127.0.0.1]:{sink.port}"],
        "relay_domains": {"corp.test": [f"[127.0.0.1]:{sink.port}"]},
        "retry_interval": f"{RETRY_SECONDS}s",
        "max_retry_interval": f"{RETRY_SECONDS}s",
        # KumoMTA does not deliver to loopback unless told that nothing is prohibited.
        "path_defaults": {"enable_tls": "Disabled", "prohibited_hosts": []},
    }


def add_node(here: Installation) -> None:
    owner = user()
    options = ["--admin-url", here.kumod.url, "--policy-dir", str(here.kumod.policy_dir)]
    here.service.command("node", "add", "mx-1", *options, *(["--file-owner", owner] if owner else []))
