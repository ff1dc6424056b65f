"""Opens and clicks: kept before they are answered; a kill loses none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from bench.load import Task
from bench.rows import Measure, Row, add
from bench.servers import bare, product, rate, request
from postmta_ctl.core.tracking import Tracker
from postmta_ctl.features.tracking.service import secret_of
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings
from tests.serving import Service

CONNECTIONS, SECONDS, RECIPIENTS = 16, 2.0, 500


def _paths(service: Service, kind: str) -> list[str]:
    """A link of this kind for each of many recipients."""
    keys = load_keys(Settings(data_dir=service.data_dir))
    tracker = Tracker(secret_of(keys), "")
    links: dict[str, Callable[[str], str]] = {
        "opens": tracker.open_url,
        "clicks": lambda recipient: tracker.click_url(recipient, "https://example.org/offer"),
    }
    mail = {"from": "ann@sender.test", "subject": "Hello", "text": "Hello."}
    people = [f"bob{number}@dest.test" for number in range(RECIPIENTS)]
    found = []
    for start in range(0, RECIPIENTS, 100):
        body = {"messages": [mail | {"to": [one]} for one in people[start : start + 100]]}
        answer = service.call("POST", "/api/v1/messages/batch", body)
        found += [links[kind](one["message"]["recipients"][0]["id"]) for one in answer["results"]]
    return found


def _task(port: int, paths: list[str]) -> Task:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    requests = [request("GET", path, headers=agent) for path in paths]
    return Task(port=port, requests=requests, connections=CONNECTIONS, seconds=SECONDS)


def _sides(kind: str, status: str) -> Callable[[], AbstractContextManager[tuple[Measure, Measure]]]:
    @contextmanager
    def sides() -> Iterator[tuple[Measure, Measure]]:
        with product() as service, bare() as (port, process):
            paths = _paths(service, kind)
            ours = _task(service.port, paths)
            other = _task(port, [path.removeprefix("/track") for path in paths])
            yield lambda: rate(service.pid, ours, status=status), lambda: rate(process, other, status=status)

    return sides


for _kind, _status in (("opens", "200"), ("clicks", "302")):
    add(
        Row(
            name=_kind,
            what=f"{_kind}, each kept before it is answered, 16 connections",
            against="bare Litestar GET",
            unit="requests/s",
            reach=0.70,
            sides=_sides(_kind, _status),
        )
    )
