"""Why a server did not take a message: our classes, from its words and codes.

The enhanced status code (RFC 3463, IANA's registry of SMTP enhanced status codes) is often too coarse: 5.7.1 stands
for a blocklist, for spam, for DMARC and for plain policy alike. So the words are looked at first, then the enhanced
code, then KumoMTA's own classification, then the reply code (RFC 5321 §4.2.3). The rules are in
:mod:`postmta_ctl.core.bounce_rules`.
"""

from __future__ import annotations

from functools import lru_cache

from postmta_ctl.core.bounce_rules import BY_CODE, BY_ENHANCED_CODE, BY_KUMOMTA_CLASS, TEXT_RULES, BounceClass
from postmta_ctl.core.kumo_log import EnhancedCode, LogRecord

HARD = frozenset({BounceClass.INVALID_RECIPIENT, BounceClass.INACTIVE_MAILBOX, BounceClass.BAD_DOMAIN})
"""The address itself is at fault and will be tomorrow: no further mail should go to it."""

LOOKED_AT = 1000
"""Characters of a reply that are searched. RFC 5321 §4.5.3.1.5 allows lines of 512; a hostile server sends more."""

_FAILURES = frozenset({"Bounce", "OOB", "TransientFailure", "Expiration"})


@lru_cache(maxsize=10_000)
def classify(
    code: int, enhanced_code: EnhancedCode | None = None, text: str = "", kumomta_class: str | None = None
) -> BounceClass:
    """The class of a negative reply.

    Args:
        code: The reply code; of a deferral 4xx.
        enhanced_code: As KumoMTA parsed it from the reply.
        text: The reply without its codes.
        kumomta_class: ``bounce_classification`` of the log record; names of a customized classifier are ignored.
    """
    words = text[:LOOKED_AT]
    for rule in TEXT_RULES:
        if rule.pattern.search(words):
            return rule.bounce_class
    if enhanced_code and (found := BY_ENHANCED_CODE.get((enhanced_code.subject, enhanced_code.detail))):
        return found
    if found := BY_KUMOMTA_CLASS.get(kumomta_class or ""):
        return found
    return BY_CODE.get(code, BounceClass.TEMPORARY if code < 500 else BounceClass.OTHER)


def class_of(record: LogRecord) -> BounceClass | None:
    """The class of a log record; none for one that tells of no failure."""
    if record.type not in _FAILURES:
        return None
    if record.type == "Expiration":
        return BounceClass.EXPIRED
    response = record.response
    return classify(response.code, response.enhanced_code, response.content, record.bounce_classification)


def is_hard(bounce_class: str) -> bool:
    """Whether a *bounce* of this class means that the address should get no more mail. A deferral never does."""
    return bounce_class in HARD
