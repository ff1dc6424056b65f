"""One-click unsubscription (RFC 8058): what mail programs call, and the page that people see.

Only POST changes anything: link scanners and prefetchers send GET.
"""

from __future__ import annotations

import html

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.errors import NotFound
from postmta_ctl.features.messages.happenings import record
from postmta_ctl.features.suppressions import queries
from postmta_ctl.features.suppressions.queries import Unsubscriber
from postmta_ctl.features.suppressions.service import new_row
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.system import System

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1.5rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
_FORM = (
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    "<button>Unsubscribe</button></form>"
)


async def ask(system: System, token: str) -> str:
    """The page with the button; changes nothing.

    Raises:
        NotFound: The token is not of our making, or its recipient is gone.
    """
    who = await _find(system, token)
    text = f"Do you want no more mail from {html.escape(who.organization)} at this address?"
    return _PAGE.format(title="Unsubscribe", text=text, form=_FORM)


async def unsubscribe(system: System, token: str) -> str:
    """Suppress the address for the organization that sent the message; a second time changes nothing.

    Raises:
        NotFound: The token is not of our making, or its recipient is gone.
    """
    who = await _find(system, token)
    now = system.now()
    key = parse_mailbox(who.address).dedupe_key
    row = new_row(who.organization_id, key, "unsubscribe", now, message_id=who.message_id)
    async with system.db.transaction() as connection:
        if await queries.add(connection, [row]):
            await record(connection, [who.recipient_id], "message.unsubscribed", now)
    text = f"You will get no more mail from {html.escape(who.organization)} at this address."
    return _PAGE.format(title="You are unsubscribed", text=text, form="")


async def _find(system: System, token: str) -> Unsubscriber:
    link = tracker(system).read_unsubscribe(token)
    who = None
    if link is not None:
        async with system.db.reading() as connection:
            who = await queries.unsubscriber(connection, link.recipient_id)
    if who is None:
        raise NotFound("This link is not one of ours.")
    return who
