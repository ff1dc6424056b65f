"""Settings of one installation: an optional TOML file, overridden by the environment.

``POSTMTA_CONFIG`` names the file. Each top-level setting has a variable of its own, ``POSTMTA_`` and its name in
capitals; secrets may be given as a file through ``…_FILE`` instead. Unknown settings are refused by name, in
the file as in the environment, since a misspelt one would otherwise be silently ignored.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from postmta_ctl.compiler.model import Listener, NodeOptions
from postmta_ctl.core.client_address import Network, listed_networks
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.roles import ALL_ROLES, Role, parse_roles

PREFIX = "POSTMTA_"
SECRETS = (
    "master_key",
    "former_master_keys",
    "metrics_token",
    "redis_url",
    "jwt_secret",
    "setup_token",
    "rspamd_password",
    "stripe_api_key",
    "stripe_webhook_secret",
)
OF_CLIENTS = ("POSTMTA_URL", "POSTMTA_API_KEY")
"""Variables of commands that go through the API: they may be set where a service runs."""
TABLES = ("billing", "dnsbl", "policy")
"""Settings that are tables of the file and have no variable."""


class PolicySettings(NodeOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[policy]`` table: what its fields mean stands with :class:`postmta_ctl.compiler.model.NodeOptions`."""

    smtp_listeners: tuple[Listener, ...] = (Listener(address="0.0.0.0:25"),)
    http_listeners: tuple[Listener, ...] = (Listener(address="127.0.0.1:8000"),)


class BillingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[billing]`` table: who sells, and how customers pay. Only an installation with priced plans needs it."""

    seller_name: str = ""
    """Legal name, as invoices show it; empty: the host of ``public_url``."""
    seller_address: str = ""
    seller_tax_id: str = ""
    payment_instructions: str = "Please pay by bank transfer and quote the invoice number."
    """Shown with each open invoice that is not paid through Stripe."""
    payment_days: int = 14
    """Days from the issue of an invoice until it is due."""


class DnsblSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[dnsbl]`` table: which DNS blocklists are asked, and how. Read their terms of use first."""

    lists: tuple[str, ...] = ()
    """Ids of the lists; empty: those that the catalogue enables."""
    catalogue: str = ""
    """A file of lists of your own beside those that come with PostMTA (TOML); one of the same id replaces ours."""
    timeout_seconds: float = 4.0
    """How long an answer of one list is waited for."""
    monitor_hours: float = 0.0
    """How often every vMTA's address is checked, with events when it is listed or delisted; 0: never."""


