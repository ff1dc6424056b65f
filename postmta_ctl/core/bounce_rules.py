"""The tables by which :mod:`postmta_ctl.core.bounces` classifies.

Each text rule carries replies it was made for; the tests hold it to them. Rules are tried in order, the first match
wins: what is said of the node itself before what a server said, narrow wordings before broad ones.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class BounceClass(StrEnum):
    """Why a message was not taken. The values are public: they are in the API and in webhooks."""

    INVALID_RECIPIENT = "invalid_recipient"
    """There is no such mailbox."""
    INACTIVE_MAILBOX = "inactive_mailbox"
    """There was one; it is closed or disabled."""
    BAD_DOMAIN = "bad_domain"
    """The domain does not exist or takes no mail (RFC 7505)."""
    QUOTA = "quota"
    """The mailbox is full."""
    BLOCKLISTED = "blocklisted"
    """Our address or its reputation is refused, whatever the message."""
    SPAM = "spam"
    """The message was taken for spam or phishing."""
    VIRUS = "virus"
    CONTENT = "content"
    """An attachment or a form of content is not accepted."""
    TOO_LARGE = "too_large"
    AUTHENTICATION = "authentication"
    """SPF, DKIM, DMARC, ARC or reverse DNS failed (RFC 7372)."""
    POLICY = "policy"
    INVALID_SENDER = "invalid_sender"
    """The envelope sender or its domain is refused."""
    RELAY_DENIED = "relay_denied"
    """The server does not handle the recipient's domain, or wants a login."""
    GREYLISTED = "greylisted"
    """First contact is put off (RFC 6647)."""
    RATE_LIMITED = "rate_limited"
    """Too much, too fast, by the receiver's measure."""
    TEMPORARY = "temporary"
    """Try again, without a reason."""
    CONNECTION = "connection"
    """No connection, or a broken one."""
    ROUTING = "routing"
    """DNS or the receiver's inner routing failed."""
    PROTOCOL = "protocol"
    """The servers did not understand each other."""
    EXPIRED = "expired"
    """Deferred for longer than the queue keeps a message."""
    HELD = "held"
    """Kept back by our own node: suspended, throttled, or no source may send it now."""
    INTERNAL = "internal"
    """Our own node is at fault."""
    OTHER = "other"
    """Refused for good, and the reply does not tell why."""


class TextRule(NamedTuple):
    """A wording, the class it means, and replies it was made for."""

    bounce_class: BounceClass
    pattern: re.Pattern[str]
    examples: tuple[str, ...]


def _rule(bounce_class: BounceClass, pattern: str, *examples: str) -> TextRule:
    return TextRule(bounce_class, re.compile(pattern, re.IGNORECASE | re.VERBOSE), examples)


