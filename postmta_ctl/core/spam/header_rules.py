"""Rules about the header section and the lines (RFC 5322)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import getaddresses, parsedate_to_datetime

from postmta_ctl.core.lenient_mime import decoded
from postmta_ctl.core.spam.mail import Mail
from postmta_ctl.core.spam.rules import Rule, quoted

MAX_LINE = 998
"""Octets without CRLF (RFC 5322 §2.1.1)."""
_ADDRESS = re.compile(r"[^@\s<>]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")
_MAX_NAME = 200
_MAX_COMMENTS = 20
_REPLY = re.compile(r"\s*(?:re|aw|fwd?|wg)\s*:", re.IGNORECASE)
_SHOUTED = re.compile(r"[!?$€£]{3,}")
_ONCE = ("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject", "date")


def _mailboxes(value: str) -> list[tuple[str, str]]:
    """Names and addresses of a field. The parser nests its calls as deep as comments are nested, so few may be."""
    return [] if value.count("(") > _MAX_COMMENTS else getaddresses([value])


def _mailbox(mail: Mail, name: str) -> tuple[str, str]:
    return next(iter(_mailboxes(mail.field(name) or "")), ("", ""))


def _from_missing(mail: Mail) -> str | None:
    return None if (mail.first("from") or "").strip() else "there is no From field"


def _from_malformed(mail: Mail) -> str | None:
    value = mail.field("from") or ""
    found = _mailboxes(value)
    well_formed = all(_ADDRESS.fullmatch(address) for _, address in found)
    return None if not value.strip() or (found and well_formed) else f"From is {quoted(value)}"


def _from_name_has_other_address(mail: Mail) -> str | None:
    name, address = _mailbox(mail, "from")
    shown = _ADDRESS.search(decoded(name)[:_MAX_NAME])
    if shown is None or address.lower().endswith("@" + shown[1].lower()):
        return None
    return f"the name shows an address at {shown[1]}, the mail is from {quoted(address)}"


def _reply_to_other_domain(mail: Mail) -> str | None:
    sender, answer = (_mailbox(mail, name)[1].lower() for name in ("from", "reply-to"))
    ours, theirs = sender.rpartition("@")[2], answer.rpartition("@")[2]
    if not ours or not theirs or f".{ours}".endswith(f".{theirs}") or f".{theirs}".endswith(f".{ours}"):
        return None
    return f"From is at {quoted(ours)}, answers go to {quoted(theirs)}"


def _date(mail: Mail) -> datetime | None:
    try:
        found = parsedate_to_datetime(mail.first("date") or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    # "-0000" says that the zone is unknown (RFC 5322 §3.3).
    return found if found.tzinfo else None


def _date_missing(mail: Mail) -> str | None:
    return "there is no Date field" if mail.first("date") is None else None


def _date_malformed(mail: Mail) -> str | None:
    value = mail.first("date")
    if value is None:
        return None
    try:
        parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return f"Date is {quoted(value)}"
    return None


def _date_in_future(mail: Mail) -> str | None:
    date = _date(mail)
    return f"Date is {date}" if date is not None and date > mail.judged_at + timedelta(days=1) else None


def _date_long_past(mail: Mail) -> str | None:
    date = _date(mail)
    return f"Date is {date}" if date is not None and date < mail.judged_at - timedelta(days=7) else None


def _message_id_missing(mail: Mail) -> str | None:
    return "there is no Message-ID field" if mail.first("message-id") is None else None


def _message_id_malformed(mail: Mail) -> str | None:
    value = mail.first("message-id")
    return None if value is None or _MESSAGE_ID.fullmatch(value.strip()) else f"Message-ID is {quoted(value)}"


def _no_recipient(mail: Mail) -> str | None:
    return None if mail.first("to") or mail.first("cc") else "there is neither To nor Cc"


def _repeated_field(mail: Mail) -> str | None:
    repeated = [name for name in _ONCE if mail.count(name) > 1]
    return f"more than one: {', '.join(repeated)}" if repeated else None


def _raw_8bit_header(mail: Mail) -> str | None:
    return "the header section has octets that are not ASCII" if mail.has_raw_8bit_header else None


def _subject_missing(mail: Mail) -> str | None:
    return None if (mail.first("subject") or "").strip() else "there is no subject"


def _subject_all_caps(mail: Mail) -> str | None:
    subject = mail.first("subject") or ""
    letters = [one for one in subject if one.isupper() or one.islower()]
    shouting = len(letters) >= 10 and sum(one.isupper() for one in letters) >= 0.9 * len(letters)
    return f"the subject is {quoted(subject)}" if shouting else None


def _subject_punctuation(mail: Mail) -> str | None:
    subject = mail.first("subject") or ""
    return f"the subject is {quoted(subject)}" if _SHOUTED.search(subject) or subject.count("!") > 3 else None


def _subject_fake_reply(mail: Mail) -> str | None:
    subject = mail.first("subject") or ""
    if not _REPLY.match(subject) or mail.first("in-reply-to") or mail.first("references"):
        return None
    return f"the subject is {quoted(subject)}, and nothing tells what it answers"


def _mime_version_missing(mail: Mail) -> str | None:
    has_type = mail.first("content-type") is not None or mail.first("content-transfer-encoding") is not None
    return "MIME fields without MIME-Version" if has_type and mail.first("mime-version") is None else None


def _line_too_long(mail: Mail) -> str | None:
    return f"a line has {mail.longest_line} octets" if mail.longest_line > MAX_LINE else None


def _mixed_line_ends(mail: Mail) -> str | None:
    return "some lines end in CRLF, others in LF alone" if mail.has_mixed_line_ends else None


def _bulk_sign(mail: Mail) -> str | None:
    if (mail.first("precedence") or "").strip().lower() in ("bulk", "list", "junk"):
        return "Precedence"
    return next((name for name in ("list-id", "feedback-id", "x-campaign-id") if mail.first(name)), None)


def _bulk_without_unsubscribe(mail: Mail) -> str | None:
    if mail.first("list-unsubscribe"):
        return None
    if sign := _bulk_sign(mail):
        return f"{sign} marks it as bulk mail, and List-Unsubscribe is missing"
    has_link = re.search(r"\b(?:unsubscribe|abmelden|abbestellen|désabonner)\b", mail.words, re.IGNORECASE)
    return "the body offers to unsubscribe, and List-Unsubscribe is missing" if has_link else None


def _unsubscribe_not_one_click(mail: Mail) -> str | None:
    value = mail.first("list-unsubscribe")
    if value is None:
        return None
    if "<https:" not in value.lower():
        return "List-Unsubscribe names no HTTPS address"
    one_click = (mail.first("list-unsubscribe-post") or "").replace(" ", "").lower() == "list-unsubscribe=one-click"
    return None if one_click else "List-Unsubscribe-Post is missing or says something else"


RULES = (
    Rule("FROM_MISSING", 2.5, "No author", "Set From.", _from_missing),
    Rule("FROM_MALFORMED", 2.5, "From is no address (RFC 5322 §3.4)", "Correct From.", _from_malformed),
    Rule(
        "FROM_NAME_ADDRESS",
        2.5,
        "The sender's name shows another domain's address",
        "Do not write an address into the sender's name.",
        _from_name_has_other_address,
    ),
    Rule(
        "REPLY_TO_OTHER",
        0.5,
        "Answers go to another domain",
        "Take answers at the domain that you send from.",
        _reply_to_other_domain,
    ),
    Rule("DATE_MISSING", 1.0, "No Date (RFC 5322 §3.6)", "Set Date.", _date_missing),
    Rule(
        "DATE_MALFORMED", 1.5, "Date cannot be read (RFC 5322 §3.3)", "Write Date as RFC 5322 has it.", _date_malformed
    ),
    Rule("DATE_FUTURE", 1.5, "Dated more than a day ahead", "Set the clock, or Date.", _date_in_future),
    Rule("DATE_PAST", 0.5, "Dated more than a week back", "Set Date to when it is sent.", _date_long_past),
    Rule("MESSAGE_ID_MISSING", 1.0, "No Message-ID (RFC 5322 §3.6.4)", "Set Message-ID.", _message_id_missing),
    Rule(
        "MESSAGE_ID_MALFORMED",
        1.5,
        "Message-ID has another form than RFC 5322 §3.6.4",
        "Write Message-ID as <unique@domain>.",
        _message_id_malformed,
    ),
    Rule("RECIPIENT_MISSING", 0.5, "No visible recipient", "Name the recipient in To.", _no_recipient),
    Rule("FIELD_REPEATED", 2.0, "A field that may stand once is repeated", "Set each field once.", _repeated_field),
    Rule(
        "HEADER_8BIT",
        1.0,
        "A header is not encoded (RFC 2047)",
        "Encode what is not ASCII, as RFC 2047 says.",
        _raw_8bit_header,
    ),
    Rule("SUBJECT_MISSING", 1.0, "No subject", "Set a subject.", _subject_missing),
    Rule("SUBJECT_ALL_CAPS", 1.5, "The subject is in capitals", "Write the subject in lower case.", _subject_all_caps),
    Rule(
        "SUBJECT_PUNCTUATION",
        1.0,
        "The subject shouts",
        "Do without rows of exclamation marks and currency signs.",
        _subject_punctuation,
    ),
    Rule(
        "SUBJECT_FAKE_REPLY",
        1.5,
        "The subject pretends to be an answer",
        "Leave out Re: and Fwd:, or set In-Reply-To.",
        _subject_fake_reply,
    ),
    Rule("MIME_VERSION_MISSING", 0.5, "No MIME-Version (RFC 2045 §4)", "Set MIME-Version.", _mime_version_missing),
    Rule("LINE_TOO_LONG", 1.0, "A line is too long (RFC 5322 §2.1.1)", "Use quoted-printable.", _line_too_long),
    Rule("LINE_ENDS_MIXED", 0.5, "Lines end differently", "End all lines in CRLF.", _mixed_line_ends),
    Rule(
        "BULK_NO_UNSUBSCRIBE",
        1.5,
        "Bulk mail without List-Unsubscribe (RFC 2369)",
        "Add List-Unsubscribe; large receivers ask for it.",
        _bulk_without_unsubscribe,
    ),
    Rule(
        "UNSUBSCRIBE_NOT_ONE_CLICK",
        0.5,
        "Unsubscribing takes more than one click (RFC 8058)",
        "Name an HTTPS address in List-Unsubscribe, and add List-Unsubscribe-Post: List-Unsubscribe=One-Click.",
        _unsubscribe_not_one_click,
    ),
)
