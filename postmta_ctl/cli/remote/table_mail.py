"""The commands on mail and on what it is sent with. A row: name, operation, columns of the table; an example."""

from postmta_ctl.cli.remote.rows import Group, row

MESSAGES = Group(
    "messages",
    "Send messages, follow and cancel them.",
    (
        row(
            "send messages.send",
            "messages send --from news@example.com --to ann@example.org --subject Hello --text Hi",
        ),
        row("send-batch messages.send_batch", "messages send-batch --data @batch.json"),
        row(
            "list messages.list id status subject created_at",
            "messages list --status bounced --limit 20",
        ),
        row("show messages.get", "messages show 0194c0de-7000-7000-8000-000000000001"),
        row(
            "cancel messages.cancel",
            "messages cancel 0194c0de-7000-7000-8000-000000000001 --yes",
            careful=True,
        ),
        row(
            "reschedule messages.reschedule",
            "messages reschedule 0194c0de-7000-7000-8000-000000000001 --send-at 2030-01-01T09:00:00Z",
        ),
        row("explain messages.explain", "messages explain 0194c0de-7000-7000-8000-000000000001"),
        row(
            "simulate messages.simulate_delivery",
            "messages simulate --from news@example.com --to ann@example.org --subject Hello --text Hi",
        ),
    ),
)
QUEUES = Group(
    "queues",
    "Look at queues; hold, release and flush them.",
    (
        row("status queues.status", "queues status"),
        row("list queues.list id size hold.reason oldest_waiting_since last_error", "queues list --held"),
        row(
            "hold queues.act",
            "queues hold spring:acme@example.org --reason 'their MX is down'",
            action="hold",
        ),
        row("release queues.act", "queues release spring:acme@example.org", action="release", body=None),
        row("flush queues.act", "queues flush spring:acme@example.org", action="flush", body=None),
    ),
)
SUPPRESSIONS = Group(
    "suppressions",
    "The addresses that get no more mail.",
    (
        row("list suppressions.list address reason note created_at", "suppressions list --reason complaint"),
        row("add suppressions.add", "suppressions add --address ann@example.org --note 'asked by phone'"),
        row("show suppressions.get", "suppressions show ann@example.org"),
        row("check suppressions.check address suppressed reason", "suppressions check --addresses ann@example.org"),
        row("remove suppressions.remove", "suppressions remove ann@example.org --yes", careful=True),
        row("export suppressions.export_csv", "suppressions export"),
    ),
)
TEMPLATES = Group(
    "templates",
    "Templates of messages and their versions.",
    (
        row("list templates.list id name version updated_at", "templates list"),
        row("add templates.create", "templates add --data @welcome.json"),
        row("show templates.get", "templates show welcome"),
        row("update templates.update", "templates update welcome --subject 'Welcome, {{ name }}'"),
        row("remove templates.delete", "templates remove welcome --yes", careful=True),
        row("versions templates.list_versions version created_at", "templates versions welcome"),
        row("show-version templates.get_version", "templates show-version welcome 2"),
        row("preview templates.preview", 'templates preview welcome --variables \'{"name": "Ann"}\''),
    ),
)
DOMAINS = Group(
    "domains",
    "Sending domains: what to publish in DNS, verification, DKIM keys.",
    (
        row("list domains.list domain status verified_at checked_at", "domains list"),
        row("add domains.create", "domains add --domain example.com"),
        row("show domains.get", "domains show example.com"),
        row("update domains.update", "domains update example.com --dkim-rotation-days 180"),
        row("remove domains.delete", "domains remove example.com --yes", careful=True),
        row("records domains.get type name value check.verdict", "domains records example.com", part="dns_records"),
        row("verify domains.verify", "domains verify example.com"),
        row("logo domains.update_bimi", "domains logo example.com --logo-url https://example.com/logo.svg"),
        row("rotate-dkim domains.rotate_dkim", "domains rotate-dkim example.com"),
        row("rotation domains.get_dkim_rotation", "domains rotation example.com"),
        row("cancel-rotation domains.cancel_dkim_rotation", "domains cancel-rotation example.com --yes", careful=True),
    ),
)
VMTAS = Group(
    "vmtas",
    "Virtual MTAs: addresses that mail leaves from.",
    (
        row(
            "list vmtas.list name ip_address ipv6_address ehlo_domain state warmup.day warmup.allowance_today",
            "vmtas list",
        ),
        row("add vmtas.create", "vmtas add --name mx1 --ip-address 192.0.2.10 --ehlo-domain mx1.example.com"),
        row("show vmtas.get", "vmtas show mx1"),
        row("update vmtas.update", "vmtas update mx1 --ipv6-address 2001:db8::10"),
        row("remove vmtas.delete", "vmtas remove mx1 --yes", careful=True),
        row("pause vmtas.pause", "vmtas pause mx1 --reason 'listed at a blocklist'"),
        row("resume vmtas.resume", "vmtas resume mx1"),
        row("queue vmtas.queue", "vmtas queue mx1"),
    ),
)
POOLS = Group(
    "pools",
    "Named pools of vMTAs.",
    (
        row("list pools.list name default members domains", "pools list"),
        row("add pools.create", 'pools add --name news --members \'[{"vmta": "mx1"}]\' --domains news.example.com'),
        row("show pools.get", "pools show news"),
        row("update pools.update", "pools update news --default"),
        row("remove pools.delete", "pools remove news --yes", careful=True),
    ),
)
WARMUP = (
    row("show warmup.get", "warmup show mx1"),
    row("log warmup.list_decisions created_at kind provider reason", "warmup log mx1 --limit 10"),
    row("start warmup.start", "warmup start mx1 --schedule standard"),
    row("pause warmup.pause", "warmup pause mx1"),
    row("resume warmup.resume", "warmup resume mx1"),
    row("skip warmup.skip_stage", "warmup skip mx1"),
    row("complete warmup.complete", "warmup complete mx1 --yes", careful=True),
    row("schedules warmup.list_schedules name daily_allowances provider_shares", "warmup schedules"),
    row("add-schedule warmup.create_schedule", "warmup add-schedule --name slow --daily-allowances '[50, 100]'"),
    row("show-schedule warmup.get_schedule", "warmup show-schedule slow"),
    row("update-schedule warmup.update_schedule", "warmup update-schedule slow --daily-allowances '[50, 75, 100]'"),
    row("remove-schedule warmup.delete_schedule", "warmup remove-schedule slow --yes", careful=True),
)
"""Beside the forecast and the simulation, which need no API."""
GROUPS = (MESSAGES, QUEUES, SUPPRESSIONS, TEMPLATES, DOMAINS, VMTAS, POOLS)
