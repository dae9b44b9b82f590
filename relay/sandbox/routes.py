"""The sandbox's routes: play the people, change the weather, move the clock, look at what is kept, and the page itself.

They ask for no key and exist in the sandbox alone, where the server listens on this machine only; ``Guard`` stands before
every one of them. What is asked of the carrier or of the API is passed on as it came, and so is the answer.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from relay.core.errors import InvalidInput, NotFound, Problem, TooLarge, TryLater
from relay.sandbox import page
from relay.sandbox.clock import Clock
from relay.sandbox.control import Answer, Control, Marketplace
from relay.sandbox.guard import Guard
from relay.sandbox.kept import kept_json
from relay.storage.database import Database

_Handler = Callable[[Request], Awaitable[Response]]
_LONGEST_BODY = 64 * 1024
_GUARDED = [Middleware(Guard)]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the routes reach: the carrier, our own API, the clock and the tables."""

    carrier: Control
    marketplace: Marketplace
    clock: Clock
    database: Database

    def routes(self) -> list[BaseRoute]:
        """Every route, guarded."""
        return [
            _route("GET", "/", _to_the_page),
            _route("GET", "/sandbox", page.show),
            Mount("/sandbox/static", page.static_files(), middleware=_GUARDED),
            _route("POST", "/sandbox/texts", self._text),
            _route("GET", "/sandbox/phones/{phone}", self._phone),
            _route("GET", "/sandbox/ledger", self._ledger),
            _route("GET", "/sandbox/weather", self._weather),
            _route("PUT", "/sandbox/weather", self._weather),
            _route("GET", "/sandbox/clock", self._clock),
            _route("PUT", "/sandbox/clock", self._advance),
            _route("GET", "/sandbox/kept/{id}", self._kept),
            _route("POST", "/sandbox/sessions", self._open),
            _route("POST", "/sandbox/sessions/{id}/close", self._close),
            _route("POST", "/sandbox/sessions/{id}/messages", self._say),
        ]

    async def _text(self, request: Request) -> Response:
        return _passed_on(await self.carrier.pass_on("POST", "texts", body=await _body(request)))

    async def _phone(self, request: Request) -> Response:
        return _passed_on(await self.carrier.pass_on("GET", f"phones/{_quoted(request, 'phone')}"))

    async def _ledger(self, request: Request) -> Response:
        return _passed_on(await self.carrier.pass_on("GET", "ledger", query=request.url.query))

    async def _weather(self, request: Request) -> Response:
        return _passed_on(await self.carrier.pass_on(request.method, "weather", body=await _body(request)))

    async def _clock(self, _: Request) -> Response:
        return JSONResponse(await self.clock.read())

    async def _advance(self, request: Request) -> Response:
        await self.clock.advance(_seconds(await _body(request)))
        return JSONResponse(await self.clock.read())

    async def _kept(self, request: Request) -> Response:
        clock, kept = await self.clock.read(), await kept_json(self.database, request.path_params["id"])
        return JSONResponse({"clock": clock, **kept})

    async def _open(self, request: Request) -> Response:
        return _passed_on(await self.marketplace.pass_on("POST", "/v1/sessions", await _body(request)))

    async def _close(self, request: Request) -> Response:
        path = f"/v1/sessions/{_quoted(request, 'id')}/close"
        return _passed_on(await self.marketplace.pass_on("POST", path, await _body(request)))

    async def _say(self, request: Request) -> Response:
        path = f"/v1/sessions/{_quoted(request, 'id')}/messages"
        return _passed_on(await self.marketplace.pass_on("POST", path, await _body(request)))


def _route(method: str, path: str, handler: _Handler) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except InvalidInput as error:
            wrong = error.problems[0]
            return JSONResponse({"field": wrong.field, "error": wrong.message}, 422)
        except NotFound as error:
            return JSONResponse({"error": error.message}, 404)
        except TooLarge as error:
            return JSONResponse({"error": error.message}, 413)
        except TryLater as error:
            return JSONResponse({"error": error.message}, 503)

    return Route(path, answer, methods=[method], middleware=_GUARDED)


async def _to_the_page(_: Request) -> Response:
    return RedirectResponse("/sandbox")


async def _body(request: Request) -> bytes:
    """The whole body. Raises TooLarge."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise TooLarge
    return body


def _seconds(body: bytes) -> float:
    """``{"advance": seconds}``. Raises InvalidInput."""
    try:
        document = json.loads(body)
    except ValueError:
        raise InvalidInput(Problem("body", "invalid", "must be JSON")) from None
    if not isinstance(document, dict) or document.keys() != {"advance"}:
        raise InvalidInput(Problem("advance", "missing", 'must be the one field, as in {"advance": 3600}'))
    advance = document["advance"]
    if isinstance(advance, bool) or not isinstance(advance, int | float):
        raise InvalidInput(Problem("advance", "invalid", "must be a number of seconds"))
    return float(advance)


def _quoted(request: Request, name: str) -> str:
    """A part of the path, spelled so that it stays one."""
    return quote(request.path_params[name], safe="+")


def _passed_on(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.content_type)
