"""The HTTP application: every route in one table, one way in for all of them.

``endpoint`` does what every route needs, in this order: who is it, may they, how often, what do they say, did they say it
before. Handlers only do the thing. A route without a scope does not exist: ``Endpoint`` has no default for it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay import logs, metrics
from relay.api import (
    account,
    audit,
    audit_exports,
    audit_witnesses,
    bulk_close,
    downloads,
    messages,
    numbers,
    operations,
    privacy,
    problems,
    seats,
    sessions,
    suppressions,
    templates,
    verifications,
    webhooks,
)
from relay.api.call import Call, Endpoint, RawReply, Reply, Services
from relay.api.limits import Limits
from relay.api.openapi import openapi
from relay.api.reading import read_body, require_json
from relay.api.schemas import Body
from relay.core import ids
from relay.core.errors import (
    CallerMistake,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
    RelayError,
    TooMany,
)
from relay.core.ids import Seed
from relay.services.idempotency import Answer, Begun
from relay.services.keys import Caller

ENDPOINTS: tuple[Endpoint, ...] = (
    *bulk_close.ENDPOINTS,  # before a session whose id could be bulk-close
    *sessions.ENDPOINTS,
    *seats.ENDPOINTS,
    *messages.ENDPOINTS,
    *templates.ENDPOINTS,
    *account.ENDPOINTS,
    *numbers.ENDPOINTS,
    *verifications.ENDPOINTS,
    *suppressions.ENDPOINTS,
    *privacy.ENDPOINTS,
    *audit.ENDPOINTS,
    *audit_exports.ENDPOINTS,
    *audit_witnesses.ENDPOINTS,
    *webhooks.ENDPOINTS,
)

# With a letter in it: one of digits alone may be a phone, and the log would keep it.
_REQUEST_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9._-]{1,64}")
_LONGEST_KEY = 255


def build_app(services: Services, *, api_rate: float, extra: Sequence[BaseRoute] = ()) -> Starlette:
    """The whole application but for the provider routes, which stand before it. ``extra``: the sandbox's pages."""
    limits = Limits(api_rate)
    routes: list[BaseRoute] = []
    for path in dict.fromkeys(e.path for e in ENDPOINTS):
        here = {e.method: e for e in ENDPOINTS if e.path == path}
        routes.append(Route(path, _Way(here, services, limits), methods=list(here)))
    links = [downloads.route(services), audit_exports.route(services)]
    app = Starlette(
        routes=[*routes, *operations.routes(services, partial(described, services.public_url)), *links, *extra],
        exception_handlers={404: _no_such_call, 405: _no_such_call},
    )
    app.router.redirect_slashes = False  # the address that it would name comes from the Host header
    return app


@cache
def described(server: str) -> Mapping[str, Any]:
    """The API at this address as an OpenAPI document, made when it is first asked for: no start has to wait for it."""
    return openapi(ENDPOINTS, server=server or "/")


async def _no_such_call(request: Request, error: Exception) -> Response:
    """No route has this address, or the one that has it takes no such method."""
    headers = _headers_for(request)
    wrong: RelayError = NotFound()
    if isinstance(error, HTTPException) and error.status_code == 405:
        wrong = problems.WrongMethod()
        headers |= error.headers or {}
    response = _refusal(wrong, headers["x-request-id"])
    response.headers.update(headers)
    return response


class _Way:
    """The way in to one path, as an ASGI application."""

    def __init__(self, endpoints: dict[str, Endpoint], services: Services, limits: Limits) -> None:
        self._endpoints = endpoints
        self._services = services
        self._limits = limits

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # ASGI's own names
        request = Request(scope, receive)
        endpoint = self._endpoints["GET" if request.method == "HEAD" else request.method]
        response = await _Visit(endpoint, self._services, self._limits, request).answer()
        await response(scope, receive, send)


