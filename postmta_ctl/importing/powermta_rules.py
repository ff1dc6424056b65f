"""What becomes of PowerMTA's directives."""

from __future__ import annotations

from postmta_ctl.importing.rules import Rule

_LIMITS = "path options are for all destinations, not by recipient domain or vMTA"
_BACKOFF = "there is no backoff by replies: warm-up, retries and auto-block rules go by what receivers answer"
_RECORDS = "every event of every message is in PostMTA's database, and goes out by webhooks"
_NODE = "it is a matter of the node, which KumoMTA's own documentation describes"
_VERP = "every envelope sender is one of its own (VERP)"
_SERVES = "listeners serve every client; who may relay is told apart"
_SITE = "by source and site, for mail to all destinations, by the settings file"
_SIGNS = "PostMTA signs all mail of a verified domain with its keys, over a list of fields of its own"
_ALL = "for mail to all destinations, by the settings file"

RULES = (
    # Anywhere.
    Rule("anywhere", "include", "imported", "the file is read in its place"),
    Rule("anywhere", "domain-macro", "imported", "its domains are put where it is used", "macro"),
    Rule("anywhere", "virtual-mta", "imported", "a vMTA for each of its addresses", "virtual-mta"),
    Rule("anywhere", "virtual-mta-pool", "imported", "a pool", "pool"),
    Rule("anywhere", "domain", "approximated", "what stands in it is reported by itself", "domain-block"),
    Rule("anywhere", "source", "approximated", "what stands in it is reported by itself", "source-block"),
    Rule("anywhere", "smtp-user", "not_supported", "PostMTA draws the secrets of SMTP credentials itself: make one"),
    Rule("anywhere", "smtp-listener", "approximated", "a listener of all nodes, in the settings file", "listener"),
    Rule("anywhere", "smtp-pattern-list", "not_supported", _BACKOFF),
    Rule("anywhere", "pattern-list", "approximated", "what stands in it is reported by itself"),
    Rule(
        "anywhere",
        "bounce-category-patterns",
        "not_supported",
        "bounces are classified by KumoMTA's rule files (policy.bounce_classifier_files) and the enhanced status codes",
    ),
    Rule("anywhere", "acct-file", "not_supported", _RECORDS),
    Rule("anywhere", "bounce-processor", "not_supported", "bounces come in at the bounce domain by themselves"),
    Rule("anywhere", "feedback-loop-processor", "not_supported", "reports come in at the bounce domain by themselves"),
    Rule("anywhere", "spool", "not_supported", "it is set by policy.spool_path in the settings file"),
    # Of the whole server.
    Rule("server", "host-name", "approximated", "the EHLO name of addresses that have none", "host-name"),
    Rule("server", "postmaster", "not_supported", "PostMTA sends no mail to a postmaster"),
    Rule("server", "relay-domain", "not_supported", "policy.relay_domains needs the hosts to pass the mail on to"),
    Rule("server", "relay-domains", "not_supported", "policy.relay_domains needs the hosts to pass the mail on to"),
    Rule("server", "http-access", "not_supported", "people and programs have users, roles and API keys instead"),
    Rule("server", "http-mgmt-port", "not_supported", "the API has an address of its own"),
    Rule("server", "http-redirect-to-https", "not_supported", "TLS is a matter of the proxy before the API"),
    Rule("server", "run-as-root", "not_supported", _NODE),
    Rule("server", "run-as-user", "not_supported", _NODE),
    Rule("server", "log-file", "not_supported", _NODE),
    Rule("server", "log-rotate", "not_supported", _NODE),
    Rule("server", "pickup", "not_supported", "mail comes by the API or by SMTP, not by files"),
    Rule("server", "dns-servers", "not_supported", _NODE),
    Rule("server", "total-max-smtp-in", "not_supported", _NODE),
    Rule("server", "total-max-smtp-out", "not_supported", _NODE),
    Rule("server", "sync-msg-create", "not_supported", "mail is on durable storage before it is acknowledged"),
    Rule("server", "sync-msg-update", "not_supported", "mail is on durable storage before it is acknowledged"),
    Rule("server", "smtp-port", "not_supported", "all mail goes to port 25, or to the smart host's port"),
    # Of a virtual MTA.
    Rule("virtual-mta", "smtp-source-host", "imported", "the address and EHLO name of a vMTA", "source-host"),
    Rule("virtual-mta", "smtp-source-ip", "imported", "the address of a vMTA", "source-host"),
    Rule("virtual-mta", "host-name", "imported", "the EHLO name of its addresses that have none", "vmta-host-name"),
    Rule(
        "virtual-mta",
        "auto-cold-virtual-mta",
        "approximated",
        "a vMTA that warms up by a schedule, and shares the load of the others by itself",
        "cold-host",
    ),
    Rule("virtual-mta", "cold-virtual-mta", "approximated", "what it names warms up by a schedule", "cold-name"),
    Rule("virtual-mta", "domain-key", "imported", "a DKIM key of the sending domain", "domain-key"),
    Rule("virtual-mta", "max-smtp-out", "not_supported", _LIMITS),
    Rule("server", "domain-key", "imported", "a DKIM key of the sending domain", "domain-key"),
    # Of a pool.
    Rule("virtual-mta-pool", "virtual-mta", "imported", "members of the pool", "member"),
    # Of all recipient domains.
    Rule(
        "domain *",
        "max-smtp-out",
        "approximated",
        _SITE,
        "count",
        "path_defaults.connection_limit",
    ),
    Rule(
        "domain *",
        "max-msg-rate",
        "approximated",
        _SITE,
        "rate",
        "path_defaults.max_message_rate",
    ),
    Rule(
        "domain *",
        "max-connect-rate",
        "approximated",
        _SITE,
        "rate",
        "path_defaults.max_connection_rate",
    ),
    Rule(
        "domain *",
        "max-msg-per-connection",
        "approximated",
        _ALL,
        "count",
        "path_defaults.max_deliveries_per_connection",
    ),
    Rule("domain *", "max-rcpt-per-message", "approximated", _ALL, "count", "path_defaults.max_recipients_per_batch"),
    Rule(
        "domain *", "max-rcpt-per-transaction", "approximated", _ALL, "count", "path_defaults.max_recipients_per_batch"
    ),
    Rule("domain *", "connect-timeout", "approximated", _ALL, "time", "path_defaults.connect_timeout"),
    Rule("domain *", "smtp-greeting-timeout", "approximated", _ALL, "time", "path_defaults.banner_timeout"),
    Rule("domain *", "data-send-timeout", "approximated", _ALL, "time", "path_defaults.data_timeout"),
    Rule("domain *", "use-starttls", "approximated", _ALL, "use-tls"),
    Rule("domain *", "require-starttls", "approximated", _ALL, "require-tls"),
    Rule("domain *", "retry-after", "approximated", f"by the same interval each time, {_ALL}", "retry"),
    Rule("domain *", "bounce-after", "approximated", _ALL, "time", "max_age"),
    Rule("domain *", "route", "approximated", f"as a smart host, {_ALL}", "smart-host"),
    Rule("domain *", "smtp-hosts", "approximated", f"as smart hosts, {_ALL}", "smart-host"),
    # Of any recipient domain.
    Rule("domain", "dkim-sign", "approximated", _SIGNS, "yes", "PostMTA signs all mail of a verified domain"),
    Rule("domain", "dk-sign", "not_supported", "DomainKeys is historic (RFC 4870); PostMTA signs by DKIM"),
    Rule("domain", "max-cold-virtual-mta-msg", "approximated", "the warm-up's schedule says how much a vMTA may send"),
    Rule("domain", "smtp-pattern-list", "not_supported", _BACKOFF),
    Rule("domain", "backoff-mode", "not_supported", _BACKOFF),
    Rule("domain", "backoff-max-msg-rate", "not_supported", _BACKOFF),
    Rule("domain", "backoff-max-connect-rate", "not_supported", _BACKOFF),
    Rule("domain", "backoff-retry-after", "not_supported", _BACKOFF),
    Rule("domain", "backoff-notify", "not_supported", _BACKOFF),
    Rule("domain", "backoff-to-normal-after", "not_supported", _BACKOFF),
    Rule("domain", "backoff-to-normal-after-delivery", "not_supported", _BACKOFF),
    Rule("domain", "queue-to", "not_supported", "KumoMTA puts domains of the same MX hosts together by itself"),
    Rule("domain", "log-connections", "not_supported", _RECORDS),
    Rule("domain", "log-commands", "not_supported", _RECORDS),
    Rule("domain", "log-data", "not_supported", _RECORDS),
    Rule("domain", "log-resolution", "not_supported", _RECORDS),
    Rule("domain", "log-transfer-failures", "not_supported", _RECORDS),
    Rule("domain", "*", "not_supported", _LIMITS),
    # Of clients.
    Rule("source", "always-allow-relaying", "approximated", "these hosts may relay, by the settings file", "relaying"),
    Rule("source", "default-virtual-mta", "imported", "the organization's default pool", "default"),
    Rule("source", "pattern-list", "approximated", "all pattern lists are read, whoever uses them"),
    Rule(
        "source",
        "smtp-service",
        "approximated",
        "listeners serve every client; who may relay is told apart",
        "yes",
        "listeners serve every client",
    ),
    Rule("source", "require-auth", "not_supported", "submission listeners ask for credentials, others never do"),
    Rule("source", "process-x-virtual-mta", "not_supported", "the field that pins a message is X-PostMTA-Vmta"),
    Rule("source", "process-x-job", "not_supported", "the field that tags a message is X-PostMTA-Tag"),
    Rule(
        "source",
        "verp-default",
        "approximated",
        "every envelope sender is one of its own (VERP)",
        "yes",
        "every envelope sender is one of its own (VERP)",
    ),
    Rule("source", "remove-received-headers", "not_supported", "fields of a message are left as they are"),
    Rule("source", "add-received-header", "not_supported", "fields of a message are left as they are"),
    Rule("source", "hide-message-source", "not_supported", "fields of a message are left as they are"),
    Rule("source", "max-message-size", "not_supported", "KumoMTA's own limit holds"),
    Rule("source", "*", "not_supported", "PostMTA treats all clients that may relay alike"),
    # Of users.
    Rule("smtp-user", "password", "not_supported", "PostMTA draws the secrets of SMTP credentials itself"),
    Rule("smtp-user", "source", "not_supported", "a credential may be limited to addresses when it is made"),
    Rule("smtp-user", "*", "not_supported", "PostMTA's SMTP credentials know nothing of the kind"),
    Rule("smtp-listener", "*", "not_supported", "a listener for submission is described in the settings file"),
    # Of patterns.
    Rule("smtp-pattern-list", "*", "not_supported", _BACKOFF),
    Rule(
        "bounce-category-patterns",
        "*",
        "not_supported",
        "bounces are classified by KumoMTA's rule files (policy.bounce_classifier_files) and the enhanced status codes",
    ),
    Rule(
        "pattern-list",
        "mail-from",
        "approximated",
        "mail from the domain leaves from the pool, by the domain of the From field instead of the envelope's",
        "mail-from",
    ),
    Rule("pattern-list", "*", "not_supported", "a pool is chosen by the message or by its From domain"),
    # Of files and processors.
    Rule("acct-file", "*", "not_supported", _RECORDS),
    Rule("bounce-processor", "*", "not_supported", "bounces come in at the bounce domain by themselves"),
    Rule("feedback-loop-processor", "*", "not_supported", "reports come in at the bounce domain by themselves"),
    Rule("spool", "*", "not_supported", "it is set by policy.spool_path in the settings file"),
)
