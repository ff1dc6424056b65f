"""Suspensions and bounce rules of the admin API: kept in memory, gone with the process, as in KumoMTA."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from postmta_ctl.luavm.queues import QueueName
from postmta_ctl.sandbox.durations import MINUTE, parse_moment, span

_DEFAULT_SPAN = 5 * MINUTE


class Scope(Protocol):
    """The fields of a request that say which queues it is about."""

    @property
    def campaign(self) -> str | None: ...  # noqa: D102
    @property
    def tenant(self) -> str | None: ...  # noqa: D102
    @property
    def domain(self) -> str | None: ...  # noqa: D102


class Timed(Protocol):
    """The fields of a request that say how long and why."""

    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def duration(self) -> str | float | None: ...  # noqa: D102
    @property
    def expires(self) -> str | None: ...  # noqa: D102


R = TypeVar("R", bound=Timed)


def covers(scope: Scope, queue: str) -> bool:
    """Whether a request is about a scheduled queue: all it names agree; named queues override the rest."""
    names: list[str] = getattr(scope, "queue_names", [])
    if names:
        return queue in names
    parts = QueueName.parse(queue)
    wanted = {
        "campaign": scope.campaign,
        "tenant": scope.tenant,
        "domain": scope.domain,
        "routing_domain": getattr(scope, "routing_domain", None),
    }
    return all(value is None or getattr(parts, name) == value for name, value in wanted.items())


@dataclass(slots=True)
class Rule(Generic[R]):
    """A request that is in force until it expires."""

    id: str
    request: R
    expires: int


class Rules(Generic[R]):
    """Requests of one kind that are in force. A repeated one replaces the first under a new id."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule[R]] = {}

    def add(self, request: R, now: int) -> Rule[R]:
        """Put a request into force.

        Raises:
            ValueError: ``duration`` or ``expires`` cannot be read.
        """
        rule = Rule(id=str(uuid.uuid4()), request=request, expires=_expiry(request, now))
        for other in [each for each in self._rules.values() if _same(each.request, request)]:
            del self._rules[other.id]
        self._rules[rule.id] = rule
        return rule

    def remove(self, rule_id: str) -> bool:
        """Lift a rule; false when there is none of that id."""
        return self._rules.pop(rule_id, None) is not None

    def current(self, now: int) -> list[Rule[R]]:
        """The rules in force."""
        for rule in [each for each in self._rules.values() if each.expires <= now]:
            del self._rules[rule.id]
        return list(self._rules.values())

    def find(self, accepts: Callable[[R], bool], now: int) -> Rule[R] | None:
        """The first rule in force that accepts."""
        return next((rule for rule in self.current(now) if accepts(rule.request)), None) if self._rules else None

    def clear(self) -> None:
        """Forget everything, as a restart does."""
        self._rules.clear()


def _expiry(request: Timed, now: int) -> int:
    if request.expires is not None:
        return parse_moment(request.expires)
    return now + (_DEFAULT_SPAN if request.duration is None else span(request.duration))


def _same(one: Any, other: Any) -> bool:
    """Whether two requests are about the same queues."""
    names = set(one.__struct_fields__) - {"reason", "duration", "expires", "suppress_logging"}
    return all(getattr(one, name) == getattr(other, name) for name in names)
