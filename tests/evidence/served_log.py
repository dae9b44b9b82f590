"""A log behind real HTTP, on a port of this machine, answered by the standard library's server: a judge of what is asked."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from relay.core.errors import NotFound
from tests.evidence.logs import MadeLog

API_KEY = "rk_1_secret"


@dataclass
class Site:
    """A log at ``/v1/audit``. ``instead``: what is answered instead: status, type, body. ``busy``: how often 429 comes first."""

    log: MadeLog
    instead: tuple[int, str, bytes] | None = None
    busy: int = 0
    url: str = ""
    handed_in: list[str] = field(default_factory=list)
    refusal: tuple[int, bytes] = (200, b"{}")  #: what is answered to who hands something in

    def take(self, path: str, authorization: str, body: bytes) -> tuple[int, str, bytes]:
        if (path, authorization) != ("/v1/audit/cosignatures", f"Bearer {API_KEY}"):
            return 404, "application/problem+json", b"{}"
        self.handed_in.append(json.loads(body)["checkpoint"])
        return self.refusal[0], "application/json", self.refusal[1]

    def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
        if self.instead is not None:
            return self.instead
        if self.busy:
            self.busy -= 1
            return 429, "application/problem+json", b"{}"
        if authorization != f"Bearer {API_KEY}":
            return 401, "application/problem+json", b"{}"
        try:
            return 200, "application/octet-stream", asyncio.run(self.log.fetch(path.removeprefix("/v1/audit/")))
        except NotFound:
            return 404, "application/problem+json", b"{}"


@contextmanager
def serving(log: MadeLog) -> Iterator[Site]:
    """Serve a log as long as this block."""
    site = Site(log)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(*site.answer(self.path, self.headers.get("authorization", "")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._say(*site.take(self.path, self.headers.get("authorization", ""), body))

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in (("content-type", kind), ("content-length", str(len(body))), ("retry-after", "0")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/v1/audit"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
