"""What becomes of the values in the files of KumoMTA's policy helpers.

The documentation describes the files: userguide/configuration/sendingips (sources), queuemanagement (queues), domains
(listener_domains), dkim (dkim_data), and userguide/trafficshaping (shaping).
"""

from __future__ import annotations

from postmta_ctl.importing.rules import Rule

_LIMITS = "path options are for all destinations, not by recipient domain, provider or source"
_QUEUES = "queues are alike for all domains, tenants and campaigns"
_SIGNED = "PostMTA signs over a list of fields of its own, relaxed, without an expiration"
_ORGANIZATION = "a message is its sender's, who is known by an API key or SMTP credential, never by a field"
_ALL = "for mail to all destinations, by the settings file"
_TSA = "rules of automation would need KumoMTA's TSA daemon, which PostMTA does not configure"

RULES = (
    Rule("sources", "source.NAME", "imported", "a vMTA", "source"),
    Rule("sources", "source.NAME.source_address", "imported", "the address of a vMTA", "source"),
    Rule("sources", "source.NAME.ehlo_domain", "imported", "the EHLO name of a vMTA", "source"),
    Rule("sources", "source.NAME.ha_proxy_server", "imported", "the proxy of a vMTA", "source"),
    Rule(
        "sources", "source.NAME.ha_proxy_source_address", "imported", "the address of a vMTA behind a proxy", "source"
    ),
    Rule("sources", "source.NAME.socks5_proxy_server", "imported", "the proxy of a vMTA", "source"),
    Rule(
        "sources",
        "source.NAME.socks5_proxy_source_address",
        "imported",
        "the address of a vMTA behind a proxy",
        "source",
    ),
    Rule("sources", "source.NAME.socks5_proxy_username", "not_supported", "proxies are used without a password"),
    Rule("sources", "source.NAME.socks5_proxy_password", "not_supported", "proxies are used without a password"),
    Rule(
        "sources", "source.NAME.remote_port", "not_supported", "all mail goes to port 25, or to the smart host's port"
    ),
    Rule("sources", "source.NAME.ttl", "not_supported", "the policy has sources looked up anew every second"),
    Rule("sources", "source.NAME.suspend_when_unplumbed.*", "not_supported", "vMTAs are paused by hand or by rules"),
    Rule(
        "sources", "source.NAME.suspend_when_proxy_unhealthy.*", "not_supported", "vMTAs are paused by hand or by rules"
    ),
    Rule("sources", "pool.NAME", "imported", "a pool", "pool"),
    Rule("sources", "pool.NAME.MEMBER", "imported", "a member of the pool, of weight 1", "member"),
    Rule("sources", "pool.NAME.MEMBER.weight", "imported", "the weight of a member of the pool", "member"),
    Rule("queues", "default_tenant", "imported", "its pool is the organization's default", "default-tenant"),
    Rule("queues", "scheduling_header", "not_supported", "the field is X-PostMTA-Send-At, or send_at in the API"),
    Rule("queues", "tenant_header", "not_supported", _ORGANIZATION),
    Rule("queues", "remove_tenant_header", "not_supported", _ORGANIZATION),
    Rule("queues", "campaign_header", "not_supported", "the field is X-PostMTA-Tag, or tags in the API"),
    Rule("queues", "remove_campaign_header", "approximated", "the field X-PostMTA-Tag is always taken out"),
    Rule(
        "queues",
        "tenant.NAME.egress_pool",
        "approximated",
        "of the default tenant the organization's default pool; other mail says its pool, or its From domain does",
        "pool-of",
    ),
    Rule("queues", "tenant.NAME.require_authz", "not_supported", _ORGANIZATION),
    Rule("queues", "tenant.NAME.*", "not_supported", _QUEUES),
    Rule("queues", "queue.default.max_age", "approximated", _ALL, "time", "max_age"),
    Rule("queues", "queue.default.retry_interval", "approximated", _ALL, "time", "retry_interval"),
    Rule("queues", "queue.default.max_retry_interval", "approximated", _ALL, "time", "max_retry_interval"),
    Rule("queues", "queue.default.egress_pool", "imported", "the organization's default pool", "pool-of"),
    Rule("queues", "queue.DOMAIN.routing_domain", "approximated", "where mail that comes in is passed on", "routing"),
    Rule("queues", "queue.*", "not_supported", _QUEUES),
    Rule("listener_domains", "DOMAIN.relay_to", "approximated", "mail that comes in, in the settings file", "relay-to"),
    Rule("listener_domains", "DOMAIN.log_oob", "approximated", "reports come in at the bounce domain", "reports"),
    Rule("listener_domains", "DOMAIN.log_arf", "approximated", "reports come in at the bounce domain", "reports"),
    Rule(
        "listener_domains",
        "DOMAIN.relay_from",
        "approximated",
        "these hosts may relay mail of every domain of an organization, by the settings file",
        "relay-from",
    ),
    Rule("listener_domains", "DOMAIN.relay_from_authz", "not_supported", "make an SMTP credential for each of them"),
    Rule("listener_domains", "listener.*", "not_supported", "domains are the same for all listeners"),
    Rule("dkim_data", "domain.NAME", "imported", "a DKIM key of a sending domain", "key"),
    Rule("dkim_data", "domain.NAME.selector", "imported", "a DKIM key of a sending domain", "key"),
    Rule("dkim_data", "domain.NAME.filename", "imported", "where its private key is", "key"),
    Rule("dkim_data", "domain.NAME.algo", "imported", "its key says itself which algorithm it is for", "key"),
    Rule("dkim_data", "domain.NAME.policy", "imported", "mail of the domain is always signed", "key"),
    Rule("dkim_data", "domain.NAME.*", "not_supported", _SIGNED),
    Rule("dkim_data", "base.selector", "imported", "the selector of domains that name none", "base-selector"),
    Rule("dkim_data", "base.policy", "imported", "mail of the domains is always signed"),
    Rule("dkim_data", "base.vault_mount", "not_supported", "keys are read from files"),
    Rule("dkim_data", "base.vault_path_prefix", "not_supported", "keys are read from files"),
    Rule("dkim_data", "base.vault_key", "not_supported", "keys are read from files"),
    Rule("dkim_data", "base.additional_signatures", "not_supported", "mail is signed by its From domain's keys only"),
    Rule("dkim_data", "base.*", "not_supported", _SIGNED),
    Rule("dkim_data", "signature.*", "not_supported", "mail is signed by its From domain's keys only"),
    Rule("shaping", "default.connection_limit", "approximated", _ALL, "path-count", "connection_limit"),
    Rule(
        "shaping",
        "default.max_deliveries_per_connection",
        "approximated",
        _ALL,
        "path-count",
        "max_deliveries_per_connection",
    ),
    Rule("shaping", "default.max_recipients_per_batch", "approximated", _ALL, "path-count", "max_recipients_per_batch"),
    Rule("shaping", "default.max_ready", "approximated", _ALL, "path-count", "max_ready"),
    Rule("shaping", "default.max_message_rate", "approximated", _ALL, "path-rate", "max_message_rate"),
    Rule("shaping", "default.max_connection_rate", "approximated", _ALL, "path-rate", "max_connection_rate"),
    Rule("shaping", "default.connect_timeout", "approximated", _ALL, "path-time", "connect_timeout"),
    Rule("shaping", "default.banner_timeout", "approximated", _ALL, "path-time", "banner_timeout"),
    Rule("shaping", "default.ehlo_timeout", "approximated", _ALL, "path-time", "ehlo_timeout"),
    Rule("shaping", "default.data_timeout", "approximated", _ALL, "path-time", "data_timeout"),
    Rule("shaping", "default.data_dot_timeout", "approximated", _ALL, "path-time", "data_dot_timeout"),
    Rule("shaping", "default.idle_timeout", "approximated", _ALL, "path-time", "idle_timeout"),
    Rule("shaping", "default.enable_tls", "approximated", _ALL, "path-tls", "enable_tls"),
    Rule("shaping", "default.automation.*", "not_supported", _TSA),
    Rule("shaping", "default.*", "not_supported", _LIMITS),
    Rule("shaping", "DOMAIN.automation.*", "not_supported", _TSA),
    Rule("shaping", "provider.*", "not_supported", _LIMITS),
    Rule("shaping", "*", "not_supported", _LIMITS),
    Rule("other", "file", "not_supported", "no file of a policy helper that is known by its name"),
    Rule(
        "other",
        "policy",
        "not_supported",
        "Lua is not read: what your policy does beyond the helpers is yours to compare",
    ),
    Rule("other", "folder", "not_supported", "folders are not looked into; keys are read where the files name them"),
)