_FEWEST_RELEASES, _LONGEST_DAYS = 2, 36_500


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Made once, by :func:`load`, and handed to whoever needs it."""

    roles: str = ",".join(Role)
    """What this process does, separated by commas; several processes need PostgreSQL."""
    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path("postmta-data")
    """Holds the embedded database, the secrets and the embedded node. Created with mode 0700."""
    database_url: str = ""
    """SQLAlchemy URL: ``sqlite+aiosqlite:///…`` or ``postgresql+asyncpg://…``; empty: SQLite in ``data_dir``."""
    public_url: str = ""
    """How customers, their recipients and the nodes reach this API; empty: ``http://host:port``."""
    ingest_url: str = ""
    """Where nodes send their log records, if the role ``ingest`` has a process of its own; empty: ``public_url``."""
    bounce_domain: str = ""
    """Host part of VERP envelope senders; empty: ``bounce.`` and the host of ``public_url``."""
    tracking_host: str = ""
    """What customers' own tracking hosts (``track.`` and their domain) point to; empty: the host of ``public_url``.
    Links there begin with ``https://``, so what stands before this API must get certificates for such names by
    itself, as Caddy does on demand; it may ask ``/track/host?domain=…`` whether a name is one of them."""
    master_key: str = msgspec.field(default="")
    """32 bytes as 64 hexadecimal digits, under which private keys are encrypted; empty: made in ``data_dir``."""
    former_master_keys: str = ""
    """Master keys of the time before, separated by commas: what is sealed under them opens until it is sealed anew
    (``postmta db reseal``), and links in mail that was sent go on working."""
    jwt_secret: str = ""
    """Signs access tokens; empty: made in ``data_dir``."""
    setup_token: str = ""
    """Asked of the very first registration when not bound to loopback; empty: made and printed at start."""
    access_token_seconds: int = 3600
    refresh_token_seconds: int = 30 * 24 * 3600
    """How long a login lasts that is not used."""
    console_session_seconds: int = 12 * 3600
    """How long one log-in to the console is good for, used or not."""
    invitation_seconds: int = 7 * 24 * 3600
    registration: Literal["open", "invite", "closed"] = "open"
    """Who may register after the first user: anybody, who was invited, nobody."""
    login_attempts_per_address: int = 100
    """Failed logins from one address within fifteen minutes; 0: any number."""
    login_attempts_per_account: int = 10
    """Failed logins to one account within fifteen minutes; 0: any number."""
    rate_limit_key: int = 60_000
    """Requests a minute by one API key; 0: any number. All of them may come at once."""
    rate_limit_user: int = 60_000
    """Requests a minute by one user; 0: any number."""
    rate_limit_organization: int = 120_000
    """Requests a minute by all keys and users of one organization; 0: any number."""
    rate_limit_address: int = 600
    """Requests a minute from one address to what needs no credential, such as registration; 0: any number."""
    metrics_token: str = ""
    """Asked of whoever reads ``/metrics``; empty: they are shown to this host only. Set it behind a proxy."""
    redis_url: str = ""
    """Where several processes share their rate limits, such as ``redis://host:6379/0``; empty: each has its own."""
    trusted_proxies: str = ""
    """Reverse proxies whose ``X-Forwarded-For`` is believed: addresses or networks, separated by commas."""
    embedded_node: bool = True
    """Run a sandbox node beside the API, so that everything works before there is a real one. A process that does not
    have all roles runs none."""
    sandbox_time_scale: float = 1.0
    """How many times as fast mail waits for its retries in the embedded node."""
    outbox_limit: int = 1_000_000
    """Recipients that may wait here for a node, scheduled ones included. When so many do, sending is answered with 503
    (``outbox_full``) and ``Retry-After`` until some have gone; checked every two seconds. 0: any number."""
    waiting_requests: int = 1000
    """Requests to send that may wait for the database at one time; more are answered with 503 (``busy``)."""
    relay_octets: int = 32 * 1024 * 1024
    """Octets of messages that a relay has on their way to nodes at a time, whatever the backlog. In memory they take
    about three times as many; a larger message goes alone."""
    body_octets: int = 256 * 1024 * 1024
    """Octets of request bodies above 64 KiB that are taken in at a time, from the first octet to the answer; for more
    requests are answered with 503 (``busy``) before their body is read, and come again."""
    relay_lease_seconds: float = 90.0
    """How long mail waits that the relay had in hand when it was killed. A node may take a minute to send again the
    records that tell what it had taken by then; with less, a message is sent twice if the node was restarted too."""
    auto_publish: bool | None = None
    """Publish changes of the configuration by themselves; absent: only while the embedded node is the only one."""
    publish_debounce_seconds: float = 1.0
    publish_approval: bool = False
    """Publishing proposes a release, and somebody else than its author approves it before any node sees it."""
    releases_kept: int = 100
    """So many of the newest releases keep their files in the database; of those before, the record of who published
    what and why stays, and they cannot be gone back to. At least 2. What a node runs, or is to run, is always kept."""
    releases_kept_days: float = 90.0
    """A release that ran within so many days, or within ``event_retention_days``, keeps its files, however many came
    after it: messages of that time are explained by them."""
    node_releases_kept: int = 10
    """So many of the newest releases stay in a node's folder, at least 2, and the running one. Agents have an option
    of their own."""
    node_releases_kept_days: float = 0.0
    """What was written to a node within so many days stays there as well."""
    kumod: str = ""
    """A kumod program whose ``--validate`` is part of proving a policy; empty: ``KUMOD``, or the one on the PATH."""
    dns: str = "system"
    """``system``, the address of a resolver with or without a port, or ``sandbox``: pretend every record we
    ask for is published."""
    dkim_grace_days: float = 7.0
    """How long the records of replaced DKIM keys must stay; never less than the queues' ``max_age`` and a day."""
    event_retention_days: int = 30
    """How long events, and records that could not be read, are kept after they came; 0: for ever. Counts, messages with
    their final status, and the audit log stay."""
    content_retention_days: int = 30
    """How long header fields, bodies and attachments of a message are kept after it was accepted; while any of it waits
    for a node they are kept in any case. 0: for ever."""
    hourly_counts_days: int = 35
    """How long counts by a property (domain, vMTA, provider, tag …) are kept by the hour; then they are kept by the day
    of UTC. 0: for ever."""
    webhook_allow_http: bool = False
    """Let customers' webhooks be plain HTTP: for laboratories."""
    webhook_allowed_networks: str = ""
    """Networks in CIDR notation, separated by commas, that webhooks may go to although they are not public."""
    webhook_disable_after_days: float = 5.0
    """After this many days of nothing but failures a webhook is disabled."""
    spam_engine: Literal["builtin", "rspamd", "spamd"] = "builtin"
    """What judges drafts: rules of our own, rspamd, or SpamAssassin's spamd. One that fails is never replaced."""
    spam_threshold: float = 5.0
    """From this score on the built-in rules call a message spam."""
    rspamd_url: str = "http://127.0.0.1:11333"
    rspamd_password: str = ""
    """Of the controller; a normal worker asks for none."""
    spamd_address: str = "127.0.0.1:783"
    """``host:port``, or ``unix:`` and a path. Set ``bayes_auto_learn 0`` there: the protocol cannot ask for it."""
    antivirus_engine: Literal["builtin", "clamd"] = "builtin"
    """What scans files: clamd, or nobody, when only their kind and structure are looked at."""
    clamd_address: str = "127.0.0.1:3310"
    """``host:port``, or ``unix:`` and a path such as ``unix:/run/clamav/clamd.ctl``."""
    engine_timeout_seconds: float = 60.0
    """How long such an engine may take for one message or file."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    max_body_bytes: int = 32 * 1024 * 1024
    ingest_waiting_requests: int = 32
    """Requests of nodes with log records that are held at once; more are answered with 503, and come again."""
    default_plan: str = "self-hosted"
    """The plan of every new organization, by its id in the catalogue."""
    plans_file: str = ""
    """A catalogue of plans and packages of your own (TOML); empty: the one that comes with PostMTA."""
    notice_from: str = ""
    """Where mail of the installation itself, such as credit alerts, comes from; empty: there is none."""
    notice_organization: str = ""
    """Slug of the organization that sends it, which has verified the domain of ``notice_from``."""
    stripe_api_key: str = ""
    """Lets customers pay through Stripe; empty: invoices are paid by hand and marked as paid by the operator."""
    stripe_webhook_secret: str = ""
    """Signs Stripe's callbacks; needed together with the API key."""
    stripe_api_base: str = "https://api.stripe.com"
    billing: BillingSettings = BillingSettings()
    dnsbl: DnsblSettings = DnsblSettings()
    policy: PolicySettings = PolicySettings()

    @property
    def url(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def role_set(self) -> frozenset[Role]:
        """The roles of this process."""
        return parse_roles(self.roles)

    @property
    def has_embedded_node(self) -> bool:
        """Whether this process runs the embedded node."""
        return self.embedded_node and self.role_set == ALL_ROLES

    @property
    def proxies(self) -> tuple[Network, ...]:
        """Networks of the trusted proxies."""
        return listed_networks(self.trusted_proxies)

    @property
    def public_host(self) -> str:
        """Host name part of the public URL."""
        return urlsplit(self.url).hostname or "localhost"

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'postmta.db'}"

    @property
    def bounces(self) -> str:
        """The bounce domain in force. An address cannot be a mail domain, so those fall back to a reserved name."""
        if self.bounce_domain:
            return self.bounce_domain
        host = self.public_host
        return f"bounce.{host}" if "." in host and not host.replace(".", "").isdigit() else "bounce.postmta.test"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; the process's own when absent.

    Raises:
        ConfigurationError: A setting is unknown or of the wrong type; the message names it.
    """
    environ = os.environ if environ is None else environ
    values = _from_file(environ[f"{PREFIX}CONFIG"]) if environ.get(f"{PREFIX}CONFIG") else {}
    values |= _from_environment(environ)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
        _ = settings.proxies
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"settings: {error}") from None
    except ValueError as error:
        raise ConfigurationError(f"trusted_proxies: {error}") from None
    _check_roles(settings)
    _check_retention(settings)
    return settings


def _check_retention(settings: Settings) -> None:
    """The one that runs and the one before: a Lua context may still read from that."""
    for name in ("releases_kept", "node_releases_kept"):
        if getattr(settings, name) < _FEWEST_RELEASES:
            raise ConfigurationError(f"{name}: at least {_FEWEST_RELEASES}")
    for name in ("releases_kept_days", "node_releases_kept_days"):
        if not 0 <= getattr(settings, name) <= _LONGEST_DAYS:
            raise ConfigurationError(f"{name}: from 0 to {_LONGEST_DAYS}")


def _check_roles(settings: Settings) -> None:
    try:
        roles = settings.role_set
    except ValueError as error:
        raise ConfigurationError(f"roles: {error}") from None
    if roles != ALL_ROLES and settings.database.startswith("sqlite"):
        raise ConfigurationError(
            "roles: one process does everything over SQLite, which has one writer; set database_url to PostgreSQL"
        )


def override(name: str, value: str) -> None:
    """Set a setting for this process and those it starts, over what the environment says."""
    os.environ[f"{PREFIX}{name.upper()}"] = value


def foreign_environment() -> dict[str, str]:
    """The process's environment without any setting of ours: what a child process with its own settings starts from."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def named_variable(name: str) -> str | None:
    """A variable of the environment that a file refers to by name; None when it is not set."""
    return os.environ.get(name)


def _from_file(name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}CONFIG: cannot read {name}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: not valid TOML: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {f"{PREFIX}{field.upper()}": field for field in Settings.__struct_fields__ if field not in TABLES}
    files = {f"{PREFIX}{name.upper()}_FILE": name for name in SECRETS}
    values: dict[str, Any] = {"kumod": environ["KUMOD"]} if environ.get("KUMOD") else {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in (f"{PREFIX}CONFIG", *OF_CLIENTS):
            continue
        if variable in known:
            values[known[variable]] = value
        elif variable in files:
            values[files[variable]] = _secret_from_file(variable, value)
        else:
            raise ConfigurationError(_unknown(variable, [*known, *files, f"{PREFIX}CONFIG"]))
    return values


def _secret_from_file(variable: str, name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{variable}: cannot read {name}: {error.strerror}") from error


def _unknown(variable: str, known: list[str]) -> str:
    near = difflib.get_close_matches(variable, known, n=1)
    return f"{variable}: unknown setting" + (f"; did you mean {near[0]}?" if near else "")


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value)).expanduser()
    raise NotImplementedError(kind)
