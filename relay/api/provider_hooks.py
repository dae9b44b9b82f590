"""What providers call: inbound texts, receipts, calls. Plain ASGI, because nothing here may cost more than it must.

2xx only after the commit. 403 for what is not signed by the provider, before anything of it is looked up. 503 when nothing
can be stored, so that the provider tries again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect, Request

from relay import logs, metrics
from relay.api.call import Services
from relay.api.reading import read_body
from relay.core import ids
from relay.core.errors import (
    CallerMistake,
    KeyMissing,
    NotFound,
    RelayError,
    Tampered,
    TooLarge,
    TryLater,
    WebhookRefused,
)
from relay.core.ids import IdKind
from relay.providers.base import Webhook

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PREFIX = "/hooks/"
_TAKEN = (204, b"", "")


class ProviderHooks:
    """Takes ``/hooks/...`` and leaves everything else to the application behind it."""

    def __init__(self, services: Services, *, public_url: str, behind: App) -> None:
        self._services = services
        self._public_url = public_url
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await self._behind(scope, receive, send)
            return
        started = time.monotonic()
        status, body, kind = await self._answer(Request(scope, receive))
        metrics.ack_seconds.observe(time.monotonic() - started)
        await _reply(send, status, body, kind)

    async def _answer(self, request: Request) -> tuple[int, bytes, str]:
        parts = request.scope["path"].removeprefix(_PREFIX).split("/")
        try:
            return await self._dispatch(request, parts)
        except KeyMissing as error:  # the provider tries again, perhaps where the key is
            metrics.alarms.labels("key_missing").inc()
            logs.trouble("webhook_not_taken", error)
            return 503, b"", "text/plain"
        except (WebhookRefused, Tampered, NotFound):
            metrics.webhooks.labels(parts[1] if len(parts) > 1 and parts[1] in _KINDS else "other").inc()
            return 403, b"", "text/plain"
        except TooLarge:
            return 413, b"", "text/plain"
        except (CallerMistake, ClientDisconnect):
            return 400, b"", "text/plain"
        except TryLater:
            return 503, b"", "text/plain"
        except RelayError as error:
            logs.trouble("webhook_failed", error)
            return 500, b"", "text/plain"
        except Exception as error:  # the provider tries again after a 5xx: nothing is lost
            logs.trouble("webhook_failed", error)
            return 500, b"", "text/plain"

    async def _dispatch(self, request: Request, parts: list[str]) -> tuple[int, bytes, str]:
        if request.method not in {"POST", "GET"} or len(parts) not in (2, 3) or parts[1] not in _KINDS:
            raise NotFound
        if len(parts) == 3 and parts[1] != "receipts":
            raise NotFound
        connection_id = ids.parse(IdKind.CONNECTION, parts[0])
        webhook = await self._webhook(request)
        if parts[1] == "inbound":
            connection, text = await self._services.connections.verified_text(connection_id, webhook)
            await self._services.inbound.receive(connection, text)
            return _TAKEN
        if parts[1] == "voice":
            body, kind = await self._services.connections.answer_call(connection_id, webhook)
            return 200, body, kind
        connection, receipt = await self._services.connections.verified_receipt(connection_id, webhook)
        if len(parts) == 3:
            await self._services.receipts.take(connection, self._services.vault.tokens.read(parts[2]), receipt)
        return _TAKEN

    async def _webhook(self, request: Request) -> Webhook:
        """The request as the provider signed it: under the public address, whatever stands between."""
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        query = request.scope["query_string"]
        url = self._public_url + raw_path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        return Webhook(request.method, url, headers, await read_body(request))


_KINDS = frozenset({"inbound", "receipts", "voice"})


async def _reply(send: Send, status: int, body: bytes, kind: str) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if status != 204:
        headers += [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
