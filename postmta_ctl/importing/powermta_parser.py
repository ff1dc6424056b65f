"""PowerMTA's configuration language: directives by line, blocks in tags, files that include files, macros of domains.

Names do not care for case. ``#`` begins a comment where a word could begin. Words may stand in double quotes, regular
expressions stand between slashes. A line that ends in a backslash goes on in the next. Whatever cannot be read becomes
a directive with a problem, so that it is reported with its place; the parser raises for no input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.importing.files import MAX_DIRECTIVES, MAX_FILES, Reader, shown
from postmta_ctl.importing.report import Directive

MAX_DEPTH = 20
"""Of files that include files, and of blocks in blocks."""
MAX_LINE = 100_000
"""Characters."""
_TAG = re.compile(r"<\s*(?P<close>/?)\s*(?P<name>[A-Za-z][A-Za-z0-9-]*)\s*(?P<argument>[^>]*)>")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/[a-z]*(?=\s|\Z)|[^\s"]+')
_SECRETS = frozenset({"password", "auth-password", "tls-certificate-password", "http-password"})


class Block(msgspec.Struct, frozen=True):
    """An open tag: ``<name argument>``."""

    name: str
    argument: str

    def __str__(self) -> str:
        return f"<{self.name} {self.argument}>" if self.argument else f"<{self.name}>"


class Statement(Directive, frozen=True, kw_only=True):
    """A directive with its parts."""

    index: int = 0
    """Its place among all statements."""
    name: str
    """In lower case; of a block's tag the name of the block."""
    words: tuple[str, ...] = ()
    """What follows the name, unquoted."""
    blocks: tuple[Block, ...] = ()
    """Around it, outermost first; the tag of a block is within itself."""
    opens: bool = False
    """It is the tag that opens a block."""


def parse(path: str, reader: Reader) -> list[Statement]:
    """All statements of a configuration in the order they are read, those of included files in their places."""
    return _Parser(reader).parse(path)


class _Parser:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found: list[Statement] = []
        self._stack: list[tuple[Block, int]] = []
        self._files = 0

    def parse(self, path: str) -> list[Statement]:
        try:
            name, content = self._reader.read(path)
        except InputError as error:
            return [Statement(file=path, line=1, text=shown(path), name="", problem=error.message)]
        self._file(name, content, including=(name,))
        return self._found

    def _file(self, name: str, content: bytes, including: tuple[str, ...]) -> None:
        base = len(self._stack)
        for number, line in _lines(content):
            if len(self._found) >= MAX_DIRECTIVES:
                problem = f"nothing is read from here on: there are more than {MAX_DIRECTIVES} directives"
                self._add(name, number, line, "", problem=problem)
                break
            self._line(name, number, line, base, including)
        self._close_all(base)

    def _line(self, file: str, number: int, line: str, base: int, including: tuple[str, ...]) -> None:
        rest = line.strip()
        if re.search(r"[\ud800-\udfff]", rest):
            self._add(file, number, rest, "", problem="is not in UTF-8")
            return
        if len(rest) > MAX_LINE:
            self._add(file, number, rest[:MAX_LINE], "", problem=f"is longer than {MAX_LINE} characters")
            return
        while rest and not rest.startswith("#"):
            if not rest.startswith("<"):
                self._statement(file, number, rest, including)
                return
            tag = _TAG.match(rest)
            if tag is None:
                self._add(file, number, rest, "", problem="is no tag: it has no name, or does not end in >")
                return
            self._tag(file, number, tag, base)
            rest = rest[tag.end() :].strip()

    def _tag(self, file: str, number: int, tag: re.Match[str], base: int) -> None:
        name, argument = tag["name"].lower(), " ".join(word for word in _words(tag["argument"]))
        if not tag["close"]:
            self._stack.append((Block(name, argument), len(self._found)))
            self._add(file, number, tag[0], name, words=_words(tag["argument"]), opens=True)
        elif len(self._stack) > base and self._stack[-1][0].name == name:
            self._stack.pop()
        else:
            self._add(file, number, tag[0], name, problem="closes no block that is open here")

    def _statement(self, file: str, number: int, text: str, including: tuple[str, ...]) -> None:
        words = _words(text)
        if not words:
            self._add(file, number, text, "", problem="has no words")
            return
        name = words[0].lower()
        if name != "include":
            self._add(file, number, text, name, words=words[1:])
            return
        self._include(file, number, text, words[1:], including)

    def _include(self, file: str, number: int, text: str, words: tuple[str, ...], including: tuple[str, ...]) -> None:
        try:
            name, content = self._included(file, words, including)
        except InputError as error:
            self._add(file, number, text, "include", words=words, problem=error.message)
            return
        self._add(file, number, text, "include", words=words)
        self._file(name, content, (*including, name))

    def _included(self, file: str, words: tuple[str, ...], including: tuple[str, ...]) -> tuple[str, bytes]:
        if len(words) != 1:
            raise InputError("include_syntax", "names one file")
        self._files += 1
        if self._files >= MAX_FILES or len(including) > MAX_DEPTH:
            raise InputError("include_limit", f"is more than {MAX_FILES} files, or more than {MAX_DEPTH} deep")
        name, content = self._reader.read(words[0], beside=file)
        if name in including:
            raise InputError("include_cycle", f"includes {name}, which is being read already")
        return name, content

    def _close_all(self, base: int) -> None:
        for _, index in self._stack[base:]:
            problem = self._found[index].problem or "is never closed"
            self._found[index] = msgspec.structs.replace(self._found[index], problem=problem)
        del self._stack[base:]

    def _add(
        self,
        file: str,
        number: int,
        text: str,
        name: str,
        *,
        words: tuple[str, ...] = (),
        opens: bool = False,
        problem: str = "",
    ) -> None:
        # Blocks deeper than that are a problem each, and are not carried along.
        blocks = tuple(block for block, _ in self._stack[:MAX_DEPTH])
        if len(self._stack) > MAX_DEPTH:
            problem = problem or f"is in more than {MAX_DEPTH} blocks"
        within = " ".join(map(str, blocks[:-1] if opens else blocks))
        said = f"{name} (not shown)" if name in _SECRETS else shown(text)
        self._found.append(
            Statement(
                index=len(self._found),
                file=file,
                line=number,
                text=said,
                within=shown(within),
                problem=problem,
                name=name,
                words=words,
                blocks=blocks,
                opens=opens,
            )
        )


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first."""
    # What is not UTF-8 becomes lone surrogates, by which its lines are known.
    text = content.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    start, parts = 0, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        start = start or number
        is_comment = line.lstrip().startswith("#") and not parts
        if line.endswith("\\") and not is_comment:
            parts.append(line[:-1])
            continue
        yield start, " ".join([*parts, line])
        start, parts = 0, []
    if parts:
        yield start, " ".join(parts)


def _words(text: str) -> tuple[str, ...]:
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        if word.startswith("#"):
            break
        quoted = len(word) > 1 and word.startswith('"') and word.endswith('"')
        found.append(re.sub(r"\\(.)", r"\1", word[1:-1]) if quoted else word)
    return tuple(found)
