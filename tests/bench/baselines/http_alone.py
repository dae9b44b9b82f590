"""``python -m tests.bench.baselines.http_alone``: what three HTTP messages cost, and nothing else.

Takes a text, hands it over, takes its receipt, with Relay's own server and way to the provider. It looks at no signature, keeps
nothing, and loses everything when it ends: no relay, but the fastest that one with these libraries could come to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import uvloop

from relay.api.server import listen, serving
from relay.providers import twilio
from relay.providers.base import OutboundText
from relay.providers.transport import Transport, open_transport
from tests.bench.baselines.settings import Settings, read_settings

SENDS = 64

_ROUTES = "select number, phone, other_number, other_phone from conversation"

Message = MutableMapping[str, Any]


@dataclass(slots=True)
class HttpAlone:
    """Texts in, texts out, receipts in; all of it in memory."""

    settings: Settings
    transport: Transport
    routes: dict[tuple[str, str], tuple[str, str]]
    turns: asyncio.Semaphore
    _sends: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        body = await _whole(receive)
        if scope["path"] == "/inbound":
            form = dict(parse_qsl(body.decode()))
            task = asyncio.create_task(self._hand_over(*self.routes[form["To"], form["From"]], form["Body"]))
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)
        status = 200 if scope["path"] == "/healthz" else 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _hand_over(self, sender: str, to: str, text: str) -> None:
        settings = self.settings
        credentials = {"account_sid": settings.account_sid, "auth_token": settings.auth_token}
        outbound = OutboundText(sender, to, text, settings.receipt_url(0))
        async with self.turns:
            await self.transport.send(twilio.ADAPTER.build_send(credentials, settings.carrier_url, outbound))


async def _whole(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _serve(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    routes = {(to, sender): (shown, other) for to, sender, shown, other in await connection.fetch(_ROUTES)}
    await connection.close()
    async with open_transport(connections=SENDS) as transport:
        app = HttpAlone(settings, transport, routes, asyncio.Semaphore(SENDS))
        async with serving(app, listen("127.0.0.1", settings.port)):
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(read_settings(os.environ)))