TEXT_RULES = (
    _rule(
        BounceClass.HELD,
        r"^KumoMTA\ internal:.*(suspended|throttle|eligible)",
        "KumoMTA internal: scheduled queue is suspended: held by operator",
        "KumoMTA internal: ready queue throttled",
        "KumoMTA internal: no sources for example.org pool=`acme` are eligible for selection at this time",
    ),
    _rule(
        BounceClass.CONNECTION,
        r"^KumoMTA\ internal:.*(failed\ to\ connect|timed?\ ?out|connection)",
        "KumoMTA internal: failed to connect to any candidate hosts: connection refused",
    ),
    _rule(
        BounceClass.INTERNAL,
        r"^KumoMTA\ internal:",
        "KumoMTA internal: no sources available for example.org pool=`acme`",
        "KumoMTA internal: error in deliver_message: IO error",
    ),
    _rule(
        BounceClass.GREYLISTED,
        r"gr[ea]y.?list|postgrey",
        "Greylisted, try again in 3 seconds",
        "Recipient address rejected: Greylisting in effect, please come back later",
    ),
    _rule(
        BounceClass.RATE_LIMITED,
        r"""rate.?limit|throttl|unexpected\ volume|unusual\ rate|slow\ down|too\ (fast|quickly|frequent)
        |too\ many\ (messages|mails|e-?mails|connections|concurrent|sessions|recipients|errors)
        |exceeded.{0,40}(\brate\b|per\ (hour|minute|day|connection))|sending\ limit""",
        "To protect our users from spam, mail sent from your IP address has been temporarily rate limited",
        "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
        "too many connections from your IP address",
        "unusual rate of unsolicited mail originating from your IP address",
    ),
    _rule(
        BounceClass.INVALID_SENDER,
        r"""sender\ (address\ )?(rejected|denied|unknown|invalid|refused|verif)
        |(invalid|unknown|bad|unverified)\ (sender|return.path|mail\ from)|domain\ of\ sender""",
        "Sender address rejected: Domain not found",
        "Bad sender's mailbox address syntax",
        "Domain of sender address ann@example.org does not exist",
    ),
    _rule(
        BounceClass.AUTHENTICATION,
        r"""\b(dmarc|spf|dkim|arc)\b|unauthenticated|(not|fails?|failed|failure|pass)\ .{0,20}authentic
        |reverse\ (dns|hostname)|\bptr\b|\brdns\b""",
        "Email rejected per DMARC policy for example.org",
        "This mail has been blocked because the sender is unauthenticated",
        "SPF check: 192.0.2.1 is not allowed to send mail for example.org",
        "Client host rejected: cannot find your reverse hostname, [192.0.2.1]",
    ),
    _rule(
        BounceClass.QUOTA,
        r"""(mailbox|inbox|account|user|recipient).{0,40}\b(full|over\ ?quota|exceed\w*\ .{0,20}(storage|quota|size))
        |over\ ?quota|quota\ (is\ )?(exceeded|full)|out\ of\ storage|exceeded\ (the\ |its\ )?(storage|mailbox|disk)""",
        "mailbox full",
        "The email account that you tried to reach is over quota",
        "The recipient's inbox is out of storage space",
        "user has exceeded his quota for storage",
    ),
    _rule(
        BounceClass.INACTIVE_MAILBOX,
        r"""(mailbox|account|user|recipient|address).{0,40}\b(disabled|inactive|suspended|deactivated|discontinued|closed
        |blocked\ for\ inactivity)|no\ longer\ (active|available|valid|in\ use|exists?|accept|on\ this)""",
        "The email account that you tried to reach is disabled",
        "mailbox ann@example.org is inactive",
        "this address is no longer available",
    ),
    _rule(
        BounceClass.BAD_DOMAIN,
        r"""\bnull\ ?mx\b|nxdomain|(recipient\ |destination\ )?domain\ (does\ not\ exist|not\ found|unknown)
        |(domain|host)\ does\ not\ accept\ mail|no\ such\ domain""",
        "recipient domain does not exist",
        "domain does not accept mail (null MX)",
    ),
    _rule(
        BounceClass.INVALID_RECIPIENT,
        r"""(user|recipient|mailbox|account|address|addressee)\ (is\ )?(unknown|invalid|not\ (found|known|exist))
        |unknown\ (user|recipient|mailbox|local\ part|address)|no\ such\ (user|recipient|mailbox|address|person|account)
        |(user|recipient|mailbox|account|address).{0,60}(does\ ?n[o']t\ exist|could\ not\ be\ found|not\ found)
        |(invalid|bad|undeliverable|unrouteable)\ (recipient|mailbox|address|user)|no\ mailbox\ (here|by)
        |not\ a\ (valid|known)\ (user|mailbox|recipient)""",
        "<user>: Recipient address rejected: User unknown",
        "5.1.1 no such user here",
        "The email account that you tried to reach does not exist",
        "Requested action not taken: mailbox not found",
        "unknown user account",
    ),
    _rule(
        BounceClass.VIRUS,
        r"virus|malware|infected|trojan",
        "message contains a virus: Eicar-Test-Signature",
    ),
    _rule(
        BounceClass.BLOCKLISTED,
        r"""(block|black|deny).?list|\b(dnsbl|rbl)\b|spamhaus|spamcop|barracuda|\bsorbs\b|uceprotect|\[?BL\d\d\]?\b
        |(bad|low|poor)\ (sender\ |ip\ |domain\ )?reputation|reputation.{0,30}(low|poor|bad)
        |(\bip\b|client|host|network|server|connection).{0,60}\b(blocked|banned|blacklisted)|blocked\ using""",
        "Service unavailable; client host blocked using DNSBL",
        "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "messages from [192.0.2.1] weren't sent; part of their network is on our block list (S3150)",
        "[BL21] Connections will not be accepted from 192.0.2.1",
        "blocked due to the very low reputation of the sending domain",
    ),
    _rule(
        BounceClass.SPAM,
        r"""spam|unsolicited|\buce\b|\bjunk\b|\bbulk\b|phish|(message|mail)\ content|content\ (filter|reject|refused)
        |suspicious""",
        "message rejected as spam",
        "Our system has detected that this message is likely unsolicited mail",
        "Message rejected due to content restrictions: message content refused",
    ),
    _rule(
        BounceClass.TOO_LARGE,
        r"too\ (large|big)|size\ (limit|exceed)|exceeds.{0,30}\bsize|maximum.{0,20}\bsize",
        "message file too big",
        "Message size exceeds fixed limit",
    ),
    _rule(
        BounceClass.RELAY_DENIED,
        r"""relay(ing)?\b.{0,20}(denied|prohibited|not)|(not|unable|refuse).{0,20}\brelay
        |authentication\ (is\ )?required""",
        "Relay access denied",
        "ann@example.org: relaying not permitted",
        "we do not relay",
    ),
    _rule(
        BounceClass.CONTENT,
        r"attachment|file\ type|\bheaders?\b.{0,30}(missing|invalid|not)|rfc.?\d?5322|from\ header",
        "attachments of this type are not accepted",
        "Messages missing a valid Message-ID header are not accepted",
    ),
    _rule(
        BounceClass.POLICY,
        r"polic(y|ies)|prohibited|administrative|access\ denied|not\ (authori[sz]ed|permitted)|security\ reasons",
        "Message rejected due to local policy",
        "Access denied, contact the postmaster",
    ),
    _rule(
        BounceClass.CONNECTION,
        r"connection\ (refused|reset|timed|lost|dropped)|timed\ out|\btime-?out\b|no\ route\ to\ host|unreachable",
        "connection reset by peer",
        "Timeout waiting for client input",
    ),
    _rule(
        BounceClass.PROTOCOL,
        r"syntax\ error|unrecogni[sz]ed\ command|bad\ sequence|pipelining|\b(helo|ehlo|starttls)\b|line\ too\ long",
        "syntax error, command unrecognized",
        "Must issue a STARTTLS command first",
    ),
)

