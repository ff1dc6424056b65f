"""Header fields: from text to the ASCII that KumoMTA's message builder passes on as given.

The builder folds an ASCII value at white space into lines of about 75 characters, makes one space of any run of
white space, and breaks a word of more than 900 characters. Non-ASCII it encodes as a whole, addresses included.
So everything non-ASCII is encoded here, as RFC 2047 says for the place where it stands; and text that would not
survive folding is encoded too, though it is ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.charset import SHORTEST, Charset
from functools import lru_cache
from itertools import chain, repeat

from postmta_ctl.core.addresses import Mailbox
from postmta_ctl.core.errors import InputError

MAX_VALUE = 10_000
"""Characters of one value before encoding: ours. Receivers refuse messages whose header section is huge."""

_ENCODED_WORD = 75
"""Characters of an encoded word (RFC 2047 §2)."""
_LINE_WITH_ENCODED_WORD = 76
_LONGEST_WORD = 900
"""KumoMTA's builder breaks longer words, which puts white space where there was none."""
_LONGEST_NAME = 76

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_FTEXT = re.compile(r"[!-9;-~]+")
_FOLDS_CLEANLY = re.compile(rf"(?!.*=\?)[!-~]{{1,{_LONGEST_WORD}}}(?: [!-~]{{1,{_LONGEST_WORD}}})*")
"""Printable ASCII, single spaces inside, nothing that reads like an encoded word."""
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")

_UTF_8 = Charset("utf-8")
_UTF_8.header_encoding = SHORTEST

STRUCTURED = frozenset(
    {"references", "in-reply-to", "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-post"}
    | {"list-owner", "list-archive", "auto-submitted", "precedence", "importance", "priority", "sensitivity"}
    | {"feedback-id", "disposition-notification-to", "x-priority"}
)
"""Fields with a syntax of their own, where an encoded word is not allowed (RFC 2047 §5): taken only in ASCII."""

RESERVED = {
    "from": "set by the field from",
    "to": "set by the field to",
    "cc": "set by the field cc",
    "bcc": "set by the field bcc; it must not be visible to anybody",
    "reply-to": "set by the field reply_to",
    "subject": "set by the field subject",
    "date": "set when the message is accepted",
    "message-id": "set by us: bounces and replies are found by it",
    "sender": "would replace the verified From domain in what people see",
    "return-path": "written by the receiving server (RFC 5321 §4.4)",
    "received": "written by servers on the way (RFC 5321 §4.4)",
    "dkim-signature": "made by the node with the domain's own keys",
    "x-kumoref": "made by the node, to find a message by a complaint",
    "authentication-results": "written by the receiving server (RFC 8601 §5)",
    "mime-version": "set when the message is built",
}
"""Names a customer may not set, and why. Names in ``_RESERVED_PREFIXES`` are reserved as well."""

_RESERVED_PREFIXES = {
    "content-": "set when the message is built",
    "resent-": "the message is sent, not resent (RFC 5322 §3.6.6)",
    "arc-": "written by servers on the way (RFC 8617)",
}


def check_name(name: str) -> None:
    """Check the name of a field that a customer wants to set.

    Raises:
        InputError: ``header_name_invalid`` unless it is printable ASCII without colon or space (RFC 5322 §2.2), or
            ``header_name_reserved`` if the field is not the customer's to set.
    """
    if len(name) > _LONGEST_NAME or not _FTEXT.fullmatch(name):
        raise InputError("header_name_invalid", "a header name is 1 to 76 printable ASCII characters without a colon")
    lower = name.lower()
    prefix = next((prefix for prefix in _RESERVED_PREFIXES if lower.startswith(prefix)), "")
    reason = RESERVED.get(lower) or _RESERVED_PREFIXES.get(prefix)
    if reason:
        raise InputError("header_name_reserved", f"{name} cannot be set: {reason}")


def check_value(value: str) -> None:
    """Check the text of any field before it is encoded.

    Raises:
        InputError: ``header_value_control_character`` or ``header_value_too_long``.
    """
    if _CONTROL.search(value):
        raise InputError("header_value_control_character", "a header value must not hold CR, LF, NUL or other controls")
    if len(value) > MAX_VALUE:
        raise InputError("header_value_too_long", f"a header value has at most {MAX_VALUE} characters")


def encode_field(name: str, value: str) -> str:
    """Encode the value of a field that a customer sets, by what its name allows.

    Raises:
        InputError: As :func:`check_value`; or ``header_value_not_ascii`` or ``header_value_word_too_long`` where the
            field's syntax leaves no way to encode it.
    """
    if name.lower() not in STRUCTURED:
        return encode_text(name, value)
    check_value(value)
    if not value.isascii():
        raise InputError("header_value_not_ascii", f"{name} has a syntax of its own and takes ASCII only")
    if any(len(word) > _LONGEST_WORD for word in value.split()):
        raise InputError("header_value_word_too_long", f"{name} cannot be folded: a word exceeds {_LONGEST_WORD}")
    return value


def encode_text(name: str, value: str) -> str:
    """Encode an unstructured value (RFC 5322 §2.2.1, RFC 2047 §5 rule 1), so that it decodes to exactly ``value``.

    Raises:
        InputError: As :func:`check_value`.
    """
    check_value(value)
    if not value or _FOLDS_CLEANLY.fullmatch(value):
        return value
    return " ".join(_encoded_words(value, _LINE_WITH_ENCODED_WORD - len(f"{name}: ")))


def encode_mailboxes(name: str, mailboxes: Iterable[Mailbox]) -> str:
    """Write an address list (RFC 5322 §3.4); names are encoded as phrases, addresses never (RFC 2047 §5 rule 3).

    Raises:
        InputError: As :func:`check_value`, for a display name.
    """
    return ", ".join(_mailbox(name, mailbox) for mailbox in mailboxes)


@lru_cache(maxsize=1024)
def _mailbox(name: str, mailbox: Mailbox) -> str:
    if not mailbox.name:
        return mailbox.address
    return f"{_phrase(name, mailbox.name)} <{mailbox.address}>"


def _phrase(name: str, text: str) -> str:
    check_value(text)
    if not _FOLDS_CLEANLY.fullmatch(text):
        return " ".join(_encoded_words(text, _LINE_WITH_ENCODED_WORD - len(f"{name}: ")))
    if _ATOMS.fullmatch(text):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def _encoded_words(text: str, first: int) -> Iterator[str]:
    """Split between characters, never within one (RFC 2047 §5); white space between the words is not content."""
    lengths = chain([first], repeat(_ENCODED_WORD))
    return (word for word in _UTF_8.header_encode_lines(text, lengths) if word)
