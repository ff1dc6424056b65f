"""What a verification makes of a domain.

Required are the ownership record, since it alone says *which* organization the domain's owner means, and both DKIM
records: we sign with both keys, and a signature whose key is not found counts as broken at some receivers. SPF is
not: it is judged by the envelope sender (RFC 7208 section 2.4), and that is at our own bounce domain. Nor is DMARC:
both aligned signatures pass it, whether there is a record or not.

Status is ``pending`` until everything required was found at once, then ``verified``. A verified domain whose required
records are *known* to be gone or wrong is ``failing`` and may not send until they are back; a look-up that failed
says nothing, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from postmta_ctl.features.domains.queries import VERIFIED, Status


def next_status(current: Status, required: Iterable[str]) -> Status:
    """The status after the verdicts on the required records (see :mod:`postmta_ctl.core.verdicts`)."""
    verdicts = set(required)
    if verdicts == {"ok"}:
        return VERIFIED
    if current == VERIFIED and verdicts & {"missing", "wrong"}:
        return "failing"
    return current
