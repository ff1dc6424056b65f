"""Regular expressions for KumoMTA's engine (Rust's ``fancy-regex``), judged without it.

Taken is what that engine and Python's read alike; where they differ, or where it is not known, an expression is refused
by the part that is in doubt. So what is taken here compiles there, while some of what would compile there is refused.
https://docs.rs/fancy-regex, https://docs.rs/regex/latest/regex/#syntax
"""

from __future__ import annotations

import re
import warnings

MAX_REPEATS = 1000
"""How often a part may be repeated by counts, nested ones multiplied: the engine has a limit of memory."""

_ESCAPES = frozenset("dDwWsSbBtnrfvA") | frozenset("123456789")
_IN_CLASS = frozenset("dDwWsStnrfv")
_PUNCTUATION = frozenset(r"""\.+*?()|[]{}^$#&-~/!"%',:;=@`_ """) - {"_", " "}
_GROUP = re.compile(r"\?(?::|=|!|<=|<!|>|P<[A-Za-z_]\w*>|[ims]+:)|(?!\?)")
_FLAGS = re.compile(r"\(\?[ims]+\)")
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_SET_OPERATIONS = ("&&", "--", "~~", "[")


def regex_problem(text: str) -> str | None:
    """What keeps the expression from being used; None when nothing does."""
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        return "must be one line without control characters"
    if not text.isprintable():
        return "must hold visible characters only"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(text)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError) as error:
        return f"does not compile: {error}"
    if compiled.search(""):
        return "matches an empty answer, and so every one"
    return _Reader(text).problem()


class _Reader:
    """Goes over an expression that Python has compiled and looks for what the other engine may read otherwise."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._repeats = [1]

    def problem(self) -> str | None:
        if flags := _FLAGS.match(self._text):
            self._at = flags.end()
        while self._at < len(self._text):
            start = self._at
            found = self._step()
            if found is not None:
                return f"{found} at character {start + 1}"
        return None

    def _step(self) -> str | None:
        character = self._text[self._at]
        if character == "\\":
            return self._escape(_ESCAPES)
        if character == "[":
            return self._class()
        if character == "{":
            return self._count()
        if character == "}":
            return "write \\} for a brace"
        self._at += 1
        if character == "(":
            group = _GROUP.match(self._text, self._at)
            if group is None:
                return "this kind of group is not taken"
            self._at = group.end()
        return None

    def _escape(self, letters: frozenset[str]) -> str | None:
        letter = self._text[self._at + 1]
        self._at += 2
        if letter in letters or letter in _PUNCTUATION:
            return None
        if letter == "x":
            self._at += 2
            return None
        return f"\\{letter} is not taken"

    def _class(self) -> str | None:
        self._at += 1
        if self._text.startswith("^", self._at):
            self._at += 1
        if self._text.startswith("]", self._at):
            return "write \\] for a bracket in a class"
        while self._text[self._at] != "]":
            if self._text.startswith(_SET_OPERATIONS, self._at):
                return "in a class, write \\ before [, and before one of two of & - ~"
            if self._text[self._at] == "\\":
                if found := self._escape(_IN_CLASS):
                    return found
            else:
                self._at += 1
        self._at += 1
        return None

    def _count(self) -> str | None:
        count = _COUNT.match(self._text, self._at)
        if count is None:
            return "write \\{ for a brace"
        self._at = count.end()
        # Nesting is not followed: as if all counts were within each other.
        self._repeats.append(max(1, *(int(number) for number in (count[1], count[3]) if number)))
        product = 1
        for number in self._repeats:
            product *= number
        return f"repeats more than {MAX_REPEATS} times" if product > MAX_REPEATS else None
