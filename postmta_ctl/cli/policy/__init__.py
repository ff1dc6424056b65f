"""``postmta policy``: a module for each kind of thing that it is about."""

from __future__ import annotations

from postmta_ctl.cli.explain import explain
from postmta_ctl.cli.policy import bundles, decisions, drift, releases
from postmta_ctl.cli.policy.group import policy

# Under both names: it is asked as often by who looks after mail as by who looks after the policy.
policy.add_command(explain)

__all__ = ["bundles", "decisions", "drift", "policy", "releases"]
