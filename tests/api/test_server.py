"""The server at its socket: what is no HTTP, too long or too slow is turned away, and costs nobody else anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from relay.api.server import Patience, listen, serving
from relay.core.errors import BadSettings
from tests.api.rig import Api, Log
from tests.api.wire import ALIVE, HOST, LONG_HEADERS, NO_HTTP, with_header_of

QUICK = Patience(headers=0.5, body=0.6, silence=0.7)


class Line:
    """A client's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, *parts: bytes, pause: float = 0.0) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def until_hung_up(self, within: float = 3.0) -> bytes:
        """Everything that is answered before the server hangs up. Raises TimeoutError when it does not."""
        heard = b""
        async with asyncio.timeout(within):
            try:
                while data := await self._reader.read(65536):
                    heard += data
            except ConnectionError:
                pass
        return heard

    async def answer(self, within: float = 3.0) -> bytes:
        async with asyncio.timeout(within):
            return await self._reader.read(65536)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Line]:
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield line
    finally:
        line.close()


@pytest_asyncio.fixture(loop_scope="session")
async def port(api: Api) -> AsyncIterator[int]:
    """Where the application listens, with little patience."""
    listener = listen("127.0.0.1", 0)
    async with serving(api.app, listener, patience=QUICK):
        yield listener.getsockname()[1]


async def test_it_is_refused_and_hung_up_when_it_is_no_http(port: int, log: Log) -> None:
    for said in NO_HTTP:
        async with dialled(port) as line:
            await line.say(said)
            heard = await line.until_hung_up()

        assert heard.startswith(b"HTTP/1.1 400 "), said
        assert b"Invalid HTTP request" in heard
    assert {line["event"] for line in log.lines()} <= {"library", "api_request"}
    assert "nonsense" not in log.text


@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_headers_are_refused_when_they_are_longer_than_16_kb(port: int, pause: float) -> None:
    """In one piece or in two, on a fresh line or on one that was used before."""
    for said in LONG_HEADERS:
        for before in (b"", ALIVE + b"\r\n"):
            async with dialled(port) as line:
                if before:
                    await line.say(before)
                    assert b'{"alive":true}' in await line.answer()
                await line.say(said[:9_000], said[9_000:], pause=pause)
                heard = await line.until_hung_up()

            assert heard.startswith(b"HTTP/1.1 431 "), (said[:20], before)
            assert b"alive" not in heard


async def test_headers_are_refused_when_they_never_end(port: int) -> None:
    async with dialled(port) as line:
        await line.say(ALIVE + b"X: ", *[b"a" * 4096] * 5, pause=0.02)
        heard = await line.until_hung_up()

    assert heard.startswith(b"HTTP/1.1 431 ")


async def test_headers_are_taken_when_they_have_15_kb(port: int) -> None:
    async with dialled(port) as line:
        for _ in range(3):
            await line.say(with_header_of(15_000))
            assert b'{"alive":true}' in await line.answer()


SLOW = {
    "nothing": (b"", b""),
    "a letter": (b"G", b""),
    "a name": (ALIVE, b"a"),
    "lines": (b"", b"\r\n"),
    "lines after a request": (ALIVE + b"\r\n", b"\r\n"),
    "headers after a request": (ALIVE + b"\r\n" + ALIVE, b"a"),
    "a body that nobody reads": (b"POST /v1/pools HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n", b"a"),
    "a body in chunks": (b"POST /v1/pools HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a webhook": (b"POST /hooks/x/inbound HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n", b"a"),
}


async def drip(port: int, first: bytes, then: bytes) -> float:
    """Say a little again and again; returns the seconds until the server hung up."""
    async with dialled(port) as line:
        began = time.monotonic()
        hung_up = asyncio.create_task(line.until_hung_up(5.0))
        await line.say(first)
        while not hung_up.done():
            try:
                await line.say(then, pause=0.1)
            except ConnectionError:
                break
        await hung_up
        return time.monotonic() - began


async def test_it_is_hung_up_when_it_is_said_too_slowly(port: int) -> None:
    took = await asyncio.gather(*(drip(port, first, then) for first, then in SLOW.values()))
    longest = QUICK.headers + max(QUICK.body, QUICK.silence)

    assert {name: seconds for name, seconds in zip(SLOW, took, strict=True) if seconds > longest + 0.5} == {}
    assert min(took) > QUICK.headers - 0.1


async def test_a_slow_body_is_answered_before_it_is_hung_up_when_its_sender_is_known(port: int, api: Api) -> None:
    """The rest of it may still come: what has been said so far is no reason to wait for it for ever."""
    head = b"POST /v1/pools HTTP/1.1\r\nAuthorization: Bearer wrong\r\nContent-Length: 60000\r\n\r\n"
    async with dialled(port) as line:
        await line.say(head, b"{", pause=0.05)
        answer = await line.answer()
        rest = await line.until_hung_up()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert rest == b""


async def test_a_line_stays_open_when_one_request_follows_another(port: int) -> None:
    async with dialled(port) as line:
        for _ in range(4):
            await line.say(ALIVE + b"\r\n", pause=0.3)
            assert b'{"alive":true}' in await line.answer()
        await line.say((ALIVE + b"\r\n") * 3, pause=0.1)

        assert (await line.answer()).count(b'{"alive":true}') == 3


async def test_a_port_is_refused_in_words_when_somebody_listens_there(port: int) -> None:
    with pytest.raises(BadSettings, match=f"port {port}.*--port"):
        listen("127.0.0.1", port)
