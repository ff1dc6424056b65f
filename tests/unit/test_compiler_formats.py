"""Single values, told apart as KumoMTA does."""

from __future__ import annotations

import pytest

from postmta_ctl.compiler import formats


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (
            formats.is_host,
            ["a.example", "localhost", "xn--mller-kva.example"],
            ["", "A.example", "a..b", "-a.b", "a.b."],
        ),
        (formats.is_selector, ["s1", "p-2026_11", "S"], ["", "../x", "a.b", "a/b", "-a", "a\n"]),
        (formats.is_address, ["192.0.2.1", "2001:db8::1"], ["", "192.0.2.1/32", "fe80::1%eth0", "mx.example", "1"]),
        (formats.is_network, ["10.0.0.0/8", "::1", "192.0.2.1"], ["10.0.0.1/8", "x", "", "fe80::%1/64"]),
        (
            formats.is_socket_address,
            ["127.0.0.1:25", "[::1]:25"],
            ["127.0.0.1", "::1:25", "[127.0.0.1]:25", "mx:25", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:²"],
        ),
        (
            formats.is_smart_host,
            ["relay.example", "relay.example:587", "[192.0.2.1]", "[192.0.2.1]:25", "[2001:db8::1]:25"],
            ["192.0.2.1", "192.0.2.1:25", "[relay.example]:25", "[192.0.2.1]25", "relay.example:", "a b"],
        ),
        (
            formats.is_rate,
            ["100/d", "1,000/min", "local:50/s", "500/d,max_burst=1", "20/30min"],
            ["100", "0/s", "100/days", "100/d,max_burst=", "-1/s", "10/d\n"],
        ),
        (formats.is_duration, ["20m", "1h 30m", "3 days", "300ms"], ["", "20", "-1m", "soon", "20m!"]),
    ],
)
def test_shapes(shape, good, bad) -> None:
    assert [value for value in good if not shape(value)] == []
    assert [value for value in bad if shape(value)] == []
