"""Well-known mailbox providers."""

from __future__ import annotations

import pytest

from postmta_ctl.core.providers import well_known


@pytest.mark.parametrize(
    ("domain", "exchanger", "provider"),
    [
        ("gmail.com", "", "gmail"),
        ("googlemail.com", "", "gmail"),
        ("hotmail.fr", "", "outlook"),
        ("yahoo.co.uk", "", "yahoo"),
        ("yahoo.co.jp", "", "yahoo-japan"),
        ("me.com", "", "icloud"),
        ("gmx.net", "", "gmx"),
        ("web.de", "", "web.de"),
        ("acme.example", "aspmx.l.google.com.", "gmail"),
        ("acme.example", "acme-example.mail.protection.OUTLOOK.com.", "outlook"),
        ("acme.example", "acme-example.a-v1.mx.microsoft", "outlook"),
        ("acme.example", "mta5.am0.yahoodns.net", "yahoo"),
        ("acme.example", "mx01.mail.icloud.com", "icloud"),
        ("gmail.com", "mx.gmx.net", "gmail"),
        ("acme.example", "mx.notgoogle.com", None),
        ("acme.example", "google.com.evil.example", None),
        ("mail.gmail.com", "", None),
        ("", "", None),
        ("acme.example", "...", None),
    ],
)
def test_the_provider_of_a_recipient(domain: str, exchanger: str, provider: str | None) -> None:
    assert well_known(domain, exchanger) == provider
