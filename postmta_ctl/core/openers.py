"""Who opens mail and follows links besides people: programs that fetch ahead, stand in between, or scan. Pure.

A proxy that fetches *because* somebody opened the mail tells of a person; one that fetches ahead, and a scanner, do
not. User agents are what the makers or those who measured them published, see each entry; they can be forged, and a
scanner that passes itself off as a browser is only known by its haste.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

import msgspec

TOO_FAST = timedelta(seconds=1)
"""Nobody opens a mail, or follows a link in it, within this time of the delivery."""


class Opener(msgspec.Struct, frozen=True, kw_only=True):
    """What fetched a pixel or followed a link."""

    agent: str | None = None
    """Name of the program, if it is one of the table."""
    is_bot: bool = False
    """Nobody had to look at the mail for it."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    pattern: re.Pattern[str]
    agent: str
    is_bot: bool
    source: str


def _known(pattern: str, agent: str, source: str, *, is_bot: bool = True) -> _Known:
    return _Known(pattern=re.compile(pattern, re.IGNORECASE), agent=agent, is_bot=is_bot, source=source)


_BIRD = "bird.com, Gmail is Prefetching Images"
_CRAWLERS = "github.com/monperrus/crawler-user-agents"
_SCANNERS = "live-direct-marketing.online, Bot clicks from security scanners"

KNOWN: tuple[_Known, ...] = (
    _known(
        r"\AMozilla/5\.0\Z",
        "Apple Mail Privacy Protection",
        "help.socketlabs.com, Identifying Apple MPP opens; the user agent is this and nothing more",
    ),
    _known(r"Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246 Mozilla/5\.0\Z", "Gmail prefetch", _BIRD),
    _known(r"GoogleImageProxy", "Google image proxy", f"{_BIRD}: fetches when the mail is opened", is_bot=False),
    _known(r"YahooMailProxy", "Yahoo Mail proxy", "help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", is_bot=False),
    _known(r"Barracuda", "Barracuda", _SCANNERS),
    _known(r"Proofpoint", "Proofpoint", _SCANNERS),
    _known(r"Mimecast", "Mimecast", _SCANNERS),
    _known(r"CiscoSecureEmail|IronPort", "Cisco Secure Email", _SCANNERS),
    _known(r"\bTMES\b", "Trend Micro Email Security", _SCANNERS),
    _known(r"BingPreview", "Microsoft preview", _CRAWLERS),
    _known(r"Slackbot|Twitterbot|facebookexternalhit|WhatsApp/|TelegramBot|Discordbot", "link preview", _CRAWLERS),
    _known(r"HeadlessChrome|PhantomJS", "headless browser", _CRAWLERS),
    _known(
        r"\A(?:curl|Wget|python-requests|python-urllib|Go-http-client|Java|okhttp|libwww-perl)/",
        "HTTP library",
        _CRAWLERS,
    ),
    # A maker of telephones is called Cubot.
    _known(r"(?<!cu)bot\b|crawler|spider\b", "crawler", _CRAWLERS),
)
"""Tried from first to last, anywhere in the user agent."""


@lru_cache(maxsize=10_000)
def _matching(words: str) -> _Known | None:
    return next((one for one in KNOWN if one.pattern.search(words)), None)


def recognise(user_agent: str, since_delivery: timedelta | None) -> Opener:
    """Judge a fetch.

    Args:
        user_agent: As it was sent; empty if there was none, as no mail program or browser does it.
        since_delivery: Time since the recipient's server took the message, when that is known.
    """
    is_too_fast = since_delivery is not None and since_delivery < TOO_FAST
    words = user_agent.strip()
    if (one := _matching(words)) is not None:
        return Opener(agent=one.agent, is_bot=one.is_bot or is_too_fast)
    return Opener(is_bot=is_too_fast or not words)
