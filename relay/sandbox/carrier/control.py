"""The carrier's control surface: how scripts, tests and the sandbox play the people and the weather.

JSON without credentials. Reachable from this machine only, because the process binds to loopback. Nothing here exists
at a real carrier, and the relay must never call it. A document that is wrong is answered 422 with the field's name.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.sandbox.carrier.courier import Courier
from relay.sandbox.carrier.fields import BadField, Reader, number_between, phone, read_fields, whole_number, words
from relay.sandbox.carrier.network import Network
from relay.sandbox.carrier.texts import is_text_id
from relay.sandbox.carrier.weather import as_document, change_config, change_weather
from relay.sandbox.carrier.webhooks import Account, call_form, text_form

_Handler = Callable[[Request], Awaitable[Response]]


def _sender(value: object) -> str:
    # Short codes and names write texts too, and a relay must cope with them.
    if not words(value).strip():
        raise ValueError("a phone, a short code or a name")
    return words(value)


def _text_id(value: object) -> str:
    if not isinstance(value, str) or not is_text_id(value):
        raise ValueError("SM or MM and 32 hex digits")
    return value


_media_count = number_between(0, 10)

_TEXT: Mapping[str, Reader] = {
    "from": _sender,
    "to": phone,
    "text": words,
    "media": lambda value: whole_number(_media_count(value)),
    "id": _text_id,
}
_CALL: Mapping[str, Reader] = {"from": _sender, "to": phone}


class Control:
    """The routes under `/control/`, and the health check."""

    def __init__(self, network: Network, courier: Courier, account: Account) -> None:
        self._network = network
        self._courier = courier
        self._account = account

    def routes(self) -> list[Route]:
        """Every route of the control surface."""
        return [
            Route("/control/texts", _checked(self._text), methods=["POST"]),
            Route("/control/calls", _checked(self._call), methods=["POST"]),
            Route("/control/phones", self._phones),
            Route("/control/phones/{phone}", self._handset),
            Route("/control/ledger", _checked(self._ledger)),
            Route("/control/records", self._records),
            Route("/control/receipts", self._receipts),
            Route("/control/weather", _checked(self._weather), methods=["GET", "PUT"]),
            Route("/control/config", _checked(self._config), methods=["GET", "PUT"]),
            Route("/control/state", self._clear, methods=["DELETE"]),
            Route("/healthz", self._health),
        ]

    async def _text(self, request: Request) -> Response:
        asked = read_fields(await _document(request), _TEXT)
        _require(asked, "from", "to", "text")
        text = self._network.receive(
            asked["from"], asked["to"], asked["text"], media=asked.get("media", 0), text_id=asked.get("id")
        )
        form = text_form(self._account, text, media_base=str(request.base_url).rstrip("/"))
        return JSONResponse({"id": text.id, "status": await self._courier.deliver_text(form)})

    async def _call(self, request: Request) -> Response:
        asked = read_fields(await _document(request), _CALL)
        _require(asked, "from", "to")
        answer = await self._courier.deliver_call(call_form(self._account, asked["from"], asked["to"]))
        return JSONResponse({"status": answer.status, "body": answer.body})

    async def _phones(self, _request: Request) -> Response:
        return JSONResponse(self._network.phones())

    async def _handset(self, request: Request) -> Response:
        return JSONResponse(self._network.handset(request.path_params["phone"]))

    async def _ledger(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdecimal()):
            raise BadField("since", "must be the number of a ledger entry")
        return JSONResponse(self._network.ledger.since(int(since)))

    async def _records(self, _request: Request) -> Response:
        return JSONResponse(self._network.records())

    async def _receipts(self, _request: Request) -> Response:
        taken = self._courier.receipts_taken.items()
        return JSONResponse({url.rpartition("/")[2]: words for url, words in taken})

    async def _weather(self, request: Request) -> Response:
        if request.method == "PUT":
            self._network.weather = change_weather(self._network.weather, await _document(request))
        return JSONResponse(as_document(self._network.weather))

    async def _config(self, request: Request) -> Response:
        if request.method == "PUT":
            self._network.config = change_config(self._network.config, await _document(request))
        return JSONResponse(as_document(self._network.config))

    async def _clear(self, _request: Request) -> Response:
        self._network.clear()
        self._courier.receipts_taken.clear()
        return Response(status_code=204)

    async def _health(self, _request: Request) -> Response:
        receipts = {"waiting": self._courier.receipts_waiting, "dropped": self._courier.receipts_dropped}
        return JSONResponse({"status": "ok", "receipts": receipts, "withheld": self._network.withheld})


def _checked(handler: _Handler) -> _Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BadField as bad:
            return JSONResponse({"field": bad.field, "error": bad.problem}, 422)

    return answer


async def _document(request: Request) -> object:
    try:
        document: object = json.loads(await request.body())
    except ValueError:
        raise BadField("body", "must be JSON") from None
    return document


def _require(asked: Mapping[str, object], *names: str) -> None:
    for name in names:
        if name not in asked:
            raise BadField(name, "is required")
