"""The application that does nothing: what the server and the framework take by themselves."""

from __future__ import annotations

import sys

from granian.constants import Interfaces, Loops
from granian.server import Server
from litestar import Litestar, Response, get, post
from litestar.params import JSONBody

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.features.messages.schemas import SendRequest


@post("/send", status_code=202)
async def send(data: JSONBody[SendRequest]) -> Response[bytes]:
    """Decode the body into the same struct, and do nothing with it."""
    return Response(b'{"status":"queued"}' if data.to else b"{}", status_code=202, media_type="application/json")


@get("/open/{token:str}", media_type="image/gif")
async def opened(token: str) -> Response[bytes]:
    """A pixel."""
    return Response(PIXEL if token else b"", media_type="image/gif")


@get("/click/{token:str}", status_code=302)
async def clicked(token: str) -> Response[None]:
    """A redirect."""
    return Response(None, status_code=302, headers={"Location": f"https://example.org/{token[:8]}"})


@get("/health")
async def health() -> str:
    """It runs."""
    return "ok"


def application() -> Litestar:
    """What the server's worker process runs."""
    return Litestar([send, opened, clicked, health], logging_config=None, openapi_config=None)


def main() -> None:
    """Serve with the settings that ``postmta serve`` has."""
    Server(
        "bench.bare:application",
        factory=True,
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_enabled=False,
        backlog=1024,
    ).serve()


if __name__ == "__main__":
    main()
