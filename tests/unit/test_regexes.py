"""Expressions for KumoMTA's engine: what is taken means the same there, and what is in doubt is not taken."""

from __future__ import annotations

import pytest

from postmta_ctl.core.automation import MAINTAINED
from postmta_ctl.core.regexes import regex_problem

TAKEN = (
    r"\b4\.7\.28\b",
    "(?i)blocked|listed",
    r"(?:a|b){2,3}[^\]\[a-z\d-]+\x41",
    r"(?<!not )blocked(?! by us)",
    r"say \"no\" it's #1 & 'ok', 50% = \{x\}",
    "(a)\\1",
    r"\.\+\*\?\(\)\|\[\]\{\}\^\$\#\&\-\~\/\!\"\%\'\,\:\;\=\@\`",
    "(?P<x>a)++b{1,}?(?=c)",
    r"[\[\]\^\-\&\~\x41-\x5A\v\f\r!-/&~.%+-]é",
    "(?im)^(?s:.)?+x$|[^-]a]b",
    "((?:a{10}){10}){9}b{0,1}",
    *(each.rule.regex for each in MAINTAINED),
)
"""A real engine is asked as well, in tests/e2e/test_tsa.py."""


@pytest.mark.parametrize("text", TAKEN)
def test_what_both_engines_read_alike_is_taken(text: str) -> None:
    assert regex_problem(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\nb", "one line"),
        ("a\0", "one line"),
        ("a\x85b", "one line"),
        ("a\u202eb", "visible"),
        ("(", "does not compile"),
        ("a{2,1}", "does not compile"),
        (".*", "matches an empty answer"),
        ("", "matches an empty answer"),
        (r"a\Z", r"\Z is not taken"),
        (r"\u0041", r"\u is not taken"),
        (r"\<a", r"\< is not taken"),
        (r"a\012", "is not taken"),
        ("(?P<x>a)(?P=x)", "group"),
        ("(?#remark)a", "group"),
        ("(a)?(?(1)b|c)", "group"),
        ("(?x) a", "group"),
        ("a{", "brace"),
        ("a}", "brace"),
        ("a{,3}b", "brace"),
        ("[[:alpha:]]", "does not compile"),
        ("[]a]", "bracket"),
        ("[a&&b]", "does not compile"),
        (r"[\b]x", r"\b is not taken"),
        ("(a{500}){3}", "repeats"),
    ],
)
def test_what_is_in_doubt_is_refused(text: str, says: str) -> None:
    problem = regex_problem(text)
    assert problem is not None
    assert says in problem
