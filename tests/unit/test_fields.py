"""A request is answered with all its problems at once."""

from __future__ import annotations

import pytest

from postmta_ctl.core.domain_names import parse_host, parse_selector
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.fields import Fields


def test_every_problem_is_named() -> None:
    fields = Fields()
    assert fields.read("ehlo_domain", parse_host, "MX1.example.com") == "mx1.example.com"
    assert fields.read("host", parse_host, "mx1") == ""
    assert fields.read("selector", parse_selector, "a b") == ""
    fields.refuse("warmup", "is empty")
    with pytest.raises(InvalidRequest) as caught:
        fields.done()
    named = [(error.field, error.code) for error in caught.value.errors]
    assert named == [("host", "host_syntax"), ("selector", "selector_syntax"), ("warmup", "invalid")]


def test_no_problem_no_error() -> None:
    Fields().done()
