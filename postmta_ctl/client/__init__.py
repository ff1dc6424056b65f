"""A client of the PostMTA API::

    from postmta_ctl.client import Client, SendRequest

    with Client("https://mail.example.com", api_key="pmta_…") as postmta:
        hello = SendRequest(sender="news@example.com", to=["ann@example.org"], subject="Hello", text="Hi")
        sent = postmta.messages.send(hello)
        for message in postmta.messages.list(status="bounced"):
            print(message.id, message.subject)

:class:`AsyncClient` has the same operations, to be awaited. What goes wrong is raised as ``client.errors`` draws it.
Requests are made again where that is safe (``retries``); sending is, since each call has an idempotency key of its own.
"""

from postmta_ctl.client.asynchronous import AsyncClient
from postmta_ctl.client.blocking import Client
from postmta_ctl.client.calls import Page, Tagged
from postmta_ctl.client.errors import ApiError, ClientError, NoAnswer
from postmta_ctl.client.retries import Retries
from postmta_ctl.client.webhooks import Event, NotGenuine, verify
from postmta_ctl.features.messages.schemas import AttachmentIn, BatchRequest, SendRequest

__all__ = [
    "ApiError",
    "AsyncClient",
    "AttachmentIn",
    "BatchRequest",
    "Client",
    "ClientError",
    "Event",
    "NoAnswer",
    "NotGenuine",
    "Page",
    "Retries",
    "SendRequest",
    "Tagged",
    "verify",
]
