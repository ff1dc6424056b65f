"""The groups themselves."""

from __future__ import annotations

from postmta_ctl.cli.remote import table_account as account
from postmta_ctl.cli.remote import table_mail as mail
from postmta_ctl.cli.remote.commands import group_of
from postmta_ctl.cli.remote.suppression_files import import_file

messages = group_of(mail.MESSAGES)
queues = group_of(mail.QUEUES)
suppressions = group_of(mail.SUPPRESSIONS)
templates = group_of(mail.TEMPLATES)
domains = group_of(mail.DOMAINS)
vmtas = group_of(mail.VMTAS)
pools = group_of(mail.POOLS)
webhooks = group_of(account.WEBHOOKS)
api_keys = group_of(account.API_KEYS)
smtp_credentials = group_of(account.SMTP_CREDENTIALS)
users = group_of(account.USERS)
credits = group_of(account.CREDITS)
billing = group_of(account.BILLING)
analytics = group_of(account.ANALYTICS)
security = group_of(account.SECURITY)
audit = group_of(account.AUDIT)
ips = group_of(account.IPS)
health = group_of(account.HEALTH)

suppressions.add_command(import_file)
