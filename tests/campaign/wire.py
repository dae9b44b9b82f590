"""A wire between Relay and PostgreSQL that understands where one message ends, and breaks in front of a chosen one.

``Framing`` cuts both streams of a connection into messages, ``Course`` follows what a break would cost, ``Wire`` is the TCP
proxy around them. Messages are counted over both directions and all connections; nothing is changed on the way. No
statement of Relay's is known here. Format: https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

_LENGTH = struct.Struct("!i")
_SSL, _GSS = 80877103, 80877104  # in place of a protocol version: may we speak in secret?
_LINGER_NOT = struct.pack("ii", 1, 0)
_CHANGES = re.compile(rb"\b(insert into|delete from|update \w+ set)\b")


class NotFramed(Exception):
    """These bytes are no messages: the line is encrypted, or a length is impossible."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message. ``kind`` is its type byte; ``start`` and ``answer`` have none: a greeting and what ``SSLRequest``
    is answered."""

    from_relay: bool
    kind: str
    data: bytes

    @property
    def body(self) -> bytes:
        return self.data[5:]

    @property
    def mark(self) -> str:
        """Direction and kind, to compare two runs by."""
        return f"{'>' if self.from_relay else '<'}{self.kind}"


class Framing:
    """Both directions of one connection, as messages. Bytes in, messages out; an unfinished rest is kept."""

    def __init__(self) -> None:
        self._rest = {True: b"", False: b""}
        self._greeting = True
        self._asked_for_secrecy = False

    def feed(self, data: bytes, *, from_relay: bool) -> list[Message]:
        """The messages that these bytes complete. Raises NotFramed."""
        self._rest[from_relay] += data
        found: list[Message] = []
        while (message := self._next(from_relay)) is not None:
            self._rest[from_relay] = self._rest[from_relay][len(message.data) :]
            found.append(message)
        return found

    def _next(self, from_relay: bool) -> Message | None:
        rest = self._rest[from_relay]
        if from_relay and self._greeting:
            return self._greeted(rest)
        if not from_relay and self._asked_for_secrecy and rest:
            self._asked_for_secrecy = False
            if rest[:1] != b"N":
                raise NotFramed("the server encrypts this connection")
            return Message(False, "answer", rest[:1])
        size = _whole(rest, 1)
        return Message(from_relay, chr(rest[0]), rest[:size]) if size else None

    def _greeted(self, rest: bytes) -> Message | None:
        size = _whole(rest, 0)
        if not size:
            return None
        (version,) = _LENGTH.unpack_from(rest, 4)
        self._asked_for_secrecy = version in (_SSL, _GSS)
        self._greeting = self._asked_for_secrecy
        return Message(True, "start", rest[:size])


def _whole(rest: bytes, before: int) -> int:
    """The size of the message that begins here, whose length stands after so many bytes; 0 while it is not all there."""
    if len(rest) < before + _LENGTH.size:
        return 0
    (length,) = _LENGTH.unpack_from(rest, before)
    if length < (_LENGTH.size if before else 2 * _LENGTH.size):
        raise NotFramed("a message cannot be that short")
    return before + length if len(rest) >= before + length else 0


class Loss(StrEnum):
    """What a break costs."""

    NOTHING = "nothing"  #: nothing had been written
    UNDONE = "undone"  #: something was written; it is rolled back
    UNSEEN = "unseen"  #: what was written is committed, and Relay does not hear of it


class Course:
    """What one connection's transaction has come to."""

    def __init__(self) -> None:
        self._changing: set[bytes] = set()  # names of prepared statements that change rows
        self._wrote = False
        self._committed = False
        self._in_transaction = False

    def follow(self, message: Message) -> None:
        """The message was passed on."""
        if message.from_relay:
            self._hear(message)
        elif message.kind == "Z":
            self._in_transaction = message.body != b"I"
            self._wrote, self._committed = self._wrote and message.body == b"T", False
        elif message.kind == "E":
            self._committed = False
        else:
            self._committed = self._committed or _is_commit(message)

    def loss(self, message: Message) -> Loss:
        """What it costs when this message is not passed on any more, nor anything after it."""
        if not self._wrote:
            return Loss.NOTHING
        return Loss.UNSEEN if self._committed or _is_commit(message) else Loss.UNDONE

    def _hear(self, message: Message) -> None:
        if message.kind == "P":
            name, statement = message.body.split(b"\0", 2)[:2]
            if _CHANGES.search(statement.lower()):
                self._changing.add(name)
        elif message.kind == "B":
            self._wrote = self._wrote or message.body.split(b"\0", 2)[1] in self._changing
        elif message.kind == "S" and not self._in_transaction:  # a statement by itself commits here
            self._committed = self._wrote


