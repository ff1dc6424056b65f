"""The addresses by which users log in."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

from postmta_ctl.errors import InvalidRequest


def parse_email(text: str) -> str:
    """The address in lower case.

    Raises:
        InvalidRequest: It is none.
    """
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidRequest.of("email", str(error)) from None