BY_ENHANCED_CODE: dict[tuple[int, int], BounceClass] = {
    (1, 1): BounceClass.INVALID_RECIPIENT,
    (1, 2): BounceClass.BAD_DOMAIN,
    (1, 3): BounceClass.INVALID_RECIPIENT,
    (1, 6): BounceClass.INACTIVE_MAILBOX,
    (1, 7): BounceClass.INVALID_SENDER,
    (1, 8): BounceClass.INVALID_SENDER,
    (1, 10): BounceClass.BAD_DOMAIN,
    (2, 1): BounceClass.INACTIVE_MAILBOX,
    (2, 2): BounceClass.QUOTA,
    (2, 3): BounceClass.TOO_LARGE,
    (3, 1): BounceClass.TEMPORARY,
    (3, 2): BounceClass.TEMPORARY,
    (3, 4): BounceClass.TOO_LARGE,
    (4, 1): BounceClass.CONNECTION,
    (4, 2): BounceClass.CONNECTION,
    (4, 3): BounceClass.ROUTING,
    (4, 4): BounceClass.ROUTING,
    (4, 5): BounceClass.TEMPORARY,
    (4, 6): BounceClass.ROUTING,
    (4, 7): BounceClass.EXPIRED,
    (5, 1): BounceClass.PROTOCOL,
    (5, 2): BounceClass.PROTOCOL,
    (5, 3): BounceClass.RATE_LIMITED,
    (5, 4): BounceClass.PROTOCOL,
    (5, 6): BounceClass.PROTOCOL,
    (6, 0): BounceClass.CONTENT,
    (6, 1): BounceClass.CONTENT,
    (6, 2): BounceClass.CONTENT,
    (6, 3): BounceClass.CONTENT,
    (6, 7): BounceClass.PROTOCOL,
    (7, 1): BounceClass.POLICY,
    (7, 2): BounceClass.POLICY,
    (7, 7): BounceClass.CONTENT,
    (7, 8): BounceClass.RELAY_DENIED,
    (7, 17): BounceClass.INACTIVE_MAILBOX,
    (7, 18): BounceClass.INACTIVE_MAILBOX,
    (7, 20): BounceClass.AUTHENTICATION,
    (7, 21): BounceClass.AUTHENTICATION,
    (7, 22): BounceClass.AUTHENTICATION,
    (7, 23): BounceClass.AUTHENTICATION,
    (7, 24): BounceClass.AUTHENTICATION,
    (7, 25): BounceClass.AUTHENTICATION,
    (7, 26): BounceClass.AUTHENTICATION,
    (7, 27): BounceClass.INVALID_SENDER,
    (7, 28): BounceClass.RATE_LIMITED,
    (7, 29): BounceClass.AUTHENTICATION,
    (7, 30): BounceClass.POLICY,
}
"""By subject and detail. The class of the code (4 or 5) says for how long, not why."""

