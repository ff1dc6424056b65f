"""Templates that anybody may write: what they say, and what they cannot do."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.rendering import MAX_LIST, MAX_NODES, check_source, check_variables, render

ANN: dict[str, Any] = {
    "name": "Ann",
    "order": {"id": 7, "items": [{"name": "<b>Tea</b>", "price": 3}, {"name": "Cup", "price": 5}]},
    "vip": False,
}


def fill(source: str, variables: dict[str, Any] | None = None, **options: Any) -> str:
    check_source("text", source, **options)
    return render("text", source, ANN if variables is None else variables, **options)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hello {{ name }}!\n", "Hello Ann!\n"),
        ("{{ order.id }} {{ order['id'] }} {{ order.items[1].name }}", "7 7 Cup"),
        ("{% for one in order.items %}{{ loop.index }}:{{ one.price }} {% endfor %}", "1:3 2:5 "),
        ("{% if vip %}a{% elif order.id > 6 and name is defined %}b{% else %}c{% endif %}", "b"),
        ("{{ nick | default('friend') | upper }}", "FRIEND"),
        ("{{ order.items | length }} {{ 'x' if vip else 'y' }}", "2 y"),
        ("{{ name | truncate(3) }} {{ 'Anneliese Maria' | truncate(6, True) }}", "Ann Ann..."),
        ("{# gone #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_what_templates_say(source: str, expected: str) -> None:
    assert fill(source) == expected


def test_html_escapes_every_value_and_text_none() -> None:
    source = '{{ order.items[0].name }} {{ order.items[0].name | upper }} {{ "<i>" }}'
    assert fill(source, is_html=True) == "&lt;b&gt;Tea&lt;/b&gt; &lt;B&gt;TEA&lt;/B&gt; &lt;i&gt;"
    assert fill("{{ order.items[0].name }}") == "<b>Tea</b>"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{{ name", "template_syntax"),
        ("{% if %}", "template_syntax"),
        ("{{ name.upper() }}", "template_not_allowed"),
        ("{{ ''.__class__.__mro__() }}", "template_not_allowed"),
        ("{{ 'a' * 999999999 }}", "template_not_allowed"),
        ("{{ 9 ** 9 ** 9 }}", "template_not_allowed"),
        ("{{ name ~ name }}", "template_not_allowed"),
        ("{% set x = 1 %}", "template_not_allowed"),
        ("{% macro m() %}{% endmacro %}", "template_not_allowed"),
        ("{% include 'etc' %}", "template_not_allowed"),
        ("{% extends 'x' %}", "template_not_allowed"),
        ("{% for a in name %}{% for b in name %}{% endfor %}{% endfor %}", "template_not_allowed"),
        ("{% for a in range(9) %}{% endfor %}", "template_not_allowed"),
        ("{% for a in [1,2] %}{% endfor %}", "template_not_allowed"),
        ("{% for a in name recursive %}{% endfor %}", "template_not_allowed"),
        ("{{ name | safe }}", "template_not_allowed"),
        ("{{ name | attr('x') }}", "template_syntax"),
        ("{{ '%99999999s' | format(1) }}", "template_not_allowed"),
        ("{{ name | center(99999999) }}", "template_not_allowed"),
        ("{{ name | map(attribute='x') | list }}", "template_not_allowed"),
        ("{{ [1, 2] }}", "template_not_allowed"),
        ("{{ name[0:5] }}", "template_not_allowed"),
        ("{{ x is callable }}", "template_not_allowed"),
        ("{{ x }}" * (MAX_NODES + 1), "template_not_allowed"),
        ("x" * 300_000, "template_too_large"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "template_syntax"),
    ],
)
def test_what_is_not_allowed_is_refused_before_it_runs(source: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        check_source("html", source, is_html=True)
    assert refused.value.field == "html"
    assert refused.value.code in (code, "template_not_allowed", "template_syntax")


@pytest.mark.parametrize("source", ["{{ missing }}", "{{ order.missing }}", "{{ order.items[9] }}", "{{ name.x }}"])
def test_a_value_that_is_not_there_is_an_error(source: str) -> None:
    with pytest.raises(InputError) as refused:
        fill(source)
    assert refused.value.code == "variable_missing"


@pytest.mark.parametrize("source", ["{{ order | truncate(1) }}", "{{ order.id | first }}", "{{ name | round }}"])
def test_a_filter_that_cannot_work_is_an_error_of_the_template(source: str) -> None:
    with pytest.raises(InputError) as refused:
        fill(source)
    assert refused.value.code == "template_failed"


@pytest.mark.parametrize("name", ["__class__", "items", "keys", "upper", "_x", "__init__"])
def test_python_is_out_of_reach(name: str) -> None:
    for value in ({}, [], "text", 1, None, True):
        with pytest.raises(InputError):
            fill("{{ value." + name + " }}", {"value": value})
        with pytest.raises(InputError):
            fill("{{ value['" + name + "'] }}", {"value": value})


@pytest.mark.parametrize("name", ["range", "dict", "lipsum", "cycler", "joiner", "namespace", "self", "config"])
def test_there_are_no_globals(name: str) -> None:
    with pytest.raises(InputError):
        fill("{{ " + name + " }}", {})


@pytest.mark.parametrize(
    "variables",
    [
        {"x": [1] * (MAX_LIST + 1)},
        {"x": "a" * 70_000},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}},
    ],
)
def test_variables_are_bounded(variables: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"more than") as refused:
        check_variables(variables)
    assert refused.value.code == "variables_too_large"


@pytest.mark.parametrize(
    "body",
    [
        "{{ big }}" * 600,
        "{% if big|upper == 'x' %}y{% endif %}" * 200,
        "{% if big|urlencode|upper|title == 'x' %}y{% endif %}" * 140,
        "{% if a.b == a.b and a.b != 'x' %}{% endif %}" * 100,
    ],
)
def test_the_worst_template_ends_soon(body: str) -> None:
    variables = {"many": [{"b": "y" * 10}] * MAX_LIST, "big": "a" * 60_000}
    source = "{% for a in many %}" + body + "{% endfor %}"
    check_source("text", source)
    check_variables(variables)
    began = time.process_time()
    with suppress(InputError):
        render("text", source, variables)
    assert time.process_time() - began < 2
