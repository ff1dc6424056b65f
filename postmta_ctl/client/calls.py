"""Operations of the API, each described once; a client that blocks and one that does not both follow from it.

An operation is a method that returns a :class:`Call`. What a caller sees of it depends on the client that its group
belongs to: with :class:`~postmta_ctl.client.Client` it returns the result, with
:class:`~postmta_ctl.client.AsyncClient` something to await.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Concatenate, Generic, Literal, NamedTuple, ParamSpec, Protocol, TypeVar, overload

import msgspec

P = ParamSpec("P")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = None
    """Pass as ``cursor`` for the page after this one; None on the last."""


class Tagged(NamedTuple, Generic[T]):
    """A result, and the entity tag of its version: pass it as ``if_match`` to change what you saw and nothing newer."""

    value: T
    etag: str | None


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A request that can be made, and the type of its answer."""

    method: Method
    path: str
    """With parameters as ``{name}``."""
    result: type[T]
    """A struct, or ``str``, ``bytes``, ``NoneType`` for what is no JSON."""
    parts: Mapping[str, str | int] = {}
    """Values of the path's parameters."""
    query: Mapping[str, Any] = {}
    """None: not given."""
    body: Any = None
    """A struct; or octets, which are sent as they are."""
    headers: Mapping[str, str | None] = {}

    def once(self, key: str) -> Call[T]:
        """The same call under an idempotency key, if it takes one and has none."""
        if "Idempotency-Key" not in self.headers or self.headers["Idempotency-Key"]:
            return self
        return msgspec.structs.replace(self, headers={**self.headers, "Idempotency-Key": key})

    def after(self, cursor: str) -> Call[T]:
        """The call for the page after."""
        return msgspec.structs.replace(self, query={**self.query, "cursor": cursor})


class Blocking(Protocol):
    """Makes calls and waits for the answers."""

    is_async: Literal[False]

    def run(self, call: Call[T]) -> Tagged[T]:
        """Make a call."""


class Awaiting(Protocol):
    """Makes calls without blocking."""

    is_async: Literal[True]

    async def run(self, call: Call[T]) -> Tagged[T]:
        """Make a call."""


class Group(Generic[R_co]):
    """The operations of one part of the API, made by one client."""

    def __init__(self, runner: R_co) -> None:
        self.runner = runner


class Done(Generic[P, T]):
    """An operation of a client that blocks."""

    def __init__(self, runner: Blocking, describe: Callable[P, Call[T]]) -> None:
        self._runner, self._describe = runner, describe

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it, and return what came of it."""
        return self.tagged(*args, **kwargs).value

    def tagged(self, *args: P.args, **kwargs: P.kwargs) -> Tagged[T]:
        """The same, with the entity tag of what came of it."""
        return self._runner.run(self._describe(*args, **kwargs))


class Awaited(Generic[P, T]):
    """An operation of a client that does not block."""

    def __init__(self, runner: Awaiting, describe: Callable[P, Call[T]]) -> None:
        self._runner, self._describe = runner, describe

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it, and return what came of it."""
        return (await self.tagged(*args, **kwargs)).value

    async def tagged(self, *args: P.args, **kwargs: P.kwargs) -> Tagged[T]:
        """The same, with the entity tag of what came of it."""
        return await self._runner.run(self._describe(*args, **kwargs))


class Listed(Generic[P, T]):
    """A list, read by a client that blocks."""

    def __init__(self, runner: Blocking, describe: Callable[P, Call[Page[T]]]) -> None:
        self._runner, self._describe = runner, describe

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Everything in the list; pages are fetched as they are needed, of ``limit`` each."""
        call = self._describe(*args, **kwargs)
        while True:
            page = self._runner.run(call).value
            yield from page.data
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def page(self, *args: P.args, **kwargs: P.kwargs) -> Page[T]:
        """One page."""
        return self._runner.run(self._describe(*args, **kwargs)).value


class ListedAsync(Generic[P, T]):
    """A list, read by a client that does not block."""

    def __init__(self, runner: Awaiting, describe: Callable[P, Call[Page[T]]]) -> None:
        self._runner, self._describe = runner, describe

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        """Everything in the list; pages are fetched as they are needed, of ``limit`` each."""
        call = self._describe(*args, **kwargs)
        while True:
            page = (await self._runner.run(call)).value
            for one in page.data:
                yield one
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def page(self, *args: P.args, **kwargs: P.kwargs) -> Page[T]:
        """One page."""
        return (await self._runner.run(self._describe(*args, **kwargs))).value


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes an operation of the method that describes it."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, group: Group[Blocking], owner: type) -> Done[P, T]: ...
    @overload
    def __get__(self, group: Group[Awaiting], owner: type) -> Awaited[P, T]: ...
    def __get__(self, group: Group[Any], owner: type) -> Done[P, T] | Awaited[P, T]:
        kind = Awaited if group.runner.is_async else Done
        return kind(group.runner, self.describe.__get__(group, owner))


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a list, read page by page, of the method that describes its first page."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[Page[T]]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, group: Group[Blocking], owner: type) -> Listed[P, T]: ...
    @overload
    def __get__(self, group: Group[Awaiting], owner: type) -> ListedAsync[P, T]: ...
    def __get__(self, group: Group[Any], owner: type) -> Listed[P, T] | ListedAsync[P, T]:
        kind = ListedAsync if group.runner.is_async else Listed
        return kind(group.runner, self.describe.__get__(group, owner))
