"""People open mail through programs; other programs open it without people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postmta_ctl.core.openers import KNOWN, Opener, recognise

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)
APPLE_MAIL = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0"
OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"
CUBOT = "Mozilla/5.0 (Linux; Android 9; CUBOT Build/PPR1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 Mobile"
PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
GOOGLE = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("words", [CHROME, APPLE_MAIL, THUNDERBIRD, OUTLOOK, CUBOT])
def test_a_mail_program_or_browser_is_a_person(words: str) -> None:
    assert recognise(words, HOUR) == Opener()
    assert recognise(words, None) == Opener()


@pytest.mark.parametrize(
    ("words", "agent"),
    [
        ("Mozilla/5.0", "Apple Mail Privacy Protection"),
        (PREFETCH, "Gmail prefetch"),
        ("Mozilla/5.0 (compatible; BarracudaSentinel/1.0)", "Barracuda"),
        ("Barracuda Sentinel (EE)", "Barracuda"),
        ("Mozilla/5.0 Proofpoint URL Defense", "Proofpoint"),
        ("Mimecast Link Protection", "Mimecast"),
        ("Cisco IronPort Email Security", "Cisco Secure Email"),
        ("TMES", "Trend Micro Email Security"),
        (f"{CHROME} BingPreview/1.0b", "Microsoft preview"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "link preview"),
        (CHROME.replace("Chrome", "HeadlessChrome"), "headless browser"),
        ("curl/8.4.0", "HTTP library"),
        ("python-requests/2.32", "HTTP library"),
        ("Go-http-client/2.0", "HTTP library"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"),
    ],
)
def test_prefetchers_and_scanners_are_bots(words: str, agent: str) -> None:
    assert recognise(words, HOUR) == Opener(agent=agent, is_bot=True)


@pytest.mark.parametrize(("words", "agent"), [(GOOGLE, "Google image proxy"), (YAHOO, "Yahoo Mail proxy")])
def test_a_proxy_that_fetches_for_somebody_is_named_and_is_no_bot(words: str, agent: str) -> None:
    assert recognise(words, HOUR) == Opener(agent=agent, is_bot=False)


@pytest.mark.parametrize("words", [CHROME, GOOGLE])
def test_nobody_is_as_fast_as_a_bot(words: str) -> None:
    assert recognise(words, timedelta(milliseconds=999)).is_bot
    assert recognise(words, timedelta(seconds=-1)).is_bot
    assert not recognise(words, timedelta(seconds=1)).is_bot


def test_who_says_nothing_is_a_bot() -> None:
    assert recognise("", HOUR).is_bot
    assert recognise("  ", None).is_bot


def test_each_entry_says_where_it_is_from() -> None:
    assert all(one.source for one in KNOWN)
