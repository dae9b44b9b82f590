"""The marketplace's own server: three webhooks and the hooks of its pools, in a thread that nobody kills or keeps waiting.

One webhook works, one fails three times in ten, one never answers. What a hook says is in the text itself, so that it says
the same however often it is asked. Everything is written down before it is answered.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.campaign.history import Asked, Told

#: Which events each webhook takes: few enough that texts are what a run is busy with. In the order in which they are made.
WEBHOOKS: dict[str, tuple[str, ...]] = {
    "hangs": ("session.opened",),
    "fails": ("session.*", "message.parked"),
    "works": ("session.*", "participant.*", "message.refused", "message.parked", "message.expired"),
}
#: What a text says for its hook to refuse it, not to answer at all, and to answer what means nothing.
REFUSE, SILENT, NONSENSE = " (hold this)", " (no word)", " (any word)"
HOOK_TIMEOUT = 2  # seconds
_FAILING = 0.3
_FRESH = 60.0  # seconds: whoever signs goes by the database's clock, which is right
_HANGS = 60.0
_PHONE = re.compile(rb"\+1\d{10}")


@dataclass(slots=True)
class Customer:
    """``secrets``: of webhooks by name, of hooks by their pool's name with a hyphen; ``is_away``: everything is answered 503."""

    mark: bytes
    url: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)  #: a webhook's row id -> its name
    told: list[Told] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    is_away: bool = False

    async def hear(self, request: web.Request) -> web.Response:
        """A webhook's post."""
        name, body = request.match_info["name"], await request.read()
        event = json.loads(body)
        status = self._status(name)
        self.told.append(
            Told(
                endpoint=name,
                event=request.headers["webhook-id"],
                at=time.time(),
                status=status,
                session=event["data"].get("session", ""),
                sequence=event["sequence"],
                body=hashlib.sha256(body).hexdigest()[:16],
                is_right=self._is_signed(name, request.headers, body) and event["id"] == request.headers["webhook-id"],
            )
        )
        if _PHONE.search(body) or self.mark in body:
            self.leaks.append(f"webhook {name}: a phone or a text")
        if not status:
            await asyncio.sleep(_HANGS)
        return web.Response(status=status or 204)

    def _status(self, name: str) -> int:
        """0 = no answer."""
        if name == "hangs":
            return 0
        fails = self.is_away or (name == "fails" and random.random() < _FAILING)
        return 503 if fails else 204

    async def ask(self, request: web.Request) -> web.Response:
        """A hook's question."""
        pool, body = request.match_info["pool"], await request.read()
        question = json.loads(body)
        answer = "none" if self.is_away else _answer(question["text"])
        is_right = self._is_signed(pool, request.headers, body) and question["message"] == request.headers["webhook-id"]
        self.asked.append(
            Asked(question["message"], question["session"], question["text"], time.time(), answer, is_right)
        )
        if _PHONE.search(body):
            self.leaks.append("hook: a phone")
        if self.is_away:
            return web.Response(status=503)
        if SILENT in question["text"]:
            await asyncio.sleep(_HANGS)
        return web.json_response({"action": answer})

    def _is_signed(self, name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """By Standard Webhooks 1.0.0, just now, with this secret."""
        stamp = headers["webhook-timestamp"]
        signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
        key = base64.b64decode(self.secrets[name].removeprefix("whsec_"))
        right = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return right in headers["webhook-signature"].split(" ") and abs(time.time() - int(stamp)) < _FRESH


def _answer(text: str) -> str:
    if REFUSE in text:
        return "refuse"
    return "none" if SILENT in text or NONSENSE in text else "allow"


@contextmanager
def serving(mark: str) -> Iterator[Customer]:
    """Open on loopback until the block is left. Nothing that is written down may hold ``mark``, but for questions."""
    customer, started = Customer(mark.encode()), threading.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(customer, loop, started), name="customer", daemon=True)
    thread.start()
    if not started.wait(10):
        raise AssertionError("the marketplace's server does not start")
    try:
        yield customer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _serve(customer: Customer, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    app = web.Application()
    app.router.add_post("/webhooks/{name}", customer.hear)
    app.router.add_post("/hooks/{pool}", customer.ask)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    loop.run_until_complete(site.start())
    host, port = runner.addresses[0][:2]
    customer.url = f"http://{host}:{port}"
    started.set()
    loop.run_forever()
    loop.run_until_complete(runner.cleanup())
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    loop.close()
