"""One simulated KumoMTA node, for trying things out and for tests.

It speaks KumoMTA's HTTP API and writes KumoMTA's log records, and it runs the policy that was published into its
folder: the policy's own handlers choose queue, pool and source, sign, let callers in, and deliver log records. Only
what lies outside of a policy is simulated: spool, queues, timers, and receivers (:mod:`.receivers` says who answers
what). It opens the address it is told to, never the listeners of the policy, so that many can run on one machine.

Not simulated:

- SMTP: no listener, so no Rejection records; no DNS and no TLS; each domain has one MX host of its own.
- Connections: their limits and rates, and ready queues that fill up. Rates of messages and of selecting a source hold.
- The events ``requeue_message``, ``log_disposition_*`` and ``smtp_client_*``; of Lua's own actions ``kumo.api``,
  ``kumo.inject_message`` and ``kumo.spawn_task``; log templates, ``filter_event`` and the bounce classifier.
- Of injection ``deferred_generation`` and the dialect Handlebars (both refused), of messages given as text that KumoMTA
  takes them apart and builds them anew; of scheduling the windows by day of week.
- Delivery by maildir and xfer, ``min_batch_size``, the jitter of retries, memory and disk pressure.
- Endpoints: xfer, abort-ready-q-conn, spool-compact, set_diagnostic_log_filter, memory, task-dump, traces.
"""
