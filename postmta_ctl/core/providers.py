"""Which mailbox provider a recipient is at, for mail whose log record does not name one.

KumoMTA names the provider on delivery-side records when its shaping or queue configuration does
(docs: reference/log_record, ``provider_name``). For all else this table stands in: first the recipient's domain, then
the host that took the mail. Names are those that the shaping files shipped with KumoMTA use where they have one.

Sources: the consumer domains are those at which the providers themselves offer addresses; the hosts are those that
their set-up pages tell customers to publish as MX (Google Workspace Admin Help "MX record values", Microsoft Learn
"Connect your domain to Microsoft 365", Apple Support "Custom email domain", Proton "Set up a custom domain", Fastmail
"MX records", Zoho Mail "MX records", Yandex 360 "MX record") or, for those without such a service, that the MX
records of their consumer domains name.
"""

from __future__ import annotations

from functools import lru_cache

OTHER = "other"
"""The provider of everybody else."""

_DOMAINS = {
    "gmail": "gmail.com googlemail.com",
    "outlook": (
        "outlook.com outlook.at outlook.be outlook.co.id outlook.co.th outlook.com.ar outlook.com.au outlook.com.br"
        " outlook.cl outlook.cz outlook.de outlook.dk outlook.es outlook.fr outlook.hu outlook.ie outlook.in outlook.it"
        " outlook.jp outlook.kr outlook.lv outlook.my outlook.ph outlook.pt outlook.sa outlook.sg outlook.sk"
        " hotmail.com hotmail.be hotmail.ca hotmail.ch hotmail.cl hotmail.co.jp hotmail.co.nz hotmail.co.th"
        " hotmail.co.uk hotmail.com.ar hotmail.com.au hotmail.com.br hotmail.com.tr hotmail.de hotmail.dk hotmail.es"
        " hotmail.fi hotmail.fr hotmail.gr hotmail.it hotmail.nl hotmail.no hotmail.se"
        " live.com live.at live.be live.ca live.ch live.cl live.cn live.co.uk live.co.za live.com.ar live.com.au"
        " live.com.mx live.com.pt live.de live.dk live.fi live.fr live.hk live.ie live.in live.it live.jp live.nl"
        " live.no live.ru live.se msn.com passport.com windowslive.com"
    ),
    "yahoo": (
        "yahoo.com yahoo.at yahoo.be yahoo.ca yahoo.cl yahoo.co.id yahoo.co.in yahoo.co.nz yahoo.co.th yahoo.co.uk"
        " yahoo.co.za yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.co yahoo.com.hk yahoo.com.mx yahoo.com.my"
        " yahoo.com.pe yahoo.com.ph yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk"
        " yahoo.es yahoo.fi yahoo.fr yahoo.gr yahoo.hu yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt"
        " yahoo.ro yahoo.se ymail.com rocketmail.com myyahoo.com aol.com aol.co.uk aol.de aol.fr aim.com verizon.net"
    ),
    "yahoo-japan": "yahoo.co.jp ymail.ne.jp",
    "icloud": "icloud.com me.com mac.com",
    "gmx": "gmx.de gmx.net gmx.at gmx.ch gmx.li gmx.eu gmx.com gmx.co.uk gmx.us gmx.fr gmx.es gmx.info gmx.org",
    "web.de": "web.de email.de",
    "mail.com": "mail.com email.com usa.com",
    "t-online": "t-online.de magenta.de",
    "freenet": "freenet.de",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "sfr": "sfr.fr neuf.fr",
    "laposte": "laposte.net",
    "libero": "libero.it virgilio.it",
    "comcast": "comcast.net xfinity.com",
    "mail.ru": "mail.ru inbox.ru list.ru bk.ru internet.ru",
    "yandex": "yandex.ru yandex.com yandex.by yandex.kz ya.ru narod.ru",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "naver": "naver.com",
    "seznam": "seznam.cz email.cz",
    "wp": "wp.pl o2.pl",
    "onet": "onet.pl op.pl",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "fastmail": "fastmail.com fastmail.fm",
    "zoho": "zoho.com zohomail.com zoho.eu zohomail.eu",
}
"""The domains at which people have addresses of the provider."""

_HOSTS = {
    "gmail": "google.com googlemail.com",
    "outlook": "outlook.com mx.microsoft",
    "yahoo": "yahoodns.net",
    "yahoo-japan": "mail.yahoo.co.jp",
    "icloud": "mail.icloud.com",
    "gmx": "gmx.net",
    "web.de": "web.de",
    "mail.com": "mail.com",
    "ionos": "kundenserver.de ionos.com ionos.de 1and1.com",
    "t-online": "t-online.de",
    "freenet": "freenet.de",
    "orange": "orange.fr",
    "free": "free.fr",
    "libero": "libero.it",
    "comcast": "comcast.net",
    "mail.ru": "mail.ru",
    "yandex": "yandex.ru yandex.net",
    "qq": "qq.com",
    "netease": "netease.com",
    "naver": "naver.com",
    "seznam": "seznam.cz",
    "proton": "protonmail.ch",
    "fastmail": "messagingengine.com",
    "zoho": "zoho.com zoho.eu",
    "ovh": "ovh.net",
    "mimecast": "mimecast.com",
    "proofpoint": "pphosted.com ppe-hosted.com",
    "cisco": "iphmx.com",
    "barracuda": "barracudanetworks.com",
}
"""What the names of the provider's mail exchangers end in."""

BY_DOMAIN = {domain: name for name, domains in _DOMAINS.items() for domain in domains.split()}
BY_HOST = {host: name for name, hosts in _HOSTS.items() for host in hosts.split()}
NAMES = frozenset(_DOMAINS) | frozenset(_HOSTS)
"""Every provider that is told from the others."""
"""Provider by domain, and by what the name of a mail exchanger ends in."""
PROVIDERS = frozenset({OTHER, *_DOMAINS, *_HOSTS})
"""Every name that this table can give, and the one of everybody else."""


@lru_cache(maxsize=10_000)
def well_known(domain: str, exchanger: str = "") -> str | None:
    """The provider of a recipient.

    Args:
        domain: Of the address, in lower case.
        exchanger: Name of the host that took or refused the mail, if one was reached.
    """
    return BY_DOMAIN.get(domain) or _by_host(exchanger.rstrip(".").lower())


def domains_of(provider: str) -> list[str]:
    """The domains whose mail is always the provider's; none where it only hosts those of others."""
    return _DOMAINS.get(provider, "").split()


def hosts_of(provider: str) -> list[str]:
    """What the names of a provider's mail exchangers end in; none where it has no exchangers of its own."""
    return _HOSTS.get(provider, "").split()


def _by_host(host: str) -> str | None:
    while host:
        if found := BY_HOST.get(host):
            return found
        host = host.partition(".")[2]
    return None
