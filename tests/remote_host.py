"""An agent as a process, and somebody between it and the control plane."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from postmta_ctl.compiler.bundle import Bundle, read_manifest
from postmta_ctl.compiler.node_files import current_release
from tests.loops import another_loop
from tests.serving import Service


def untouched(_path: str, body: bytes) -> bytes:
    return body


@dataclass
class Meddler:
    """Stands between agent and control plane, and changes what goes through it."""

    upstream: str
    change: Callable[[str, bytes], bytes] = untouched
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator[Meddler]:
        with another_loop() as run:
            runner = run(self._start())
            try:
                yield self
            finally:
                run(runner.cleanup())

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _pass_on(self, request: web.Request) -> web.Response:
        names = ("Authorization", "If-None-Match", "Content-Type")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = self.upstream + request.path_qs.replace("wait=", "waited=")
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, data=await request.read(), headers=headers) as answer,
        ):
            body = await answer.read()
            if answer.status == 200:
                body = self.change(request.path, body)
            kept = {"ETag": answer.headers["ETag"]} if "ETag" in answer.headers else {}
            return web.Response(status=answer.status, body=body, headers=kept)


@functools.cache
def signing_key(service: Service) -> str:
    """The key that orders are signed with; the command that tells it is a process."""
    return service.command("node", "signing-key")


class AgentProcess:
    """``postmta agent`` of a node whose folder the control plane does not have.

    Args:
        folder: Of its own files.
        service: The control plane.
        name: The node's.
        policy_dir: The node's folder.
    """

    def __init__(self, folder: Path, service: Service, name: str, policy_dir: Path) -> None:
        self.name, self.folder, self.service = name, folder, service
        folder.mkdir()
        self.policy_dir, self.log = policy_dir, folder / "agent.log"
        self.admin_url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def join(self, admin_url: str, policy_dir: str) -> None:
        """Add the node.

        Args:
            admin_url: The node's.
            policy_dir: Where the control plane is told that the folder is.
        """
        self.admin_url = admin_url
        body = {"name": self.name, "admin_url": admin_url, "policy_dir": policy_dir}
        added = self.service.call("POST", "/api/v1/nodes", body | {"transport": "agent"})
        (self.folder / "token").write_text(added["agent_token"])
        (self.folder / "signing.key").write_text(signing_key(self.service))

    def start(self, control_plane: str | None = None, **changes: str) -> None:
        options = {
            "--control-plane": control_plane or self.service.url,
            "--node": self.name,
            "--policy-dir": str(self.policy_dir),
            "--admin-url": self.admin_url,
            "--token-file": str(self.folder / "token"),
            "--signing-key-file": str(self.folder / "signing.key"),
        }
        options |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        words = [word for option in options.items() for word in option]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTMTA_")}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postmta_ctl.agent", *words], env=environment, stdout=output, stderr=output
            )

    def kill(self) -> None:
        """SIGKILL to the agent that was started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(10)
        self._process = None
        return status

    def node(self) -> dict[str, Any]:
        nodes = self.service.call("GET", "/api/v1/nodes")["data"]
        (found,) = [one for one in nodes if one["name"] == self.name]
        return dict(found)

    def leave(self) -> None:
        """Remove the node."""
        self.kill()
        self.service.call("DELETE", f"/api/v1/nodes/{self.node()['id']}")

    def require_whole(self) -> None:
        """What it is switched to is a release, whole and as it was published."""
        name = current_release(self.policy_dir)
        if name is not None:
            folder = self.policy_dir / "releases" / name
            assert Bundle.read(folder).digest == read_manifest(folder).digest
