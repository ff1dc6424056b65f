"""The client that waits for each answer."""

from __future__ import annotations

import time
from typing import Literal, Self, TypeVar

import httpx

from postmta_ctl.client.calls import Blocking, Call, Tagged
from postmta_ctl.client.connection import TIMEOUT, USUAL, Patience, http_options
from postmta_ctl.client.conversation import Conversation, converse
from postmta_ctl.client.errors import UnreadableAnswer
from postmta_ctl.client.groups.everything import Everything
from postmta_ctl.client.retries import Retries

T = TypeVar("T")


class Client(Everything[Blocking]):
    """All operations of the API. Threads may share one.

    Args:
        base_url: Where the API is, such as ``https://mail.example.com``.
        api_key: An API key.
        access_token: Of a login, instead of a key.
        timeout: Seconds to wait for the connection, and for each part of the answer, or an ``httpx.Timeout``.
        retries: When requests are made again.
        http: A connection to use instead of one of its own; it stays open.
    """

    is_async: Literal[False] = False

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        api_key: str | None = None,
        *,
        access_token: str | None = None,
        timeout: Patience = TIMEOUT,
        retries: Retries = USUAL,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client(**http_options(base_url, api_key, access_token, timeout))
        self._is_own, self._retries = http is None, retries
        self._timeout: Patience | None = None
        super().__init__(self)

    def run(self, call: Call[T]) -> Tagged[T]:
        """Make a call.

        Raises:
            ClientError: See ``client.errors``.
        """
        conversation: Conversation[T] = converse(call, self._http, self._retries, self._timeout)
        step = next(conversation)
        while True:
            try:
                step = conversation.send(self._do(step))
            except StopIteration as end:
                result: Tagged[T] = end.value
                return result

    def _do(self, step: httpx.Request | float) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, float):
            time.sleep(step)
            return None
        try:
            return self._http.send(step)
        except httpx.TransportError as error:
            return error
        except httpx.DecodingError as error:
            raise UnreadableAnswer(str(error)) from error

    def with_options(self, *, timeout: Patience | None = None, retries: Retries | None = None) -> Client:
        """The same client over the same connections, with other patience: for one call that takes long, say."""
        other = Client(http=self._http, retries=retries or self._retries)
        other._timeout = self._timeout if timeout is None else timeout
        return other

    def close(self) -> None:
        """Close the connections."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
