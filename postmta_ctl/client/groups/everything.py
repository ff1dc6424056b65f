"""All parts of the API, as attributes of one client."""

from __future__ import annotations

from postmta_ctl.client.calls import Group, R_co
from postmta_ctl.client.groups.analytics import Analytics
from postmta_ctl.client.groups.api_keys import ApiKeys
from postmta_ctl.client.groups.audit import AuditLog
from postmta_ctl.client.groups.auth import Authentication
from postmta_ctl.client.groups.auto_block import AutoBlock
from postmta_ctl.client.groups.billing import Billing
from postmta_ctl.client.groups.blocklists import DnsBlocklists
from postmta_ctl.client.groups.credits import Credits
from postmta_ctl.client.groups.domains import Domains
from postmta_ctl.client.groups.greylisting import Greylisting
from postmta_ctl.client.groups.health import HealthChecks
from postmta_ctl.client.groups.ingest import Ingestion
from postmta_ctl.client.groups.ips import Addresses
from postmta_ctl.client.groups.messages import Messages
from postmta_ctl.client.groups.nodes import Nodes
from postmta_ctl.client.groups.policy import Policy
from postmta_ctl.client.groups.pools import Pools
from postmta_ctl.client.groups.queues import Queues
from postmta_ctl.client.groups.security import Security
from postmta_ctl.client.groups.smtp_credentials import SmtpCredentials
from postmta_ctl.client.groups.suppressions import Suppressions
from postmta_ctl.client.groups.templates import Templates
from postmta_ctl.client.groups.tracking import Tracking
from postmta_ctl.client.groups.users import Users
from postmta_ctl.client.groups.vmtas import Vmtas
from postmta_ctl.client.groups.warmup import Warmup
from postmta_ctl.client.groups.webhooks import Webhooks


class Everything(Group[R_co]):
    """One attribute for each part of the API."""

    def __init__(self, runner: R_co) -> None:
        super().__init__(runner)
        self.health = HealthChecks(runner)
        self.auth = Authentication(runner)
        self.users = Users(runner)
        self.audit = AuditLog(runner)
        self.api_keys = ApiKeys(runner)
        self.credits = Credits(runner)
        self.domains = Domains(runner)
        self.vmtas = Vmtas(runner)
        self.warmup = Warmup(runner)
        self.ips = Addresses(runner)
        self.pools = Pools(runner)
        self.messages = Messages(runner)
        self.queues = Queues(runner)
        self.templates = Templates(runner)
        self.smtp_credentials = SmtpCredentials(runner)
        self.suppressions = Suppressions(runner)
        self.ingest = Ingestion(runner)
        self.webhooks = Webhooks(runner)
        self.tracking = Tracking(runner)
        self.nodes = Nodes(runner)
        self.policy = Policy(runner)
        self.analytics = Analytics(runner)
        self.billing = Billing(runner)
        self.blocklists = DnsBlocklists(runner)
        self.greylisting = Greylisting(runner)
        self.security = Security(runner)
        self.auto_block = AutoBlock(runner)
