"""The commands on the account, its security, and what it is charged. A row: name, operation, columns; an example."""

from postmta_ctl.cli.remote.rows import Group, row

WEBHOOKS = Group(
    "webhooks",
    "Endpoints that are told of events, and what they were told.",
    (
        row("list webhooks.list id url events enabled", "webhooks list"),
        row("add webhooks.create", "webhooks add --url https://example.com/hook --events message.bounced"),
        row("show webhooks.get", "webhooks show https://example.com/hook"),
        row("update webhooks.update", "webhooks update https://example.com/hook --enabled"),
        row("remove webhooks.delete", "webhooks remove https://example.com/hook --yes", careful=True),
        row("rotate-secret webhooks.rotate_secret", "webhooks rotate-secret https://example.com/hook"),
        row("test webhooks.test", "webhooks test https://example.com/hook"),
        row(
            "deliveries webhooks.list_deliveries id type status attempts created_at",
            "webhooks deliveries https://example.com/hook --status failed",
        ),
        row(
            "replay webhooks.replay_delivery",
            "webhooks replay https://example.com/hook 0194c0de-7000-7000-8000-000000000001",
        ),
    ),
)
API_KEYS = Group(
    "api-keys",
    "Keys of programs that use the API.",
    (
        row("list api_keys.list name prefix scopes expires_at last_used_at", "api-keys list"),
        row("add api_keys.create", "api-keys add --name shop --scopes messages:send"),
        row("show api_keys.get", "api-keys show shop"),
        row("rotate api_keys.rotate", "api-keys rotate shop"),
        row("remove api_keys.delete", "api-keys remove shop --yes", careful=True),
    ),
)
SMTP_CREDENTIALS = Group(
    "smtp-credentials",
    "User names and secrets for submission by SMTP.",
    (
        row("list smtp_credentials.list name username enabled last_used_at", "smtp-credentials list"),
        row("add smtp_credentials.create", "smtp-credentials add --name shop"),
        row("show smtp_credentials.get", "smtp-credentials show shop"),
        row("update smtp_credentials.update", "smtp-credentials update shop --name store"),
        row("rotate smtp_credentials.rotate", "smtp-credentials rotate shop"),
        row("remove smtp_credentials.delete", "smtp-credentials remove shop --yes", careful=True),
    ),
)
USERS = Group(
    "users",
    "People of the organization, and invitations.",
    (
        row("list users.list email role is_operator created_at", "users list --role owner"),
        row("show users.get", "users show ann@example.com"),
        row("set-role users.set_role", "users set-role ann@example.com --role admin"),
        row("remove users.remove", "users remove ann@example.com --yes", careful=True),
        row("invitations users.list_invitations email role expires_at", "users invitations"),
        row("invite users.create_invitation", "users invite --email ann@example.com --role developer"),
        row("withdraw users.withdraw_invitation", "users withdraw ann@example.com --yes", careful=True),
        row("me auth.me", "users me"),
    ),
)
CREDITS = Group(
    "credits",
    "Balances, what used them, and alerts.",
    (
        row("balances credits.balances", "credits balances"),
        row("balance credits.balance", "credits balance email_send"),
        row("consume credits.consume", "credits consume --data @use.json"),
        row("usage credits.usage", "credits usage --period 30d"),
        row("ledger credits.list_ledger created_at credit_type quantity balance cause", "credits ledger --limit 20"),
        row("packages credits.packages", "credits packages"),
        row("alerts credits.list_alerts", "credits alerts"),
        row("add-alert credits.create_alert", "credits add-alert --data @alert.json"),
        row("show-alert credits.get_alert", "credits show-alert 0194c0de-7000-7000-8000-000000000001"),
        row("update-alert credits.update_alert", "credits update-alert 0194c0de-7000-7000-8000-000000000001"),
        row(
            "remove-alert credits.delete_alert",
            "credits remove-alert 0194c0de-7000-7000-8000-000000000001 --yes",
            careful=True,
        ),
        row("grant credits.grant", "credits grant --data @grant.json"),
    ),
)
BILLING = Group(
    "billing",
    "The plan, invoices and what they are made of.",
    (
        row("plan billing.plan", "billing plan"),
        row("upgrade billing.upgrade", "billing upgrade --plan business --yes", careful=True),
        row("downgrade billing.downgrade", "billing downgrade --plan starter --yes", careful=True),
        row("checkout billing.checkout", "billing checkout --data @order.json"),
        row("invoices billing.list_invoices number status total issued_at due_at", "billing invoices"),
        row("invoice billing.get_invoice", "billing invoice 0194c0de-7000-7000-8000-000000000001"),
        row("print-invoice billing.get_invoice_html", "billing print-invoice 0194c0de-7000-7000-8000-000000000001"),
        row(
            "pay-invoice billing.pay_invoice",
            "billing pay-invoice 0194c0de-7000-7000-8000-000000000001 --data @pay.json",
        ),
        row("usage billing.usage_rollup", "billing usage --periods 3"),
        row("details billing.details", "billing details"),
        row("set-details billing.set_details", "billing set-details --data @details.json"),
        row(
            "assign-plan billing.assign_plan",
            "billing assign-plan 0194c0de-7000-7000-8000-000000000001 --plan business",
        ),
    ),
)
ANALYTICS = Group(
    "analytics",
    "What became of the mail, in figures.",
    (
        row("summary analytics.summary", "analytics summary --period 7d"),
        row("timeseries analytics.timeseries", "analytics timeseries --period 24h --interval hour"),
        row("breakdown analytics.breakdown", "analytics breakdown --by tag --period 30d"),
        row("providers analytics.isp", "analytics providers --period 7d"),
        row("trend analytics.trend", "analytics trend --period 30d"),
        row("bounces analytics.bounce_reasons", "analytics bounces --period 7d"),
        row("report analytics.report", "analytics report --period 30d --tz Europe/Berlin"),
        row("print-report analytics.report_html", "analytics print-report --period 30d"),
        row("export analytics.export_csv", "analytics export --period 30d --by provider"),
    ),
)
SECURITY = Group(
    "security",
    "Rules that stop mail, blocks, greylisting, blocklists, judging of drafts and files.",
    (
        row("status security.status", "security status"),
        row("spam-score security.spam_score", "security spam-score --data @draft.json"),
        row("scan security.av_scan", "security scan --data @files.json"),
        row("rules auto_block.list_rules name metric scope threshold action enabled", "security rules"),
        row(
            "add-rule auto_block.create_rule",
            "security add-rule --name bounces --metric bounce_rate --scope vmta --window-minutes 60 --threshold 0.1",
        ),
        row("show-rule auto_block.get_rule", "security show-rule bounces"),
        row("update-rule auto_block.update_rule", "security update-rule bounces --no-enabled"),
        row(
            "toggle-rule auto_block.toggle_rule",
            "security toggle-rule --rule-id 0194c0de-7000-7000-8000-000000000001 --no-enabled",
        ),
        row("remove-rule auto_block.delete_rule", "security remove-rule bounces --yes", careful=True),
        row("blocks auto_block.active_blocks rule_name scope value action created_at expires_at", "security blocks"),
        row("past-blocks auto_block.past_blocks rule_name scope value state ended_at", "security past-blocks"),
        row("block auto_block.get_block", "security block 0194c0de-7000-7000-8000-000000000001"),
        row("unblock auto_block.resolve_block", "security unblock 0194c0de-7000-7000-8000-000000000001 --note mended"),
        row("blocklists blocklists.list", "security blocklists"),
        row("check-blocklists blocklists.check", "security check-blocklists --data @check.json"),
        row("clear-blocklists blocklists.clear_cache", "security clear-blocklists"),
        row("greylisting greylisting.get", "security greylisting"),
        row("set-greylisting greylisting.update", "security set-greylisting --enabled --delay-seconds 300"),
        row("greylisting-stats greylisting.stats", "security greylisting-stats --period 7d"),
    ),
)
AUDIT = Group(
    "audit",
    "Who did what.",
    (row("list audit.list created_at actor action target_id", "audit list --action domain.deleted"),),
)
IPS = Group(
    "ips",
    "The installation's addresses, and who may send from them.",
    (
        row("list ips.list ip_address organization shared note vmtas", "ips list"),
        row("add ips.add", "ips add --ip-address 192.0.2.10 --organization acme"),
        row("show ips.get", "ips show 192.0.2.10"),
        row("update ips.update", "ips update 192.0.2.10 --shared"),
        row("remove ips.remove", "ips remove 192.0.2.10 --yes", careful=True),
    ),
)
SHAPING = Group(
    "shaping",
    "How much is sent to a provider or a domain at once.",
    (
        row("list shaping.list kind target organization limits note", "shaping list"),
        row("providers shaping.providers name limits source", "shaping providers"),
        row("add shaping.add", "shaping add --kind provider --target gmail --limits '{\"connection_limit\": 40}'"),
        row("show shaping.get", "shaping show 0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79"),
        row(
            "update shaping.update",
            "shaping update 0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79 --limits '{\"connection_limit\": 60}'",
        ),
        row("remove shaping.remove", "shaping remove 0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79 --yes", careful=True),
    ),
)
_RULE = "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79"
AUTOMATION = Group(
    "automation",
    "What TSA daemons do upon answers of providers.",
    (
        row("show automation.state", "automation show"),
        row("maintained automation.maintained provider rule source", "automation maintained"),
        row("list automation.list kind target regex action duration note", "automation list"),
        row(
            "add automation.add",
            "automation add --kind provider --target gmail --regex 'unusual rate' --action suspend --duration 1800",
        ),
        row("get automation.get", f"automation get {_RULE}"),
        row("update automation.update", f"automation update {_RULE} --duration 3600"),
        row("remove automation.remove", f"automation remove {_RULE} --yes", careful=True),
    ),
)
HEALTH = Group(
    "health",
    "How a running service is.",
    (
        row("show health.health", "health show"),
        row("ready health.ready", "health ready"),
        row("metrics health.metrics", "health metrics"),
        row("figures health.metrics_json", "health figures"),
    ),
)
GROUPS = (
    *(WEBHOOKS, API_KEYS, SMTP_CREDENTIALS, USERS, CREDITS, BILLING),
    *(ANALYTICS, SECURITY, AUDIT, IPS, SHAPING, AUTOMATION, HEALTH),
)