def _is_commit(message: Message) -> bool:
    return not message.from_relay and message.kind == "C" and message.body == b"COMMIT\0"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the wire broke, and what that cost."""

    at: int
    mark: str
    loss: Loss


@dataclass(eq=False, slots=True)
class _Call:
    """One connection through the wire."""

    framing: Framing = field(default_factory=Framing)
    course: Course = field(default_factory=Course)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def abort(self) -> None:
        """Both ends hear that it broke; the TCP end by a reset."""
        for writer in self.writers:
            connection = writer.get_extra_info("socket")
            if connection.family != socket.AF_UNIX and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()

    async def end(self) -> None:
        """Abort, and wait until both sockets are closed."""
        self.abort()
        for writer in self.writers:
            with suppress(OSError):
                await writer.wait_closed()


@dataclass(slots=True)
class Wire:
    """``marks`` is what has passed since ``begin``; ``cut`` says where it broke, and ``broken`` wakes whoever waits for it."""

    far: str
    dsn: str = ""
    marks: list[str] = field(default_factory=list)
    cut: Cut | None = None
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    is_down: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _cut_at: int = 0
    _all_lines: bool = False
    _calls: set[_Call] = field(default_factory=set)

    def begin(self, cut_at: int = 0, *, all_lines: bool = False) -> None:
        """Count from here; break instead of passing on message ``cut_at``, or never (0).

        Either that connection alone breaks, or all of them do and no new one comes about until ``mend``.
        """
        self._cut_at, self._all_lines = cut_at, all_lines
        self.marks, self.cut = [], None
        self.broken.clear()

    def mend(self) -> None:
        self.is_down, self._cut_at = False, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of Relay's, until either end has gone."""
        call = _Call(writers=[writer])
        if self.is_down:
            await call.end()
            return
        self._calls.add(call)
        try:
            far_reader, far_writer = await _open(self.far)
            call.writers.append(far_writer)
            passing = [
                self._task(self._pass(call, reader, far_writer, from_relay=True)),
                self._task(self._pass(call, far_reader, writer, from_relay=False)),
            ]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for task in passing:
                task.cancel()
            await asyncio.wait(passing)
        finally:
            self._calls.discard(call)
            await call.end()

    async def hang_up(self) -> None:
        """Break everything, and wait until every call has ended."""
        self._break_all()
        while self.tasks:
            await asyncio.wait(self.tasks)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that is known to be the wire's own."""
        self._task(self.serve(reader, writer))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _pass(
        self, call: _Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_relay: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                whole = b""
                for message in call.framing.feed(data, from_relay=from_relay):
                    self.marks.append(message.mark)
                    if len(self.marks) == self._cut_at:
                        writer.write(whole)
                        self._break(call, message)
                        return
                    call.course.follow(message)
                    whole += message.data
                writer.write(whole)
                await writer.drain()

    def _break(self, call: _Call, message: Message) -> None:
        self.cut = Cut(self._cut_at, message.mark, call.course.loss(message))
        if self._all_lines:
            self._break_all()
        call.abort()
        self.broken.set()

    def _break_all(self) -> None:
        self.is_down = True
        for call in self._calls:
            call.abort()


async def _open(far: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The server itself, by the address in its folder of sockets or over TCP."""
    parts = urlsplit(far)
    folder = parse_qs(parts.query).get("host")
    if folder:
        return await asyncio.open_unix_connection(str(Path(folder[0]) / ".s.PGSQL.5432"))
    return await asyncio.open_connection(parts.hostname, parts.port or 5432)


@asynccontextmanager
async def wire_to(far: str) -> AsyncIterator[Wire]:
    """A wire to the server of this address; its own address is ``dsn``."""
    wire = Wire(far)
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    parts = urlsplit(far)
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    wire.dsn = urlunsplit(parts._replace(netloc=f"{user}{host}:{port}", query=""))
    try:
        yield wire
    finally:
        server.close()
        await wire.hang_up()
