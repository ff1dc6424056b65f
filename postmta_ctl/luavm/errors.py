"""What running a policy can end in: a refusal of the policy itself, or an SMTP rejection the policy meant."""

from __future__ import annotations


class PolicyError(Exception):
    """The policy is wrong: it asks for what KumoMTA does not offer, or its Lua failed.

    ``code`` is stable and meant for tests and tools; ``file`` and ``line`` are those of the Lua call, when the
    fault has one. The text is ``FILE:LINE: code: message``.
    """

    def __init__(self, code: str, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(code, message, file, line)
        self.code = code
        self.message = message
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.code}: {self.message}"


class Rejected(Exception):
    """The policy called ``kumo.reject`` or ``kumo.disconnect``: an SMTP reply, given back as a result."""

    def __init__(self, code: int, text: str, *, disconnect: bool = False) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.disconnect = disconnect

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    @property
    def is_permanent(self) -> bool:
        """True for 5xx: the sender must not try again (RFC 5321 section 4.2.1)."""
        return 500 <= self.code <= 599


class LuaProblem(Exception):
    """A function of the stand-in refuses its call; the binding adds the function's name and the Lua line."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(code, message, path)
        self.code = code
        self.message = message
        self.path = path

    def under(self, segment: str) -> LuaProblem:
        """The same problem seen from one level further out in the options."""
        joiner = "." if self.path and not self.path.startswith("[") else ""
        return LuaProblem(self.code, self.message, f"{segment}{joiner}{self.path}")


def not_simulated(what: str) -> LuaProblem:
    """KumoMTA has it; here there is nothing that could stand in for it."""
    return LuaProblem("not_simulated", f"{what} is known to KumoMTA but not simulated here")
