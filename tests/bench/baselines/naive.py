"""``python -m tests.bench.baselines.naive``: an asynchronous relay as most would write it. One transaction for each step
of a message, the carrier awaited in a background task, one process. What was stored and not sent is sent at the next
start, so that its 204 is worth something.

Tried, and no faster: fewer connections to the carrier, and one statement in place of the transaction that stores.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass

import asyncpg
import httpx
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.baselines.settings import KEEP_ALIVE, Settings, read_settings
from tests.bench.baselines.webhooks import MAY_FOLLOW, is_genuine

SENDS = 64

_ROUTE = "select other_number, other_phone from conversation where number = $1 and phone = $2"
_STORE = """
    insert into message (inbound_sid, sender, recipient, body) values ($1, $2, $3, $4)
        on conflict (inbound_sid) do nothing
    returning id, sender, recipient, body
"""
_UNSENT = "select id, sender, recipient, body from message where state = 'received' order by id"
_ACCEPTED = """
    update message
       set outbound_sid = $2, state = case when state = 'received' then 'accepted' else state end
     where id = $1
"""
_REPORTED = "update message set state = $2 where id = $1 and state = any ($3)"

log = logging.getLogger("naive")


@dataclass(frozen=True, slots=True)
class NaiveRelay:
    """Texts in, texts out, receipts in."""

    settings: Settings
    pool: asyncpg.Pool
    client: httpx.AsyncClient
    # As many as the client has connections. What waits for one waits here: the client would look through all that wait
    # inside of it at every answer, and give up on the late ones.
    turns: asyncio.Semaphore

    async def inbound(self, request: Request) -> Response:
        """Store a text for whoever it is for; it is sent after the answer."""
        form = await self._genuine_form(request, self.settings.inbound_url)
        if form is None:
            return Response(status_code=403)
        async with self.pool.acquire() as connection, connection.transaction():
            route = await connection.fetchrow(_ROUTE, form["To"], form["From"])
            message = route and await connection.fetchrow(_STORE, form["MessageSid"], *route, form["Body"])
        return Response(status_code=204, background=BackgroundTask(self.send, message) if message else None)

    async def receipt(self, request: Request) -> Response:
        """Note what became of a message."""
        message_id: int = request.path_params["message_id"]
        form = await self._genuine_form(request, self.settings.receipt_url(message_id))
        if form is None:
            return Response(status_code=403)
        status = form["MessageStatus"]
        await self.pool.execute(_REPORTED, message_id, status, MAY_FOLLOW.get(status, ()))
        return Response(status_code=204)

    async def send(self, message: asyncpg.Record) -> None:
        """Hand a stored message to the carrier. One that it does not take waits for the next start."""
        text = {
            "From": message["sender"],
            "To": message["recipient"],
            "Body": message["body"],
            "StatusCallback": self.settings.receipt_url(message["id"]),
        }
        try:
            async with self.turns:
                answer = await self.client.post(self.settings.messages_url, data=text)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("message %d was not sent: %s", message["id"], type(error).__name__)
            return
        await self.pool.execute(_ACCEPTED, message["id"], answer.json()["sid"])

    async def _genuine_form(self, request: Request, url: str) -> dict[str, str] | None:
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        signature = request.headers.get("x-twilio-signature", "")
        return form if is_genuine(self.settings.auth_token, url, form, signature=signature) else None


async def _healthz(_request: Request) -> Response:
    return Response(status_code=200)


def _server(relay: NaiveRelay) -> uvicorn.Server:
    routes = [
        Route("/inbound", relay.inbound, methods=["POST"]),
        Route("/receipts/{message_id:int}", relay.receipt, methods=["POST"]),
        Route("/healthz", _healthz),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        port=relay.settings.port,
        http="httptools",
        timeout_keep_alive=KEEP_ALIVE,
        access_log=False,
        log_level="warning",
    )
    return uvicorn.Server(config)


async def _serve(settings: Settings) -> None:
    client = httpx.AsyncClient(
        auth=(settings.account_sid, settings.auth_token),
        limits=httpx.Limits(max_connections=SENDS, max_keepalive_connections=SENDS),
        timeout=10,
        trust_env=False,
    )
    async with client, asyncpg.create_pool(settings.database_url) as pool, asyncio.TaskGroup() as tasks:
        relay = NaiveRelay(settings, pool, client, asyncio.Semaphore(SENDS))
        for message in await pool.fetch(_UNSENT):
            tasks.create_task(relay.send(message))
        await _server(relay).serve()


if __name__ == "__main__":
    uvloop.run(_serve(read_settings(os.environ)))
