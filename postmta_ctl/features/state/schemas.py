"""What is said of a state file."""

import msgspec

from postmta_ctl.declarative.document import Problem
from postmta_ctl.declarative.steps import Step


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a file would change, or what was changed by it."""

    applied: bool
    steps: list[Step]
    """In the order in which they are done; none: everything is as the file says."""
    problems: list[Problem]
    """Why it cannot be applied."""
