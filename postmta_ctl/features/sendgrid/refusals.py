"""What SendGrid's request may ask for and is not done here: refused by name, and never passed over."""

from __future__ import annotations

from collections.abc import Iterator

from postmta_ctl.features.fields import Fields
from postmta_ctl.features.sendgrid.schemas import Email, MailSend, Personalization

BODY_TYPES = ("text/plain", "text/html")
_NO_BYPASS = "suppressions cannot be bypassed"
MAX_RECIPIENTS = 1000
"""Of one request, over all of its personalizations; SendGrid's own limit."""

REFUSED = {
    "personalizations.substitutions": "use template_id and dynamic_template_data",
    "asm": "there are no unsubscribe groups here; suppressions are those of the organization",
    "mail_settings.bypass_list_management": _NO_BYPASS,
    "mail_settings.bypass_spam_management": _NO_BYPASS,
    "mail_settings.bypass_bounce_management": _NO_BYPASS,
    "mail_settings.bypass_unsubscribe_management": _NO_BYPASS,
    "mail_settings.footer": "nothing is put under bodies; use a template",
    "mail_settings.spam_check": "ask POST /api/v1/security/spam-score before sending",
    "mail_settings.bcc": "name the recipient in personalizations.bcc",
    "tracking_settings.click_tracking.enable_text": "links are tracked in HTML only",
    "tracking_settings.open_tracking.substitution_tag": "the pixel stands at the end of the HTML",
    "tracking_settings.subscription_tracking": (
        "no link is put into bodies; suppressions are kept by List-Unsubscribe, see our own API"
    ),
    "tracking_settings.ganalytics": "links are not given parameters",
}
"""What is refused when it is given or turned on, and what there is instead."""


def refuse(request: MailSend) -> None:
    """Look for what cannot be done.

    Raises:
        InvalidRequest: Names each field.
    """
    problems = Fields()
    for field in _settings(request):
        problems.refuse(field, REFUSED[field], code="not_supported")
    for index, one in enumerate(request.personalizations):
        _personalization(f"personalizations[{index}]", one, problems)
    _content(request, problems)
    if request.reply_to is not None and request.reply_to_list:
        problems.refuse("reply_to_list", "give either reply_to or reply_to_list")
    if sum(len(one.to) + len(one.cc) + len(one.bcc) for one in request.personalizations) > MAX_RECIPIENTS:
        problems.refuse("personalizations", f"has more than {MAX_RECIPIENTS} recipients", code="too_many_recipients")
    problems.done()


def _settings(request: MailSend) -> Iterator[str]:
    mail, tracking = request.mail_settings, request.tracking_settings
    click, opens = tracking.click_tracking, tracking.open_tracking
    wanted = {
        "asm": request.asm,
        "mail_settings.bypass_list_management": mail.bypass_list_management.enable,
        "mail_settings.bypass_spam_management": mail.bypass_spam_management.enable,
        "mail_settings.bypass_bounce_management": mail.bypass_bounce_management.enable,
        "mail_settings.bypass_unsubscribe_management": mail.bypass_unsubscribe_management.enable,
        "mail_settings.footer": mail.footer.enable,
        "mail_settings.spam_check": mail.spam_check.enable,
        "mail_settings.bcc": mail.bcc is not None,
        "tracking_settings.click_tracking.enable_text": click.enable and click.enable_text,
        "tracking_settings.open_tracking.substitution_tag": opens.enable and opens.substitution_tag,
        "tracking_settings.subscription_tracking": tracking.subscription_tracking.enable,
        "tracking_settings.ganalytics": tracking.ganalytics.enable,
    }
    return (field for field, is_wanted in wanted.items() if is_wanted)


def _personalization(field: str, one: Personalization, problems: Fields) -> None:
    if one.substitutions:
        problems.refuse(f"{field}.substitutions", REFUSED["personalizations.substitutions"], code="not_supported")
    seen: set[str] = set()
    for name in ("to", "cc", "bcc"):
        people: list[Email] = getattr(one, name)
        for index, person in enumerate(people):
            if person.email.lower() in seen:
                problems.refuse(f"{field}.{name}[{index}].email", "is there twice", code="duplicate")
            seen.add(person.email.lower())


def _content(request: MailSend, problems: Fields) -> None:
    seen: set[str] = set()
    for index, one in enumerate(request.content):
        field = f"content[{index}].type"
        if one.type not in BODY_TYPES:
            problems.refuse(field, f"is one of {', '.join(BODY_TYPES)}; others go as attachments", code="not_supported")
        if one.type in seen:
            problems.refuse(field, "is there twice", code="duplicate")
        seen.add(one.type)
    for index, file in enumerate(request.attachments):
        if file.disposition not in (None, "attachment", "inline"):
            problems.refuse(f"attachments[{index}].disposition", "is attachment or inline")
        if file.disposition == "inline" and not file.content_id:
            problems.refuse(f"attachments[{index}].content_id", "is needed for what is inline", code="missing")
        if file.disposition != "inline" and file.content_id:
            problems.refuse(f"attachments[{index}].content_id", "makes a file inline, so say so by disposition")
