"""HTTP to the providers: one request, one whole answer, or an error that says whether the request can have left.

Only this module knows httpx and what lies beneath it. It reads no setting, retries nothing, follows no redirect, takes
no proxy from the environment, keeps no cookie, and does not look at what an answer means: adapters do.

The danger: a text that may have been handed over must never be handed over again. Whoever catches ``NothingLeft`` sends
again, so it is raised only where no byte of the request can have been written; all that is not certain is
``MayHaveLeft``. Neither holds an address, a text or a provider's words, because both end up in logs.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from relay.core.errors import RelayError
from relay.providers.base import HttpRequest, HttpResponse

#: Bytes of one answer. A page of a hundred long texts, each character escaped, is the largest that an adapter asks for.
MAX_ANSWER = 1024 * 1024

#: Seconds that an unused connection is kept. Shorter than the idle timeouts of the load balancers in front of providers
#: (60 s is common), so that it is nearly always we who close: a request written to a connection that they have just
#: closed is lost, and counts as ``MayHaveLeft``.
KEEP_ALIVE = 15.0

_BEFORE_THE_FIRST_BYTE = (
    aiohttp.ClientConnectorError,  # refused, unreachable, unknown name, failed TLS handshake, wrong certificate
    aiohttp.ConnectionTimeoutError,  # neither a free connection nor a new one in time
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    httpx.InvalidURL,
    # What other transports raise for the same.
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
)


class NoAnswer(RelayError):
    """No whole answer came from the provider. ``cause`` names the kind of error, for logs and counters."""

    def __init__(self, cause: str) -> None:
        super().__init__()
        self.cause = cause


class NothingLeft(NoAnswer):
    """The request did not leave, so the provider has not seen it."""

    code = "nothing_left"


class TooLate(NothingLeft):
    """There was no connection before the time at which the request had to start."""

    code = "too_late"


class MayHaveLeft(NoAnswer):
    """The request may have reached the provider."""

    code = "may_have_left"


class AnswerTooBig(Exception):
    """More bytes came than an answer may have."""


#: When the request of the running task has to start at the latest (monotonic). What reads it lies too deep below for an
#: argument; tasks that are made there inherit it.
_START_BY: ContextVar[float] = ContextVar("start_by", default=float("inf"))


class _Late(Exception):
    """Everything was there, but only after ``_START_BY``."""


async def _look_at_the_clock(*_: object) -> None:
    """Called directly before headers and before a body are written. aiohttp keeps headers back until the body comes, which is
    a turn of the event loop later, and under load such a turn is long."""
    if time.monotonic() >= _START_BY.get():
        raise _Late


def _clock() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_look_at_the_clock)
    trace.on_request_chunk_sent.append(_look_at_the_clock)
    return trace


class Transport:
    """Sends requests over a pool of connections. An async context manager; close it when nothing is being sent.

    ``deadline``         seconds for everything: waiting for a connection, writing, and reading the whole answer
    ``connect_timeout``  seconds for getting a connection, free or new; less than the deadline
    ``max_answer``       bytes that an answer's body may have
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        deadline: float = 10.0,
        connect_timeout: float = 5.0,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        if connect_timeout >= deadline:
            # A deadline that struck before the connection stood would count as MayHaveLeft, and hold back a text
            # that could be sent again.
            raise ValueError("connect_timeout must be less than deadline")
        self._transport = transport
        self._deadline = deadline
        self._max_answer = max_answer
        # aiohttp takes "pool" for the whole way to a connection, other transports for the wait alone.
        self._extensions = {"timeout": {"pool": connect_timeout, "connect": connect_timeout}}

    async def send(self, request: HttpRequest, *, start_by: float = float("inf")) -> HttpResponse:
        """Send one request once and read its whole answer, whatever its status.

        ``start_by`` (monotonic) is compared directly before the first byte is written. Raises TooLate, NothingLeft or
        MayHaveLeft. A cancelled send may have left, too.
        """
        if time.monotonic() >= start_by:
            raise TooLate("start_by")
        _START_BY.set(start_by)
        try:
            async with asyncio.timeout(self._deadline):
                return await self._exchange(request)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, AnswerTooBig, _Late) as error:
            failure = _failure(error)
        # Raised out here so that the library's error, which names the URL, is not even its context.
        raise failure

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        answer = await self._transport.handle_async_request(
            httpx.Request(
                request.method,
                _parsed(request.url),
                # A compressed answer could be small on the wire and huge in memory.
                headers={"user-agent": "relay", "accept-encoding": "identity", **request.headers},
                content=request.body,
                extensions=self._extensions,
            )
        )
        try:
            body = await self._read(answer)
        finally:
            await answer.aclose()
        return HttpResponse(answer.status_code, dict(answer.headers.items()), body)

    async def _read(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_answer:
                raise AnswerTooBig
        return bytes(body)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_transport(*, connections: int = 64, deadline: float = 10.0, connect_timeout: float = 5.0) -> Transport:
    """The transport for real use: verified TLS, at most ``connections`` sockets, opened when first needed."""
    tls = httpx.create_ssl_context(trust_env=False)

    def session() -> aiohttp.ClientSession:
        # Its own default keeps cookies, which would tie one account's requests to another's.
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE, ssl=tls)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[_clock()]
        )
        # aiohttp repeats a GET or PUT by itself when the connection closes without an answer, and some providers take
        # texts by GET. There is no public switch; a test counts what arrives.
        session._retry_connection = False
        return session

    aiohttp_transport = AiohttpTransport(verify=tls, trust_env=False, client=session)
    return Transport(aiohttp_transport, deadline=deadline, connect_timeout=connect_timeout)


def _parsed(url: str) -> httpx.URL | str:
    """Sends go to one address all the time. A search has phones in it, and is not kept."""
    return url if "?" in url else _kept(url)


@lru_cache(maxsize=256)
def _kept(url: str) -> httpx.URL:
    return httpx.URL(url)


def _origin(error: Exception) -> BaseException:
    # httpx_aiohttp calls nearly every connection error a ConnectTimeout, a connection closed after the request was
    # written among them. Only aiohttp's own error, kept as the cause, tells before from after.
    return error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error


def _failure(error: Exception) -> NoAnswer:
    origin = _origin(error)
    if isinstance(error, _Late) or isinstance(origin.__cause__, _Late):
        return TooLate("start_by")
    kind = NothingLeft if isinstance(origin, _BEFORE_THE_FIRST_BYTE) else MayHaveLeft
    return kind(type(origin).__name__)
