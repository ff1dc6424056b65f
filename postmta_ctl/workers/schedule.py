"""The one list of what runs in the background, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import msgspec

from postmta_ctl.features.auth.sessions import forget_sessions
from postmta_ctl.features.billing.subscriptions import renew_ended
from postmta_ctl.features.credits.alerts import watch_balances
from postmta_ctl.features.domains.rotation_job import rotate_keys
from postmta_ctl.features.domains.verification import recheck_domains
from postmta_ctl.features.live_data.jobs import refresh_live_data
from postmta_ctl.features.messages.cancelling import cancel_at_nodes
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.features.messages.service import forget_answers
from postmta_ctl.features.nodes.watch import watch_nodes
from postmta_ctl.features.policy.canaries import watch as watch_canary
from postmta_ctl.features.policy.drift import watch_drift
from postmta_ctl.features.policy.jobs import bring_nodes_up_to_date, publish_pending
from postmta_ctl.features.policy.retention import forget_old_releases
from postmta_ctl.features.queues.holds import reconcile_holds
from postmta_ctl.features.retention.folding import fold_counts
from postmta_ctl.features.retention.jobs import forget_contents, forget_events, make_partitions
from postmta_ctl.features.security.auto_block.watch import forget_outcomes, watch_rules
from postmta_ctl.features.security.blocklists.monitor import watch_listings
from postmta_ctl.features.tracking.noting import keep_fetches
from postmta_ctl.features.vmtas.pausing import keep_pauses
from postmta_ctl.features.warmup.governor import govern
from postmta_ctl.features.webhooks.delivery import deliver as deliver_webhooks
from postmta_ctl.features.webhooks.delivery import forget as forget_deliveries
from postmta_ctl.roles import Role
from postmta_ctl.system import System


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something done again and again. Each run is one transaction, or several that may each stand alone."""

    name: str
    every: float
    """Seconds between the end of a run and the next."""
    run: Callable[[System], Awaitable[bool | None]]
    """True means that more is waiting: the next run follows at once."""
    role: Role = Role.WORKER
    """Whose job it is. Any number of processes may run it at a time: leases, row locks and advisory locks keep them
    from doing the same thing twice."""


JOBS: tuple[Job, ...] = (
    Job(name="relay", every=0.05, run=relay, role=Role.RELAY),
    Job(name="keep opens and clicks", every=0.25, run=keep_fetches, role=Role.API),
    Job(name="cancel at nodes", every=5.0, run=cancel_at_nodes),
    Job(name="publish pending changes", every=0.5, run=publish_pending),
    Job(name="watch the canary", every=5.0, run=watch_canary),
    Job(name="look for drift", every=300.0, run=watch_drift),
    Job(name="forget old releases", every=600.0, run=forget_old_releases),
    Job(name="watch nodes", every=5.0, run=watch_nodes),
    Job(name="bring nodes up to date", every=5.0, run=bring_nodes_up_to_date),
    Job(name="live data", every=1.0, run=refresh_live_data),
    Job(name="check domains again", every=10.0, run=recheck_domains),
    Job(name="rotate DKIM keys", every=5.0, run=rotate_keys),
    Job(name="deliver webhooks", every=0.1, run=deliver_webhooks),
    Job(name="forget webhook deliveries", every=60.0, run=forget_deliveries),
    Job(name="forget logins", every=3600.0, run=forget_sessions),
    Job(name="hold queues", every=5.0, run=reconcile_holds),
    Job(name="keep vMTAs paused", every=5.0, run=keep_pauses),
    Job(name="auto-block", every=30.0, run=watch_rules),
    Job(name="forget outcomes", every=600.0, run=forget_outcomes),
    Job(name="govern warm-ups", every=5.0, run=govern),
    Job(name="forget idempotency keys", every=600.0, run=forget_answers),
    Job(name="make partitions of events", every=600.0, run=make_partitions),
    Job(name="fold counts", every=3600.0, run=fold_counts),
    Job(name="forget events", every=600.0, run=forget_events),
    Job(name="forget contents", every=600.0, run=forget_contents),
    Job(name="watch credit balances", every=5.0, run=watch_balances),
    Job(name="renew subscriptions", every=60.0, run=renew_ended),
    Job(name="watch blocklists", every=60.0, run=watch_listings),
)


def jobs_of(roles: Collection[Role]) -> tuple[Job, ...]:
    """The jobs of a process with these roles."""
    return tuple(job for job in JOBS if job.role in roles)
