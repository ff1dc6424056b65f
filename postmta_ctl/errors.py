"""What can go wrong, named after the situation.

Every error a caller can meet descends from :class:`PostMTAError` and knows the HTTP status and the stable
``code`` it is answered with (RFC 9457). The tree::

    PostMTAError                     500 internal_error
    ├── InvalidRequest               422 invalid_request       errors[] names the fields
    │   └── MalformedRequest         400 malformed_request
    ├── Unauthenticated              401 unauthenticated
    │   └── InvalidCredentials       401 invalid_credentials
    ├── InsufficientCredits          402 insufficient_credits
    ├── PermissionDenied             403 permission_denied
    ├── NotFound                     404 not_found
    ├── Conflict                     409 conflict
    │   ├── AlreadyExists            409 already_exists
    │   └── InUse                    409 in_use
    ├── PreconditionFailed           412 precondition_failed   If-Match names another version
    ├── PayloadTooLarge              413 payload_too_large
    ├── DomainNotVerified            422 domain_not_verified
    ├── PolicyRefused                422 policy_refused        the proofs of a release failed
    ├── RateLimited                  429 rate_limited          try again after ``retry_after``
    ├── NotAvailable                 501 not_available         known, but not offered here
    ├── NodeFailed                   502 node_failed           a KumoMTA node refused or broke
    │   └── NodeUnreachable          502 node_unreachable
    ├── PaymentProviderFailed        502 payment_provider_failed
    ├── EngineFailed                 502 engine_failed         a spam or antivirus engine refused or broke
    │   └── EngineUnreachable        503 engine_unreachable
    ├── Busy                         503 busy                  try again after ``retry_after``
    └── ConfigurationError           (start-up) a setting is unknown or makes no sense
"""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with one field of a request."""

    field: str
    """Path of the field, such as ``to[2]`` or ``headers.X-Tag``."""
    message: str
    code: str = "invalid"


class PostMTAError(Exception):
    """Base of all errors of the product; ``detail`` is meant for the caller and holds no secret."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors
        self.retry_after = retry_after


class InvalidRequest(PostMTAError):
    """The request was understood, and a field of it cannot be accepted."""

    status = 422
    code = "invalid_request"
    title = "Invalid request"

    @classmethod
    def of(cls, field: str, message: str, *, code: str = "invalid") -> InvalidRequest:
        """The usual case: one field, one message."""
        return cls(f"{field}: {message}", errors=(FieldError(field=field, message=message, code=code),))


class MalformedRequest(InvalidRequest):
    """The request could not be read at all, as broken JSON cannot."""

    status = 400
    code = "malformed_request"
    title = "Malformed request"


class Unauthenticated(PostMTAError):
    """No credential, or one that is unknown, expired or revoked; which of them is not said."""

    status = 401
    code = "unauthenticated"
    title = "Authentication required"


class InvalidCredentials(Unauthenticated):
    """Email and password do not belong together."""

    code = "invalid_credentials"
    title = "Invalid credentials"


class InsufficientCredits(PostMTAError):
    """The balance does not cover it; nothing was taken or stored. ``detail`` says what is needed and what is there."""

    status = 402
    code = "insufficient_credits"
    title = "Insufficient credits"


class PermissionDenied(PostMTAError):
    """Authenticated, but the role or the key's scopes do not allow it."""

    status = 403
    code = "permission_denied"
    title = "Permission denied"


class NotFound(PostMTAError):
    """Does not exist, or belongs to another organization: the two look alike on purpose."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(PostMTAError):
    """The state of the thing does not allow this now."""

    status = 409
    code = "conflict"
    title = "Conflict"


class AlreadyExists(Conflict):
    """Something of this name is there already."""

    code = "already_exists"
    title = "Already exists"


class InUse(Conflict):
    """It cannot be removed while something else needs it."""

    code = "in_use"
    title = "In use"


class PreconditionFailed(PostMTAError):
    """Somebody else changed it since the caller read it (RFC 9110 section 13.1.1); nothing was done."""

    status = 412
    code = "precondition_failed"
    title = "Precondition failed"


class PayloadTooLarge(PostMTAError):
    """The body is larger than this endpoint reads."""

    status = 413
    code = "payload_too_large"
    title = "Payload too large"


class DomainNotVerified(PostMTAError):
    """Mail may only come from a domain whose ownership was proved by DNS."""

    status = 422
    code = "domain_not_verified"
    title = "Domain not verified"


class PolicyRefused(PostMTAError):
    """A proof failed; no node has seen the policy."""

    status = 422
    code = "policy_refused"
    title = "Policy refused"


class RateLimited(PostMTAError):
    """Too many requests; the same one may be sent again after ``retry_after`` seconds."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class NotAvailable(PostMTAError):
    """Known to the API, but not offered by this installation; ``detail`` says why."""

    status = 501
    code = "not_available"
    title = "Not available"


class NodeFailed(PostMTAError):
    """A KumoMTA node answered with an error; ``detail`` quotes it."""

    status = 502
    code = "node_failed"
    title = "Node failed"


class NodeUnreachable(NodeFailed):
    """A KumoMTA node could not be reached, or did not answer in time."""

    code = "node_unreachable"
    title = "Node unreachable"


class PaymentProviderFailed(PostMTAError):
    """The payment provider refused or could not be reached; nothing was charged."""

    status = 502
    code = "payment_provider_failed"
    title = "Payment provider failed"


class EngineFailed(PostMTAError):
    """The spam or antivirus engine refused or broke; there is no verdict, and nothing was charged."""

    status = 502
    code = "engine_failed"
    title = "Engine failed"


class EngineUnreachable(EngineFailed):
    """The spam or antivirus engine could not be reached, or did not answer in time; nothing was charged."""

    status = 503
    code = "engine_unreachable"
    title = "Engine unreachable"


class Busy(PostMTAError):
    """Nothing was taken; the same request may be sent again after ``retry_after`` seconds."""

    status = 503
    code = "busy"
    title = "Busy"


class ConfigurationError(PostMTAError):
    """A setting is unknown, missing or makes no sense; the process does not start."""

    code = "configuration_error"
    title = "Configuration error"
