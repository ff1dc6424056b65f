"""How a domain wants mail *to* it to be secured: MTA-STS (RFC 8461) and the reports about it, TLS-RPT (RFC 8460)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from postmta_ctl.core.tag_lists import parse_tags
from postmta_ctl.core.verdicts import Verdict, missing, ok, warning, wrong

MAX_POLICY = 64 * 1024
"""Octets of a policy that senders read at most (RFC 8461 §3.3)."""
_MOST_AGE = 31_557_600
_STS = re.compile(r"v=STSv1\s*;")
_REPORTS = re.compile(r"v=TLSRPTv1\s*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_REPORT_URI = re.compile(r"mailto:[^@\s]+@[^@\s]+|https://\S+")
_MODES = ("enforce", "testing", "none")


def policy_url(domain: str) -> str:
    """Where the policy is (RFC 8461 §3.3)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def judge_sts_record(found: Sequence[str]) -> Verdict:
    """Judge the TXT records at ``_mta-sts``."""
    records = [text for text in found if _STS.match(text)]
    if not records:
        return missing("There is no MTA-STS record; it would have mail to this domain encrypted.")
    if len(records) > 1:
        return wrong(f"There are {len(records)} MTA-STS records; senders then use none of them.")
    try:
        tags = parse_tags(records[0])
    except ValueError as error:
        return wrong(f"The MTA-STS record cannot be read: {error}.")
    if not _ID.match(tags.get("id", "")):
        return wrong("The MTA-STS record needs an id of 1 to 32 letters and digits.")
    return ok("The MTA-STS record is valid.")


def judge_sts_policy(text: str, exchanges: Sequence[str]) -> Verdict:
    """Judge the policy file.

    Args:
        text: The file.
        exchanges: The domain's MX hosts.
    """
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in text.splitlines())]
    values = dict(reversed(pairs))
    patterns = [value.lower() for name, value in pairs if name == "mx"]
    if problem := _problem(values):
        return wrong(problem)
    if values["mode"] == "none":
        return warning("The MTA-STS policy has mode none: it asks for nothing.")
    outside = [host for host in exchanges if not any(_matches(host.lower(), pattern) for pattern in patterns)]
    if outside:
        return wrong(f"The MTA-STS policy does not list the MX host {outside[0][:200]}; mail to it is put off.")
    if values["mode"] == "testing":
        return warning("The MTA-STS policy has mode testing: senders report, and deliver all the same.")
    return ok("The MTA-STS policy is enforced, and lists every MX host.")


def _problem(values: Mapping[str, str]) -> str | None:
    age = values.get("max_age", "")
    if values.get("version") != "STSv1":
        return "The MTA-STS policy does not say version: STSv1."
    if values.get("mode") not in _MODES:
        return f"The mode of the MTA-STS policy must be one of {', '.join(_MODES)}."
    if not (age.isascii() and age.isdigit() and len(age) <= 10 and int(age) <= _MOST_AGE):
        return f"The MTA-STS policy needs a max_age of at most {_MOST_AGE} seconds."
    return None


def _matches(host: str, pattern: str) -> bool:
    """A wildcard stands for one label, the first (RFC 8461 §4.1)."""
    return host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])


def judge_tls_reports(found: Sequence[str]) -> Verdict:
    """Judge the TXT records at ``_smtp._tls``."""
    records = [text for text in found if _REPORTS.match(text)]
    if not records:
        return missing("There is no TLS-RPT record; nobody reports trouble with TLS to this domain.")
    if len(records) > 1:
        return wrong(f"There are {len(records)} TLS-RPT records; senders then use none of them.")
    try:
        uris = parse_tags(records[0]).get("rua", "").split(",")
    except ValueError as error:
        return wrong(f"The TLS-RPT record cannot be read: {error}.")
    for uri in uris:
        if not _REPORT_URI.fullmatch(uri.strip()):
            return wrong(f"{uri.strip()[:60]!r} is no address for reports; they begin with mailto: or https:.")
    return ok("The TLS-RPT record is valid.")
