"""What a TSA daemon does by itself when a provider's answers say that it has had enough (traffic shaping automation).

A rule looks for a text in the answers of one provider or domain and says what follows for a while. KumoMTA's daemon
counts and remembers by ready queue, which is one vMTA to one site
(https://docs.kumomta.com/userguide/trafficshaping/automation/). The figures that come with PostMTA name the page that
tells what the answer means; what follows from it is a careful choice of ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postmta_ctl.core.providers import hosts_of
from postmta_ctl.core.shaping import Limits

Action = Literal["suspend", "suspend_tenant", "suspend_campaign", "bounce_tenant", "bounce_campaign", "limit"]
Regex = Annotated[str, Meta(min_length=1, max_length=500, examples=[r"4\.7\.28"])]
Threshold = Annotated[int, Meta(ge=2, le=100_000, examples=[5])]
Seconds = Annotated[int, Meta(ge=60, le=7 * 86400, examples=[1800])]

REASON = "automation rule: "
"""What the reasons of a daemon's holds begin with; the expression follows."""
ACTIONS: dict[Action, str] = {
    "suspend": "Suspend",
    "suspend_tenant": "SuspendTenant",
    "suspend_campaign": "SuspendCampaign",
    "bounce_tenant": "BounceTenant",
    "bounce_campaign": "BounceCampaign",
}
"""KumoMTA's names; a limit is ``SetConfig`` with its option."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What follows from an answer."""

    regex: Regex
    """Looked for anywhere in an answer, which is one line: code, enhanced code, text."""
    action: Action
    """What follows, for the vMTA and site that got the answer: ``suspend`` it, or ``limit`` it; or for the
    organization's mail to the recipient's domain, all of it (``…_tenant``) or that of one campaign: hold or bounce."""
    limits: Limits | None = None
    """With ``limit``: what holds meanwhile, where it is stricter than what holds already."""
    threshold: Threshold | None = None
    """After how many such answers within ``duration``; absent: at once."""
    duration: Seconds
    """Seconds for which it holds after the last such answer."""
    match_internal: bool = False
    """Look in answers that KumoMTA made itself as well, such as for connections that failed."""


class Maintained(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that comes with PostMTA."""

    provider: str
    rule: Rule
    source: str
    """Where the meaning of the answer is from."""


def automation(rule: Rule) -> dict[str, object]:
    """The rule as KumoMTA's shaping files have it.

    The period of a threshold is not looked at by the daemon: it counts within the duration, so that is what we write.
    """
    if rule.limits is not None:
        options = rule.limits.options().items()
        actions: list[object] = [{"SetConfig": {"name": name, "value": value}} for name, value in options]
    else:
        actions = [ACTIONS[rule.action]] if rule.action != "limit" else []
    trigger = "Immediate" if rule.threshold is None else {"Threshold": f"{rule.threshold}/{rule.duration}s"}
    return {
        "regex": [rule.regex],
        "action": actions,
        "trigger": trigger,
        "duration": f"{rule.duration}s",
        "match_internal": rule.match_internal,
    }


def provider_match(provider: str) -> list[dict[str, str]]:
    """How the daemon tells a provider: by its mail exchangers, which its hosted domains have as well."""
    found: list[dict[str, str]] = []
    for host in hosts_of(provider):
        found += [{"HostName": host}, {"MXSuffix": f".{host}"}]
    return found


def _held(provider: str, regex: str, seconds: int, source: str, *, threshold: int | None = None) -> Maintained:
    rule = Rule(regex=regex, action="suspend", duration=seconds, threshold=threshold)
    return Maintained(provider=provider, rule=rule, source=source)


def _limited(provider: str, regex: str, limits: Limits, seconds: int, source: str) -> Maintained:
    rule = Rule(regex=regex, action="limit", limits=limits, duration=seconds, threshold=2)
    return Maintained(provider=provider, rule=rule, source=source)


_SLOW = Limits(connection_limit=1, max_message_rate="10/min")
_ONE = Limits(connection_limit=1)
_GOOGLE = "Google Workspace Admin Help, SMTP error codes (answer 3726730)"
_MICROSOFT = "Microsoft Learn, Fix email delivery issues for error code 451 4.7.500-699 (ASxxx)"
_YAHOO = "Yahoo Sender Hub, SMTP error codes"
_COMCAST = "postmaster.comcast.net, error codes"
_ORANGE = "postmaster.orange.fr, error codes"

MAINTAINED: tuple[Maintained, ...] = (
    _limited("gmail", r"\b4\.7\.28\b", _SLOW, 3600, f"unusual rate of mail: {_GOOGLE}"),
    _held(
        "outlook", r"\b4\.7\.(?:5\d\d|6\d\d)\b", 1800, f"put off for reputation or volume: {_MICROSOFT}", threshold=3
    ),
    _limited("yahoo", r"\[TSS04\]", _SLOW, 3600, f"unexpected volume or complaints: {_YAHOO}"),
    _held("yahoo", r"\[TSS0[1-35-9]\]", 7200, f"put off for complaints: {_YAHOO}", threshold=3),
    _limited("comcast", r"\bRL0{3}\d+", _SLOW, 3600, f"rate limited: {_COMCAST}"),
    _limited("orange", r"\bOFR004_104\b", _ONE, 3600, f"too many connections: {_ORANGE}"),
)
