"""The HTTP server: uvicorn with httptools, and the patience of a doorman.

A client has ten seconds to say what it wants and sixteen kilobytes for its headers; whoever takes longer or says more is
hung up on. Otherwise a few thousand sockets that say nothing would hold this process's file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relay.core.errors import BadSettings

LONGEST_HEADERS = 16 * 1024
HEADERS_WITHIN = 10.0  # seconds
_MOST_SOCKETS = 20_000


class Doorman(HttpToolsProtocol):
    """Hangs up on requests whose headers are too long or too long in coming."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        self._header_bytes = 0
        self._in_headers = True
        self._patience = asyncio.get_running_loop().call_later(HEADERS_WITHIN, self._hang_up)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > LONGEST_HEADERS:
            self._hang_up()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_later(HEADERS_WITHIN, self._hang_up)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._patience.cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


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
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an ASGI application on a socket until the block is left; then answer what was asked and close."""
    allow_sockets(_MOST_SOCKETS)
    config = uvicorn.Config(
        app,
        http=Doorman,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_keep_alive=30,
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
