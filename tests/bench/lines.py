"""The cheapest HTTP client there is: requests are bytes made beforehand, of an answer only status and length are read.

For load alone: it knows no chunked answers and no redirects.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

_END, _LENGTH = b"\r\n\r\n", b"content-length:"

#: What hears of an answer: the status; 0 when the connection was lost instead.
Heard = Callable[[int], None]


class Line(asyncio.Protocol):
    """One connection, one request at a time. ``free`` is called when it can take another, ``lost`` when it never will."""

    def __init__(self, free: Callable[[Line], None], lost: Callable[[Line], None]) -> None:
        self._free = free
        self._lost = lost
        self._heard: Heard | None = None
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, heard: Heard) -> None:
        """Send a request; ``heard`` is called with the status of its answer."""
        assert self._transport is not None
        self._heard = heard
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        end = self._rest.find(_END)
        if end < 0 or self._heard is None:
            return
        size = end + len(_END) + length_of(self._rest[:end])
        if len(self._rest) < size:
            return
        status, heard = int(self._rest[9:12]), self._heard
        self._rest, self._heard = b"", None
        heard(status)
        self._free(self)

    def connection_lost(self, error: Exception | None) -> None:
        heard, self._heard, self._transport = self._heard, None, None
        self._lost(self)
        if heard is not None:
            heard(0)

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Lines:
    """So many connections to one place. What finds all of them busy waits its turn; one that breaks is replaced."""

    def __init__(self, url: str, count: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._count = count
        self._all: set[Line] = set()
        self._idle: deque[Line] = deque()
        self._waiting: deque[tuple[bytes, Heard]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        for _ in range(self._count):
            await self._open_one()

    async def _open_one(self) -> None:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self._freed, self._lost), *self._address)
        self._all.add(line)
        if self._closed:
            line.close()
        else:
            self._freed(line)

    def ask(self, request: bytes, heard: Heard) -> None:
        """Send when a connection is free; ``heard`` is called with the status, 0 when the connection was lost."""
        while self._idle:
            line = self._idle.popleft()
            if line.is_open:
                line.ask(request, heard)
                return
        self._waiting.append((request, heard))

    def _freed(self, line: Line) -> None:
        if self._waiting:
            line.ask(*self._waiting.popleft())
        else:
            self._idle.append(line)

    def _lost(self, line: Line) -> None:
        self._all.discard(line)
        if not self._closed:
            task = asyncio.create_task(self._open_one())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        self._closed = True
        for line in list(self._all):
            line.close()


def post(url: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as bytes."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body


def length_of(head: bytes) -> int:
    """The length of the body that this head announces; 0 where it announces none."""
    at = head.lower().find(_LENGTH)
    if at < 0:
        return 0
    return int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
