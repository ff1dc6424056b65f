"""What a log record tells of our own greylisting (RFC 6647): the words are those of ``kumo_policy/greylisting.lua``."""

from __future__ import annotations

import re
from typing import Literal, get_args

from postmta_ctl.core.kumo_log import LogRecord

Outcome = Literal["new", "early", "passed", "known", "allowed", "unavailable"]
"""``new``: put off, since it was never seen; ``early``: put off again, since it came too early; ``passed``: came back
in time; ``known``: passed before; ``allowed``: by a list, or since the client has proved itself; ``unavailable``: taken
in since the node could not use its store."""

_PUT_OFF = re.compile(r"(?:4\.7\.1 )?Greylisted(?P<again> still)?, try again in \d+ seconds")
_TAKEN = frozenset(get_args(Outcome)) - {"new", "early"}


def outcome_of(record: LogRecord) -> Outcome | None:
    """The outcome that a record stands for; none for one that has to do with it not at all.

    A refusal is a Rejection, which KumoMTA writes for each recipient that is answered with a 4xx; what is taken in has
    its outcome in the meta of its Reception.
    """
    if record.type == "Rejection" and record.response.code == 451:
        found = _PUT_OFF.match(record.response.content)
        return None if found is None else "early" if found["again"] else "new"
    if record.type == "Reception":
        outcome = (record.meta or {}).get("x_greylist")
        if outcome is None:
            return None
        return next((one for one in get_args(Outcome) if one == outcome and one in _TAKEN), None)
    return None