@dataclass(slots=True)
class _Visit:
    """One request at one endpoint."""

    endpoint: Endpoint
    services: Services
    limits: Limits
    request: Request
    request_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def answer(self) -> Response:
        """Never raises: what goes wrong becomes a problem document."""
        started = time.monotonic()
        self.headers = _headers_for(self.request)
        self.request_id = self.headers["x-request-id"]
        try:
            response = await self._through()
        except RelayError as error:
            response = _refusal(error, self.request_id)
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            logs.trouble("request_failed", error, request=self.request_id, route=self.endpoint.pattern)
            response = _refusal(RelayError(), self.request_id)
        response.headers.update(self.headers)
        self._record(response.status_code, time.monotonic() - started)
        return response

    async def _through(self) -> Response:
        caller = await self._caller()
        allowance = self.limits.spend(caller.key_id)
        self.headers |= allowance.headers
        if allowance.is_exceeded:
            raise TooMany(allowance.reset_in)
        raw = await read_body(self.request) if self.request.method in {"POST", "PATCH"} else b""
        body = self._body(raw)
        key = self.request.headers.get("idempotency-key")
        if key is None or self.request.method != "POST":
            seed = Seed(await self.services.database.now(), secrets.token_bytes(ids.ENTROPY_BYTES))
            return _response(await self._handle(caller, body, seed))
        return await self._once(caller, body, key, raw)

    async def _caller(self) -> Caller:
        scheme, _, key = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthenticated
        caller = await self.services.keys.caller(key.strip())
        if not self.endpoint.admits(caller.scopes):
            raise NotAllowed(f"this call needs a key with the scope {self.endpoint.scope}")
        return caller

    def _body(self, raw: bytes) -> Body | None:
        kind = self.endpoint.body
        if kind is None:
            return None
        if raw:
            require_json(self.request)
        try:
            return kind.model_validate_json(raw or b"{}")
        except ValidationError as error:
            raise problems.from_validation(error) from None

    async def _handle(self, caller: Caller, body: Body | None, seed: Seed) -> Reply | RawReply:
        path = {name: str(value) for name, value in self.request.path_params.items()}
        query = dict(self.request.query_params)
        unknown = sorted(query.keys() - self.endpoint.query.keys())
        if unknown:
            raise InvalidInput(Problem("query", "unknown_field", "this call does not take such a query parameter"))
        return await self.endpoint.handler(Call(self.services, caller, path, query, body, seed))

    async def _once(self, caller: Caller, body: Body | None, key: str, raw: bytes) -> Response:
        """Do it, unless it was done under this key before: then the first answer is given again."""
        if not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
            raise CallerMistake("Idempotency-Key: 1 to 255 printable characters", code="idempotency_key_invalid")
        scope = self.request.scope
        asked = b"\n".join((scope["path"].encode(), scope["query_string"], raw))
        begun = await self.services.idempotency.begin(caller.account, key, asked)
        if isinstance(begun, Answer):
            return _replayed(begun)
        try:
            reply = await self._handle(caller, body, begun.seed)
        except RelayError as error:
            response = _refusal(error, self.request_id)
            if not _is_final(error):
                await self.services.idempotency.let_go(begun)
                return response
            await self._store(begun, response)
            return response
        await self._store(begun, _response(reply.again if isinstance(reply, Reply) else reply))
        return _response(reply)

    async def _store(self, begun: Begun, response: Response) -> None:
        try:
            await self.services.idempotency.finish(begun, Answer(response.status_code, bytes(response.body).decode()))
        except RelayError as error:  # done but not noted: the same request does the same again
            logs.trouble("answer_not_stored", error, request=self.request_id)

    def _record(self, status: int, seconds: float) -> None:
        route = self.endpoint.pattern
        metrics.requests.labels(route, str(status)).inc()
        metrics.api_seconds.observe(seconds)
        ms = round(seconds * 1000, 1)
        logs.note(
            "api_request",
            method=self.endpoint.method,
            route=route,
            status=status,
            ms=ms,
            request=self.request_id,
        )


def _is_final(error: RelayError) -> bool:
    """Would the same request get the same answer again? What may pass must not be remembered."""
    return isinstance(error, CallerMistake) and getattr(error, "retry_after", None) is None


def _headers_for(request: Request) -> dict[str, str]:
    """What every answer carries; the request id is the caller's, if it is a plain one."""
    given = request.headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
    return {"x-request-id": request_id, "cache-control": "no-store"}


def _refusal(error: RelayError, request_id: str) -> Response:
    document = problems.body_of(error, request_id)
    return Response(problems.rendered(document), problems.status_of(error), problems.headers_of(error))


def _response(reply: Reply | RawReply) -> Response:
    if isinstance(reply, RawReply):
        return Response(reply.content, media_type=reply.media_type)
    if reply.status == 204:
        return Response(status_code=204)
    return Response(problems.rendered(reply.body), reply.status, media_type="application/json")


def _replayed(answer: Answer) -> Response:
    kind = "application/json" if answer.status < 400 else problems.CONTENT_TYPE
    return Response(answer.body, answer.status, {"idempotent-replayed": "true"}, media_type=kind)
