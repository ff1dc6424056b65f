"""SendGrid's ``POST /v3/mail/send``, for programs that move in."""
