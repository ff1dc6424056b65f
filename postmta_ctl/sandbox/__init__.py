"""One simulated KumoMTA node, for trying things out and for tests.

It speaks KumoMTA's HTTP API and writes KumoMTA's log records, and it runs the policy that was published into its
folder: the policy's own handlers choose queue, pool and source, sign, let callers in, and deliver log records. Only
what lies outside of a policy is simulated: spool, queues, timers, and receivers (:mod:`.receivers` says who answers
what). It opens the address it is told to, never the listeners of the policy, so that many can run on one machine.
"""
