"""One side dies while the other goes on: nothing that was acknowledged or logged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from tests.e2e.installation import Installation
from tests.e2e.kumod import KUMOD
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]


def test_mail_for_a_dead_node_waits_for_it(installation: Installation) -> None:
    installation.kumod.kill()
    accepted = [installation.service.send(f"late{number}@dest.test") for number in range(20)]
    assert installation.service.message(accepted[0])["status"] == "queued"

    installation.start_kumod()
    for message_id in accepted:
        installation.service.wait_for_status(message_id, "delivered", seconds=60)
    assert [len(installation.sink.to(f"late{number}@dest.test")) for number in range(20)] == [1] * 20


def test_records_wait_for_a_dead_control_plane(installation: Installation) -> None:
    service, addresses = installation.service, [f"grey-out{number}@dest.test" for number in range(20)]
    accepted = [service.send(address) for address in addresses]
    # Once the receiver has put all of them off, what is to come happens without the control plane.
    wait_for(lambda: installation.sink.put_off.issuperset(addresses), "the first attempts")
    service.kill()
    for address in addresses:
        installation.sink.wait_for(address)

    service.start()
    for message_id in accepted:
        kinds = [one["type"] for one in service.wait_for_status(message_id, "delivered", seconds=90)["timeline"]]
        assert kinds == ["message.queued", "message.accepted", "message.deferred", "message.delivered"]
    assert [len(installation.sink.to(address)) for address in addresses] == [1] * 20


def test_a_release_published_to_a_dead_node_is_what_it_starts_with(installation: Installation) -> None:
    installation.kumod.kill()
    vmta = installation.add_vmta("mx3", "127.0.0.5")
    installation.service.command("policy", "publish", status=1)
    installation.start_kumod()
    node = installation.node()
    assert node["running_release"] == node["published_release"]
    installation.service.wait_for_status(installation.service.send("pinned@dest.test", vmta="mx3"), "delivered")
    assert installation.sink.wait_for("pinned@dest.test").source_address == "127.0.0.5"

    installation.service.call("DELETE", f"/api/v1/vmtas/{vmta}")
    installation.publish()


def test_the_nodes_own_log_adds_nothing_to_what_its_hook_delivered(installation: Installation) -> None:
    installation.kumod.stop()  # which closes the segments
    try:
        files = sorted(path for path in installation.kumod.logs.iterdir() if path.is_file())
        told = installation.service.command("logs", "import", "--node", "mx-1", *map(str, files))
    finally:
        installation.start_kumod()
    assert len(told.splitlines()) == len(files)
    assert all(": 0 events" in line and ", 0 unreadable" in line for line in told.splitlines()), told
    assert sum(int(line.rpartition(" events, ")[2].partition(" known")[0]) for line in told.splitlines()) > 20
    assert any(b'"Delivery"' in lines(file) for file in files)


def lines(segment: Path) -> bytes:
    with segment.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
