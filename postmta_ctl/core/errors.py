"""The error of this package: input that a standard, or KumoMTA, does not allow."""

from __future__ import annotations


class InputError(ValueError):
    """What is wrong with a value, in words for its sender, and a stable ``code`` for programs.

    The message names the part that is wrong and never the whole value, which may be long or private.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
