"""What the routes of traffic shaping automation take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.core.automation import Action, Regex, Rule, Seconds, Threshold
from postmta_ctl.core.shaping import Limits

Kind = Literal["provider", "domain", "any"]
Note = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["agreed with their postmaster"])]
Target = Annotated[str, Meta(max_length=253, examples=["gmail"])]


class AutomationCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What daemons are to do upon answers of a provider, of one domain, or of anybody."""

    kind: Kind
    target: Target = ""
    """Name of a provider that has mail exchangers of its own, as ``GET /api/v1/shaping/providers`` lists them, or a
    domain of recipients; with ``any``, nothing."""
    regex: Regex
    """Looked for anywhere in an answer: one line of code, enhanced code and text. What KumoMTA's engine (Rust's
    ``fancy-regex``) and Python's read alike is taken."""
    action: Action
    """For the vMTA and the site that answered: ``suspend`` or ``limit``. For the organization's mail to the recipient's
    domain, all of it or one campaign: hold it (``suspend_…``) or bounce it for good (``bounce_…``)."""
    limits: Limits | None = None
    """With ``limit``: what holds meanwhile, where it is stricter than what holds anyway."""
    threshold: Threshold | None = None
    """After how many such answers within ``duration``; absent: at once."""
    duration: Seconds
    """Seconds for which it holds after the last such answer."""
    match_internal: bool = False
    """Look in answers of KumoMTA itself as well, such as for connections that failed."""
    note: Note = ""


class AutomationUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes."""

    regex: Regex | UnsetType = UNSET
    action: Action | UnsetType = UNSET
    limits: Limits | UnsetType | None = UNSET
    threshold: Threshold | UnsetType | None = UNSET
    duration: Seconds | UnsetType = UNSET
    match_internal: bool | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class AutomationRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule. Daemons go by it from the next release of the policy on."""

    id: str
    kind: Kind
    target: str
    regex: str
    action: Action
    limits: Limits | None
    threshold: int | None
    duration: int
    match_internal: bool
    note: str
    updated_at: datetime
    created_at: datetime


class MaintainedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that comes with PostMTA."""

    provider: str
    rule: Rule
    source: str
    """Where the meaning of the answer is from; what follows from it is a choice of ours."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision follows from."""

    regex: str
    rule_id: str | None
    """Of the only rule with this expression; none when it is maintained, was changed since, or is one of several."""
    is_maintained: bool
    """Whether a rule that comes with PostMTA has this expression."""


class SuspendedVmta(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing leaves from a vMTA to a site."""

    vmta: str
    """``organization.vmta``."""
    site: str
    """KumoMTA's name of the site's mail exchangers."""
    cause: Cause
    expires_at: datetime


class StoppedMail(msgspec.Struct, frozen=True, kw_only=True):
    """Mail of an organization to a domain that is held or bounced."""

    tenant: str
    """The organization, or a pool or vMTA of it."""
    domain: str
    campaign: str | None
    cause: Cause
    expires_at: datetime


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of a vMTA towards the site of a domain."""

    vmta: str
    domain: str
    option: str
    value: int | float | str | bool
    cause: Cause
    expires_at: datetime


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """What a daemon answers now."""

    url: str
    ok: bool
    error: str | None = None
    """Why there is no answer of it, or none that makes sense."""
    suspended: list[SuspendedVmta] = []
    held: list[StoppedMail] = []
    bounced: list[StoppedMail] = []
    overrides: list[Override] = []


class TsaState(msgspec.Struct, frozen=True, kw_only=True):
    """The daemons, and what each of them decided."""

    configured: bool
    detail: str
    """What this means, or what to set."""
    daemons: list[Daemon]
