"""A stand-in for kumod on loopback that keeps state: it reads its policy folder when told to, and says what it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from postmta_ctl.compiler.bundle import read_manifest
from postmta_ctl.compiler.node_files import current_release
from tests.loops import another_loop


@dataclass
class FakeNode:
    """One node; its attributes say how it behaves."""

    policy_dir: Path
    online_since: str = "2026-11-22T11:00:00.123456289Z"
    version: str = "2026.05.12"
    running: int | None = None
    """The release it runs; None: it has not read a policy of ours."""
    stuck: bool = False
    """It does not obey the bump."""
    garbage: bytes | None = None
    """What it answers to everything, if set."""
    suspensions: list[dict[str, str]] = field(default_factory=list)
    """Those in force, as kumod lists them."""
    ready_suspensions: list[dict[str, str]] = field(default_factory=list)
    """The same, of ready queues."""
    ready_queues: list[str] = field(default_factory=list)
    """Names that its metrics tell."""
    paths: dict[str, dict[str, object]] | None = None
    """What it answers of a path, by domain; None: it is too old to be asked."""
    bumps: int = 0
    probes: int = 0
    tokens: set[str] = field(default_factory=set)
    """Every credential that it was shown."""
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator[FakeNode]:
        """Serve while the block lasts, from a thread of its own; served again, it is at the same port."""
        with another_loop() as run:
            runner = run(self._start())
            try:
                yield self
            finally:
                run(runner.cleanup())

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def read_policy(self) -> None:
        """What kumod does at its start, and in a new epoch."""
        name = current_release(self.policy_dir)
        self.running = read_manifest(self.policy_dir / "releases" / name).release if name else None

    def restart(self, moment: str) -> None:
        """Start anew at that moment."""
        self.online_since = moment
        self.read_policy()

    async def _answer(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        if self.garbage is not None:
            return web.Response(body=self.garbage)
        match request.path:
            case "/api/machine-info":
                return web.json_response(
                    {"node_id": "n", "hostname": "h", "online_since": self.online_since, "version": self.version}
                )
            case "/api/admin/bump-config-epoch":
                self.bumps += 1
                if not self.stuck:
                    self.read_policy()
                return web.Response()
            case "/api/inject/v1":
                return web.json_response(self._inject(await request.json()))
        return await self._administer(request)

    async def _administer(self, request: web.Request) -> web.Response:
        match request.path:
            case "/api/admin/suspend/v1":
                return await self._suspend(request, self.suspensions)
            case "/api/admin/suspend-ready-q/v1":
                return await self._suspend(request, self.ready_suspensions)
            case "/api/admin/rebind/v1":
                return web.json_response({})
            case "/metrics":
                lines = (f'ready_count{{service="smtp_client:{name}"}} 0\n' for name in self.ready_queues)
                return web.Response(text="".join(lines))
            case "/api/admin/resolve-egress-path/v1" if self.paths is not None:
                return web.json_response(self._path(request.query["domain"], request.query["source"]))
        return web.Response(status=404, text="Error: not here")

    async def _suspend(self, request: web.Request, kept: list[dict[str, str]]) -> web.Response:
        if request.method == "POST":
            body = await request.json()
            kept.append({"id": f"s{self.bumps}-{len(kept)}-{id(body)}", **{k: str(v) for k, v in body.items()}})
            return web.json_response({"id": kept[-1]["id"]})
        if request.method == "DELETE":
            gone = (await request.json())["id"]
            kept[:] = [one for one in kept if one["id"] != gone]
            return web.Response(text="OK")
        return web.json_response(kept)

    def _path(self, domain: str, source: str) -> dict[str, object]:
        assert self.paths is not None
        return {
            "domain": domain,
            "source": source,
            "queue_name": f"{source}->mx.{domain}@smtp_client",
            "path_config": self.paths.get(domain, {}),
        }

    def _inject(self, body: dict[str, object]) -> dict[str, object]:
        self.probes += 1
        recipients = json.loads(json.dumps(body["recipients"]))
        assert recipients[0]["metadata"] == {"probe": True}
        if self.running is None:
            return {"success_count": 1, "fail_count": 0, "failed_recipients": [], "errors": []}
        address = recipients[0]["email"]
        words = f"{address}: 550 postmta-release={self.running} digest=0\nstack traceback:\n\t[C]: in function"
        return {"success_count": 0, "fail_count": 1, "failed_recipients": [address], "errors": [words]}
