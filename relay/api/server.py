"""The HTTP server: uvicorn with httptools, and the patience of a doorman.

A client has ten seconds to say what it wants, sixteen kilobytes for its headers, and little longer for its body; whoever
takes longer or says more is hung up on. Otherwise a few thousand sockets that say nothing, or a byte now and then, would
hold this process's file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relay.core.errors import BadSettings

LONGEST_HEADERS = 16 * 1024
_MOST_SOCKETS = 20_000
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a client may take: to say its headers, its body after them, and to say something again.

    The body's is a little more than reading one may take, so that whoever is too slow with it is told so first.
    """

    headers: float = 10.0
    body: float = 12.0
    silence: float = 30.0


PATIENCE = Patience()


class _HeadersTooLong(Exception):
    pass


class Doorman(HttpToolsProtocol):
    """Hangs up on clients that owe us something for too long, and refuses headers that are too long.

    A clock runs from the first byte that is owed to the last; bytes that come meanwhile do not set it back.
    """

    patience = PATIENCE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        self._clock: asyncio.TimerHandle | None = None
        self._is_hearing = False
        self._expect_within(self.patience.headers)
        self._begin_headers()

    def _begin_headers(self) -> None:
        self._is_in_headers = True
        self._header_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._is_in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._is_in_headers and self._header_bytes > LONGEST_HEADERS:
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_hearing = True
        self._begin_headers()
        self._expect_within(self.patience.headers)

    def on_headers_complete(self) -> None:
        self._header_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if self._header_bytes > LONGEST_HEADERS:
            raise _HeadersTooLong  # the parser stops, and has it answered
        self._is_in_headers = False
        self._expect_within(self.patience.body)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_hearing = False
        self._expect_within(self.patience.silence if self.cycle.response_complete else None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_hearing and self.cycle.response_complete:
            self._expect_within(self.patience.silence)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_within(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        if not self._is_in_headers or self._header_bytes <= LONGEST_HEADERS:
            super().send_400_response(msg)
        elif not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def _expect_within(self, seconds: float | None) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock = None if seconds is None else self.loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self.transport.abort()  # closing would wait for a client who does not read


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BadSettings when the address is taken or cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadSettings(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from None
    listener.listen(2048)
    return listener


@asynccontextmanager
async def serving(app: Any, listener: socket.socket, *, patience: Patience = PATIENCE) -> AsyncIterator[None]:
    """Serve an ASGI application on a socket until the block is left; then answer what was asked and close."""
    allow_sockets(_MOST_SOCKETS)
    config = uvicorn.Config(
        app,
        http=type("Doorman", (Doorman,), {"patience": patience}),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_keep_alive=round(patience.silence),
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Signals are the command line's business."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # as uvicorn declares it
        yield


def allow_sockets(count: int) -> None:
    """Raise this process's limit on open files as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
