"""Reading queues out of a node's metrics."""

from __future__ import annotations

from postmta_ctl.core.node_metrics import add_line, empty, total
from postmta_ctl.sandbox.metrics import GAUGES, as_text

LINES = """\
# HELP scheduled_count messages in a scheduled queue
# TYPE scheduled_count gauge
scheduled_count{queue="spring:acme@example.org"} 42
scheduled_count{queue="acme@odd"} 1 {queue="x"} 7
scheduled_count_total 43
tokio_io_driver_ready_count 5
ready_count{service="smtp_client"} 9
ready_count{service="smtp_client:acme.mx1.r2->(mx1|mx2).mail.example@smtp_client"} 9
ready_count{service="lua:unspecified->postmta.log_hook@lua:make.postmta"} 3
connection_count{service="smtp_client"} 1
connection_count{service="smtp_client:acme.mx1.r2->(mx1|mx2).mail.example@smtp_client"} 2
queued_count_by_provider{provider="gmail"} 8
queued_count_by_provider_and_pool{pool="acme",provider="gmail"} 7
queued_count_by_provider_and_pool{provider="outlook", pool="acme.mx1"} 1e3
scheduled_count{queue="broken"} NaN
scheduled_count{queue="cut off
"""


def test_only_what_tells_of_queues_is_read() -> None:
    metrics = empty()
    for line in LINES.splitlines():
        add_line(metrics, line)
    assert metrics.scheduled == {"spring:acme@example.org": 42, 'acme@odd"} 1 {queue="x': 7}
    assert metrics.ready == {("acme.mx1.r2", "(mx1|mx2).mail.example"): 9}
    assert metrics.connections == {("acme.mx1.r2", "(mx1|mx2).mail.example"): 2}
    assert metrics.queued == {("gmail", "acme"): 7, ("outlook", "acme.mx1"): 1000}


def test_what_a_node_writes_is_read_back_and_added_up() -> None:
    gauges = {
        GAUGES["scheduled_count"]: {("acme@example.org",): 3.0},
        GAUGES["queued_count_by_provider_and_pool"]: {("gmail", "acme"): 4.0},
    }
    one, other = empty(), empty()
    for line in as_text(gauges).splitlines():
        add_line(one, line)
        add_line(other, line)
    both = total([one, other])
    assert (both.scheduled, both.queued) == ({"acme@example.org": 6}, {("gmail", "acme"): 8})
