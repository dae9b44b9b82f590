"""The part of Twilio's REST API that the simulated carrier speaks: send, list, fetch and delete texts, and fetch the account.

Reads requests, applies the weather of sends, and writes Twilio's JSON; what is accepted or refused is decided by the
network. A path that Twilio has and this carrier lacks answers 404. Source: Twilio's OpenAPI document
`twilio_api_v2010`, resource Message. A send is in the ledger before anything else can happen to it, so that hanging
up or being killed afterwards leaves what a real carrier would leave: an accepted send that nobody heard of.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import random
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

from relay.sandbox.carrier.courier import Courier
from relay.sandbox.carrier.fields import is_web_address
from relay.sandbox.carrier.listing import Listing, parse_listing
from relay.sandbox.carrier.network import Network, Send
from relay.sandbox.carrier.refusals import Refusal
from relay.sandbox.carrier.texts import Text, is_e164, segments
from relay.sandbox.carrier.weather import Weather, happens
from relay.sandbox.carrier.webhooks import API_VERSION, Account

HANG_UP = "carrier.hang_up"

_LONGEST_BODY = 1600

_Handler = Callable[[Request], Awaitable[Response]]


class NoAnswer(Response):
    """Closes the connection without a byte of answer. The server offers the means as the ASGI extension `HANG_UP`."""

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Hang up, and stay until the server has seen it: returning earlier would make it answer 500 in our place."""
        scope["extensions"][HANG_UP]["close"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class RestApi:
    """Twilio's REST surface for one account."""

    def __init__(self, network: Network, courier: Courier, account: Account) -> None:
        self._network = network
        self._courier = courier
        self._account = account

    def routes(self) -> list[Route]:
        """Every route under the API's version; what exists is behind the account's credentials."""
        account = f"/{API_VERSION}/Accounts/{{account_sid}}"
        return [
            Route(f"{account}.json", self._guarded(self._fetch_account)),
            Route(f"{account}/Messages.json", self._guarded(self._send), methods=["POST"]),
            Route(f"{account}/Messages.json", self._guarded(self._list)),
            Route(f"{account}/Messages/{{text_id}}.json", self._guarded(self._fetch)),
            Route(f"{account}/Messages/{{text_id}}.json", self._guarded(self._delete), methods=["DELETE"]),
            Route(f"/{API_VERSION}/{{rest:path}}", _unknown, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        async def answer(request: Request) -> Response:
            try:
                self._authenticate(request)
                return await handler(request)
            except Refusal as refusal:
                return refusal.answer()

        return answer

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            credentials = base64.b64decode(given, validate=True)
        except ValueError:
            raise Refusal(401, 20003) from None
        right = f"{self._account.sid}:{self._account.auth_token}".encode()
        is_right = scheme.lower() == "basic" and hmac.compare_digest(credentials, right)
        if not is_right or request.path_params["account_sid"] != self._account.sid:
            raise Refusal(401, 20003)

    async def _send(self, request: Request) -> Response:
        body = await request.body()
        weather = self._network.weather
        _strike(weather)
        text = self._network.accept(parse_send(body))
        self._courier.expect_receipts(text)
        if weather.latency_ms:
            await asyncio.sleep(weather.latency_ms / 1000)
        if text.recipient in weather.swallow_to or happens(weather.swallow_rate):
            self._network.withheld += 1
            return NoAnswer()
        if happens(weather.garble_rate):
            self._network.withheld += 1
            return _nonsense(self._document(text))
        fresh = {"status": "queued", "date_sent": None, "error_code": None}
        return JSONResponse(self._document(text) | fresh, 201)

    async def _fetch(self, request: Request) -> Response:
        text = self._network.text(request.path_params["text_id"])
        if text is None:
            raise Refusal(404, 20404)
        return JSONResponse(self._document(text))

    async def _delete(self, request: Request) -> Response:
        text_id = request.path_params["text_id"]
        if self._network.weather.undeletable and self._network.text(text_id):
            raise Refusal(409, 20009)
        if not self._network.delete(text_id):
            raise Refusal(404, 20404)
        return Response(status_code=204)

    async def _list(self, request: Request) -> Response:
        listing = parse_listing(request.query_params)
        texts = () if self._network.weather.unlisted else self._network.texts(recipient=listing.recipient)
        shown, is_last = listing.page_of(texts)
        start = listing.page * listing.page_size
        next_page_uri = None
        if not is_last:
            next_page_uri = self._page_uri(request, listing, listing.page + 1, after=shown[-1].id)
        document = {
            "end": start + max(0, len(shown) - 1),
            "first_page_uri": self._page_uri(request, listing, page=0),
            "messages": [self._document(text) for text in shown],
            "next_page_uri": next_page_uri,
            "page": listing.page,
            "page_size": listing.page_size,
            # A page token leads forward only, as the official client walks.
            "previous_page_uri": None,
            "start": start,
            "uri": f"{request.url.path}?{request.url.query}",
        }
        return JSONResponse(document)

    async def _fetch_account(self, _request: Request) -> Response:
        folder = f"/{API_VERSION}/Accounts/{self._account.sid}"
        document = {
            "friendly_name": "Simulated carrier",
            "owner_account_sid": self._account.sid,
            "sid": self._account.sid,
            "status": "active",
            "subresource_uris": {"messages": f"{folder}/Messages.json"},
            "type": "Full",
            "uri": f"{folder}.json",
        }
        return JSONResponse(document)

    def _document(self, text: Text) -> dict[str, Any]:
        folder = f"/{API_VERSION}/Accounts/{self._account.sid}/Messages/{text.id}"
        at = format_datetime(text.at)
        return {
            "account_sid": self._account.sid,
            "api_version": API_VERSION,
            "body": text.body,
            "date_created": at,
            "date_sent": at,
            "date_updated": at,
            "direction": text.direction,
            "error_code": text.error_code,
            "error_message": None,
            "from": text.sender,
            "messaging_service_sid": None,
            "num_media": str(text.media),
            "num_segments": str(segments(text.body)),
            "price": None,
            "price_unit": "USD",
            "sid": text.id,
            "status": text.status,
            "subresource_uris": {"media": f"{folder}/Media.json"},
            "to": text.recipient,
            "uri": f"{folder}.json",
        }

    def _page_uri(self, request: Request, listing: Listing, page: int, *, after: str | None = None) -> str:
        query = {name: value for name, value in request.query_params.items() if name not in ("Page", "PageToken")}
        query |= {"PageSize": str(listing.page_size), "Page": str(page)}
        if after is not None:
            query["PageToken"] = f"PA{after}"
        return f"{request.url.path}?{urlencode(query)}"


def parse_send(body: bytes) -> Send:
    """Read the form of a send; raise `Refusal` as Twilio would. Fields beyond these four are taken and ignored."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    sender, recipient, text = form.get("From", ""), form.get("To", ""), form.get("Body", "")
    if not recipient:
        raise Refusal(400, 21604)
    if not is_e164(recipient):
        raise Refusal(400, 21211, f"The 'To' number {recipient} is not a valid phone number.")
    if not sender:
        raise Refusal(400, 21603)
    if not is_e164(sender):
        raise Refusal(400, 21212, f"The 'From' number {sender} is not a valid phone number.")
    if not text:
        raise Refusal(400, 21602)
    if len(text) > _LONGEST_BODY:
        raise Refusal(400, 21617)
    callback = form.get("StatusCallback") or None
    if callback is not None and not is_web_address(callback):
        raise Refusal(400, 21609)
    return Send(sender=sender, recipient=recipient, body=text, callback=callback)


def _strike(weather: Weather) -> None:
    if happens(weather.error_rate):
        raise Refusal(500, 20500)
    if happens(weather.throttle_rate):
        raise Refusal(429, 20429)


def _nonsense(document: dict[str, Any]) -> Response:
    """An answer to an accepted send that says nothing about it, as proxies and half-dead servers give them."""
    whole = JSONResponse(document).body
    return random.choice(  # noqa: S311 -- chooses faults, keeps no secret
        (
            Response(whole[: len(whole) // 2], 201, media_type="application/json"),
            Response(b"", 201),
            JSONResponse(document | {"sid": "not an id"}, 201),
            Response(b"<html>502 Bad Gateway</html>", 502, media_type="text/html"),
            Refusal(500, 20500).answer(),
        )
    )


async def _unknown(_request: Request) -> Response:
    return Refusal(404, 20404).answer()
