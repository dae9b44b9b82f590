"""Customers' servers on a real socket, each path of one with a way of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_EMPTY = "HTTP/1.1 {} x\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True)
class Listeners:
    """``came``: how many requests each path had, ``most``: how many at once."""

    url: str = ""
    came: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    in_hand: Counter[str] = field(default_factory=Counter)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            length = int(next(line[16:] for line in head.lower().split("\r\n") if line.startswith("content-length: ")))
            await reader.readexactly(length)
            self.came[path] += 1
            self.in_hand[path] += 1
            self.most[path] = max(self.most[path], self.in_hand[path])
            await self._answer(path, writer)
            self.in_hand[path] -= 1
        writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        match path.strip("/").split("/")[0]:
            case "slow":
                await asyncio.sleep(0.2)
                writer.write(_OK)
            case "hang":
                await self.hung_up.wait()
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                while not self.hung_up.is_set():
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "huge":
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2097152\r\n\r\n" + b"x" * 2097152)
            case "reset":
                writer.transport.abort()
            case "garbage":
                writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
            case status if status.isdigit():
                writer.write(_EMPTY.format(status).encode())
            case _:
                writer.write(_OK)
        if not writer.transport.is_closing():
            await writer.drain()


@asynccontextmanager
async def listeners() -> AsyncIterator[Listeners]:
    """Open until the block is left."""
    here = Listeners()
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield here
    finally:
        here.hung_up.set()
        server.close()
        await asyncio.sleep(0.06)  # those who drip look up