BY_KUMOMTA_CLASS = {
    "InvalidRecipient": BounceClass.INVALID_RECIPIENT,
    "InactiveMailbox": BounceClass.INACTIVE_MAILBOX,
    "BadDomain": BounceClass.BAD_DOMAIN,
    "QuotaIssues": BounceClass.QUOTA,
    "SpamBlock": BounceClass.BLOCKLISTED,
    "SpamContent": BounceClass.SPAM,
    "SpamRelated": BounceClass.SPAM,
    "VirusRelated": BounceClass.VIRUS,
    "ProhibitedAttachment": BounceClass.CONTENT,
    "ContentRelated": BounceClass.CONTENT,
    "AuthenticationFailed": BounceClass.AUTHENTICATION,
    "PolicyRelated": BounceClass.POLICY,
    "InvalidSender": BounceClass.INVALID_SENDER,
    "RelayDenied": BounceClass.RELAY_DENIED,
    "RelayingIssues": BounceClass.RELAY_DENIED,
    "TooManyRecipients": BounceClass.RATE_LIMITED,
    "TransientFailure": BounceClass.TEMPORARY,
    "BadConnection": BounceClass.CONNECTION,
    "NoAnswerFromHost": BounceClass.CONNECTION,
    "DNSFailure": BounceClass.ROUTING,
    "RoutingErrors": BounceClass.ROUTING,
    "BadConfiguration": BounceClass.PROTOCOL,
    "ProtocolErrors": BounceClass.PROTOCOL,
    "MessageExpired": BounceClass.EXPIRED,
}
"""KumoMTA's predefined classes (docs: reference/kumo/configure_bounce_classifier) that say why."""

BY_CODE = {
    500: BounceClass.PROTOCOL,
    501: BounceClass.PROTOCOL,
    502: BounceClass.PROTOCOL,
    503: BounceClass.PROTOCOL,
    504: BounceClass.PROTOCOL,
    521: BounceClass.BAD_DOMAIN,
    530: BounceClass.RELAY_DENIED,
    535: BounceClass.RELAY_DENIED,
    552: BounceClass.QUOTA,
    555: BounceClass.PROTOCOL,
    556: BounceClass.BAD_DOMAIN,
}
"""Reply codes that say more than their first digit (RFC 5321 §4.2.3, RFC 7504, RFC 4954)."""
