"""The error of this package: input that a standard, or KumoMTA, does not allow."""

from __future__ import annotations


class InputError(ValueError):
    """What is wrong with a value, in words for its sender, and a stable ``code`` for programs.

    ``field`` is the path of the value in what the caller gave, such as ``headers.X-Tag``; empty when there was but
    one value. The message names the part that is wrong and never the whole value, which may be long or private.
    """

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field

    def at(self, field: str) -> InputError:
        """The same error, found at ``field``."""
        return InputError(self.code, self.message, field=field)
