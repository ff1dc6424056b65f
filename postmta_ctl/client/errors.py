"""What can go wrong for a client: the API's problems (RFC 9457) as exceptions, and what happens before there is one::

ClientError
├── NoAnswer                 the connection failed, or no answer came in time
├── UnreadableAnswer         an answer that is none of this API's
└── ApiError                 status, code, detail, errors, request_id
    ├── InvalidRequest       400, 413, 422   errors[] names the fields
    ├── Unauthenticated      401
    ├── InsufficientCredits  402
    ├── PermissionDenied     403
    ├── NotFound             404
    ├── Conflict             409
    ├── PreconditionFailed   412   somebody else changed it since it was read
    ├── RateLimited          429   retry_after
    └── ServerFailed         5xx
"""

from __future__ import annotations

from typing import Any

import msgspec

from postmta_ctl.errors import FieldError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an error."""

    status: int
    code: str
    title: str = ""
    detail: str = ""
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()


class ClientError(Exception):
    """Base of all."""


class NoAnswer(ClientError):
    """The connection failed, or no answer came in time; whether the request was carried out is not known."""


class UnreadableAnswer(ClientError):
    """An answer that is none of this API's: a proxy's page, or that of another version."""

    def __init__(self, words: str, *, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        """Of the answer, as far as there was one."""


class ApiError(ClientError):
    """The API refused or failed."""

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        told = f" (request {problem.request_id})" if problem.request_id else ""
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}{told}")
        self.status = problem.status
        self.code = problem.code
        """Stable: decide by it, not by the words."""
        self.detail = problem.detail
        self.errors = problem.errors
        """The fields at fault."""
        self.request_id = problem.request_id
        """Quote it to whoever runs the service."""
        self.retry_after = retry_after
        """Seconds that the API asked to wait."""
        self._problem = problem

    def __reduce__(self) -> Any:
        # An exception is made anew, in another process say, of its words; this one needs more.
        return error_of, (self._problem, self.retry_after)


class InvalidRequest(ApiError):
    """The request cannot be accepted as it is; ``errors`` says which fields are wrong."""


class Unauthenticated(ApiError):
    """No credential, or one that is not good any more."""


class InsufficientCredits(ApiError):
    """The balance does not cover it; nothing was done."""


class PermissionDenied(ApiError):
    """The role or the key does not allow it."""


class NotFound(ApiError):
    """Does not exist, or belongs to another organization."""


class Conflict(ApiError):
    """The state of the thing does not allow it now."""


class PreconditionFailed(ApiError):
    """Somebody else changed it since it was read; nothing was done."""


class RateLimited(ApiError):
    """Too many requests, also after waiting as the API asked."""


class ServerFailed(ApiError):
    """The service, or what it needs for this, failed."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    402: InsufficientCredits,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def error_of(problem: Problem, retry_after: float | None = None) -> ApiError:
    """The exception that a problem is raised as."""
    kind = BY_STATUS.get(problem.status, ServerFailed if problem.status >= 500 else ApiError)
    return kind(problem, retry_after=retry_after)
