"""The line between Relay and its database: it counts what Relay says, and breaks where a test wants it to.

Bytes pass unchanged in both directions between two Unix sockets. A break is what a network or a server does: it may come
before a word has arrived, or after it was heard and obeyed while the answer is lost.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

_SOCKET = ".s.PGSQL.5432"


@dataclass(slots=True)
class DatabaseLine:
    """``said`` counts Relay's words: one is what it writes before it listens again."""

    far: Path
    dsn: str
    said: int = 0
    breaks_after: int | None = None  #: so many words of Relay's are still heard; the last one's answer is lost
    is_down: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _calls: set[asyncio.Task[None] | None] = field(default_factory=set)

    def cut(self) -> None:
        """End every connection; nobody answers until ``mend``."""
        self.is_down = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self.is_down, self.breaks_after = False, None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of Relay's, until either end has gone."""
        self._calls.add(asyncio.current_task())
        if self.is_down:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(str(self.far))
        self._writers |= {writer, far_writer}
        passing = [
            asyncio.create_task(self._pass_words(reader, far_writer)),
            asyncio.create_task(self._pass_answers(far_reader, writer)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        self._writers -= {writer, far_writer}
        for end in (writer, far_writer):
            end.close()

    async def hang_up(self) -> None:
        """Cut, and wait until every call has ended."""
        self.cut()
        await asyncio.gather(*(call for call in self._calls if call), return_exceptions=True)

    async def _pass_words(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.said += 1
            if self.breaks_after is not None:
                self.breaks_after -= 1
            far.write(data)
            await far.drain()
            if self.breaks_after == 0:
                await asyncio.sleep(0.05)  # what was said last is done by then
                self.cut()

    async def _pass_answers(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await far.read(65536):
                if self.breaks_after is None or self.breaks_after > 0:
                    writer.write(data)
                    await writer.drain()


@asynccontextmanager
async def line_to(dsn: str) -> AsyncIterator[DatabaseLine]:
    """A line to the server of this address; its own address is ``dsn``."""
    parts = urlsplit(dsn)
    far = Path(parse_qs(parts.query)["host"][0]) / _SOCKET
    with tempfile.TemporaryDirectory(prefix="relay-line-") as folder:
        here = urlunsplit(parts._replace(query=f"host={quote(folder)}&port=5432"))
        line = DatabaseLine(far, here)
        server = await asyncio.start_unix_server(line.serve, str(Path(folder) / _SOCKET))
        try:
            yield line
        finally:
            server.close()
            await line.hang_up()
