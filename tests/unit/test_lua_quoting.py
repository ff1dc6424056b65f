"""The quoting filter against real Lua 5.4: what a rendered literal evaluates to is what went in."""

from __future__ import annotations

import math
import random

import lupa.lua54 as lupa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmta_ctl.compiler.lua import LuaLiteralError, literal, quote

FRAGMENTS = [
    b"",
    b"\x00",
    b"\r\n",
    b"\n",
    b'"',
    b"'",
    b"\\",
    b"\\n",
    b"]]",
    b"]=]",
    b"--",
    b"\\z ",
    b"\\x41",
    b"\\065",
    b'") os.exit() --',
    "größe €😀".encode(),
    b"\xff\xfe",
    b"\xc3",
    b"{{ x }}",
    b"9",
]


def evaluate(expression: str) -> object:
    """Run one expression in a Lua that gives strings back as bytes."""
    return lupa.LuaRuntime(encoding=None).eval(expression.encode("ascii"))


def arbitrary_bytes(generator: random.Random) -> bytes:
    if generator.random() < 0.5:
        return generator.randbytes(generator.randrange(24))
    return b"".join(generator.choices(FRAGMENTS, k=generator.randrange(5)))


def test_120_000_arbitrary_strings_arrive_unchanged() -> None:
    generator = random.Random(20260804)
    lua = lupa.LuaRuntime(encoding=None)
    for _ in range(60):
        batch = [arbitrary_bytes(generator) for _ in range(2_000)]
        chunk = "return {" + ",".join(map(quote, batch)) + "}"
        assert list(lua.execute(chunk.encode("ascii")).values()) == batch


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(deadline=None)
def test_text_arrives_as_utf_8(text: str) -> None:
    assert evaluate(quote(text)) == text.encode()


def test_quoting_emits_printable_ascii_and_decimal_escapes_only() -> None:
    assert quote('a"\\\n\0é') == '"a\\034\\092\\010\\000\\195\\169"'


def test_a_digit_after_an_escape_is_not_swallowed() -> None:
    assert evaluate(quote(b"\x017")) == b"\x017"


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(LuaLiteralError):
        quote("\ud800")


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_ é-", max_size=6), inner, max_size=4),
    max_leaves=12,
)


def from_lua(value: object) -> object:
    """A Lua table back as list or dict; an empty table as an empty list."""
    if lupa.lua_type(value) != "table":
        return value
    pairs = dict(value.items())  # type: ignore[attr-defined]
    if all(isinstance(key, int) for key in pairs):
        return [from_lua(pairs[index + 1]) for index in range(len(pairs))]
    return {key.decode(): from_lua(item) for key, item in pairs.items()}


def expected(value: object) -> object:
    if isinstance(value, dict):
        return {key: expected(item) for key, item in value.items()} or []
    return [expected(item) for item in value] if isinstance(value, list) else value


def typed(value: object) -> object:
    """The value with each leaf's type, since 1 == 1.0 == True in Python."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


@given(VALUES)
@settings(deadline=None, max_examples=300)
def test_literals_keep_values_and_types(value: object) -> None:
    assert typed(from_lua(evaluate(literal(value)))) == typed(expected(value))


def test_keys_are_sorted_and_quoted_only_when_they_must_be() -> None:
    assert literal({"b": 1, "a-b": 2.0, "end": True, "a": "x"}) == ('{ a = "x", ["a-b"] = 2.0, b = 1, ["end"] = true }')


def test_insertion_order_leaves_no_trace() -> None:
    assert literal({"x": {2: "b", 1: "a"}, "y": 1}) == literal({"y": 1, "x": {1: "a", 2: "b"}})


def test_nested_tables_get_a_line_per_item() -> None:
    assert literal({"pools": [{"name": "a", "weight": 1}], "none": []}) == (
        '{\n  none = {},\n  pools = {\n    { name = "a", weight = 1 },\n  },\n}'
    )


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**63, [None], {"a": None}, {1.5: 1}, {True: 1}, object(), {1, 2}]
)
def test_what_lua_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(LuaLiteralError):
        literal(value)


def test_top_level_none_is_nil() -> None:
    assert literal(None) == "nil"
