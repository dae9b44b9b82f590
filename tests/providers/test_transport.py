"""The transport against real sockets: each way in which a request can fail, and what may be concluded from it.

The question is always the same: can a byte of the request have left? Errors given by hand stand only where the sockets
have shown which ones come.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from pathlib import Path

import aiohttp
import httpx
import pytest

from relay.providers.base import HttpRequest, HttpResponse
from relay.providers.transport import (
    MAX_ANSWER,
    MayHaveLeft,
    NoAnswer,
    NothingLeft,
    TooLate,
    Transport,
    open_transport,
)
from tests.providers.broken_carriers import (
    OK,
    Handler,
    answering,
    drips,
    promises_for_ever,
    read_request,
    resets,
    resets_in_the_middle,
    says_nothing,
    self_signed,
    server,
)

BODY = b"To=%2B12025550123&Body=nobody+may+read+this"
QUERY = "?To=%2B12025550123"


def post(url: str) -> HttpRequest:
    return HttpRequest("POST", url + "/messages" + QUERY, {"authorization": "Basic secret"}, BODY)


def impatient(connections: int = 64) -> Transport:
    return open_transport(connections=connections, deadline=1.0, connect_timeout=0.5)


async def test_the_answer_comes_whole_when_all_is_well() -> None:
    async with server(answering(OK)) as url, open_transport() as transport:
        answer = await transport.send(post(url))

    assert answer == HttpResponse(201, {"content-length": "2", "x-thing": "One, two"}, b"{}")


async def test_a_request_arrives_as_it_was_built() -> None:
    seen: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async with server(handle) as url, open_transport() as transport:
        await transport.send(post(url + "/a%2Fb"))

    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a%2Fb/messages?To=%2B12025550123 HTTP/1.1\r\n")
    assert b"\r\nauthorization: Basic secret\r\n" in head
    assert b"\r\naccept-encoding: identity\r\n" in head
    assert body == BODY


@pytest.mark.parametrize("status", [204, 301, 307, 400, 401, 429, 500, 503])
async def test_an_answer_is_an_answer_whatever_its_status(status: int) -> None:
    answer = b"HTTP/1.1 %d x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n" % status
    async with server(answering(answer)) as url, open_transport() as transport:
        assert (await transport.send(post(url))).status == status


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(says_nothing, id="silent until the deadline"),
        pytest.param(drips, id="a byte now and then until the deadline"),
        pytest.param(promises_for_ever, id="100 Continue until the deadline"),
        pytest.param(resets, id="reset before the answer"),
        pytest.param(resets_in_the_middle, id="reset in the middle of the answer"),
        pytest.param(answering(b""), id="closed without an answer"),
        pytest.param(answering(b"HTTP/1.1 20"), id="closed in the status line"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\ncontent-length: 100\r\n\r\n{"), id="truncated body"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{"), id="broken chunk"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\ncontent-length: -1\r\n\r\n{"), id="negative length"),
        pytest.param(answering(b"220 mail.example ESMTP\r\n\r\n"), id="not HTTP"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\n" + b"a: b\r\n" * 5000 + b"\r\n"), id="thousands of headers"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\na: " + b"b" * 100_000 + b"\r\n\r\n"), id="an endless header"),
        pytest.param(answering(b"HTTP/1.1 201 x\r\n\r\n" + b"x" * (MAX_ANSWER + 1)), id="an answer too big"),
    ],
)
async def test_a_request_may_have_left_when_it_fails_after_connecting(handle: Handler) -> None:
    async with server(handle) as url, impatient() as transport:
        with pytest.raises(MayHaveLeft):
            await transport.send(post(url))


async def test_an_answer_of_just_the_allowed_size_is_read() -> None:
    async with server(answering(b"HTTP/1.1 201 x\r\n\r\n" + b"x" * MAX_ANSWER)) as url, open_transport() as transport:
        assert len((await transport.send(post(url))).body) == MAX_ANSWER


async def test_the_connection_is_dropped_when_the_answer_is_too_big() -> None:
    dropped = asyncio.Event()

    async def floods(reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 x\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            dropped.set()

    async with server(floods) as url, open_transport() as transport:
        with pytest.raises(MayHaveLeft):
            await transport.send(post(url))

        await asyncio.wait_for(dropped.wait(), 1)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "https://127.0.0.1:{}", "http://nowhere.invalid"])
async def test_nothing_left_when_there_is_nobody_to_connect_to(url: str, closed_port: int) -> None:
    async with open_transport() as transport:
        with pytest.raises(NothingLeft):
            await transport.send(post(url.format(closed_port)))


async def test_nothing_left_when_the_connection_is_not_made_in_time() -> None:
    """A full backlog: the kernel drops what asks to connect, like a host behind a silent firewall."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        async with impatient() as transport:
            with pytest.raises(NothingLeft):
                await transport.send(post(f"http://127.0.0.1:{address[1]}"))
        for client in waiting:
            client.close()


async def test_nothing_left_when_no_connection_of_the_pool_comes_free() -> None:
    async with server(says_nothing) as url, impatient(connections=1) as transport:
        first, second = await asyncio.gather(
            transport.send(post(url)), transport.send(post(url)), return_exceptions=True
        )

    assert isinstance(first, MayHaveLeft)
    assert isinstance(second, NothingLeft)


async def test_a_request_does_not_leave_when_a_connection_comes_free_too_late() -> None:
    asked = 0

    async def slow(reader: Reader, writer: Writer) -> None:
        nonlocal asked
        while await read_request(reader):
            asked += 1
            await asyncio.sleep(0.3)
            writer.write(OK)

    async with server(slow) as url, impatient(connections=1) as transport:
        first, second = await asyncio.gather(
            transport.send(post(url)),
            transport.send(post(url), start_by=time.monotonic() + 0.1),
            return_exceptions=True,
        )
        third = await transport.send(post(url), start_by=time.monotonic() + 0.1)

    assert isinstance(first, HttpResponse)
    assert isinstance(second, TooLate)
    assert (third.status, asked) == (201, 2)


async def test_a_request_does_not_leave_when_the_process_stands_still_before_the_first_byte() -> None:
    asked = 0

    async def keeps_on(reader: Reader, writer: Writer) -> None:
        nonlocal asked
        while await read_request(reader):
            asked += 1
            writer.write(OK)

    async with server(keeps_on) as url, open_transport() as transport:
        await transport.send(post(url))  # there is a connection now
        late = asyncio.create_task(transport.send(post(url), start_by=time.monotonic() + 0.1))
        await asyncio.sleep(0)  # all is ready, and written in the next turn of the loop
        time.sleep(0.2)  # noqa: ASYNC251 - the whole process stands still
        with pytest.raises(TooLate):
            await late
        await asyncio.sleep(0.05)

    assert asked == 1


async def test_a_request_does_not_leave_when_it_is_too_late_already() -> None:
    async with server(answering(OK)) as url, impatient() as transport:
        with pytest.raises(TooLate):
            await transport.send(post(url), start_by=time.monotonic() - 1.0)


@pytest.mark.parametrize("handle", [says_nothing, answering(b"220 mail.example ESMTP\r\n")])
async def test_nothing_left_when_the_tls_handshake_fails(handle: Handler) -> None:
    async with server(handle) as url, impatient() as transport:
        with pytest.raises(NothingLeft):
            await transport.send(post(url.replace("http:", "https:")))


async def test_nothing_left_when_the_certificate_is_not_trusted(tmp_path: Path) -> None:
    async with server(answering(OK), self_signed(tmp_path)) as url, impatient() as transport:
        with pytest.raises(NothingLeft) as failure:
            await transport.send(post(url))

    assert failure.value.cause == "ClientConnectorCertificateError"


@pytest.mark.parametrize("url", ["api.example", "ftp://api.example", "http://[::1", "https:///x", "http://a b"])
async def test_nothing_left_when_the_base_url_is_none(url: str) -> None:
    async with open_transport() as transport:
        with pytest.raises(NothingLeft):
            await transport.send(post(url))


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_request_is_sent_once_when_the_connection_closes_under_it(method: str, earlier: int) -> None:
    """On a new connection and on one kept from an earlier request: libraries like to repeat the latter."""
    arrived = 0

    async def closes_after_the_earlier_ones(reader: Reader, writer: Writer) -> None:
        nonlocal arrived
        while await reader.readuntil(b"\r\n\r\n"):
            arrived += 1
            if arrived > earlier:
                return
            writer.write(OK)

    async with server(closes_after_the_earlier_ones) as url, open_transport() as transport:
        for _ in range(earlier):
            await transport.send(HttpRequest(method, url))
        with pytest.raises(MayHaveLeft):
            await transport.send(HttpRequest(method, url))
        await asyncio.sleep(0.05)

    assert arrived == earlier + 1


async def test_a_connection_is_used_again_when_the_answer_was_read() -> None:
    connections = 0

    async def keeps_on(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while await read_request(reader):
            writer.write(OK)

    async with server(keeps_on) as url, open_transport() as transport:
        for _ in range(5):
            await transport.send(post(url))

    assert connections == 1


async def test_cookies_and_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    seen: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 200 x\r\nset-cookie: who=me\r\ncontent-length: 0\r\n\r\n")

    async with server(handle) as url, open_transport() as transport:
        await transport.send(post(url.replace("127.0.0.1", "localhost")))
        await transport.send(post(url.replace("127.0.0.1", "localhost")))

    assert b"cookie" not in seen[1].lower()


async def test_a_send_that_is_cancelled_stops_at_once() -> None:
    async with server(says_nothing) as url, open_transport() as transport:
        sending = asyncio.create_task(transport.send(post(url)))
        await asyncio.sleep(0.05)
        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(sending, 1)


async def test_random_bytes_are_an_answer_or_may_have_left() -> None:
    chance = random.Random(20261120)

    async def babbles(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        good = bytearray(OK)
        for _ in range(chance.randrange(1, 12)):
            good[chance.randrange(len(good))] = chance.randrange(256)
        writer.write(bytes(good))

    async with server(babbles) as url, open_transport(connections=300, deadline=2, connect_timeout=1.5) as transport:
        outcomes = await asyncio.gather(*(transport.send(post(url)) for _ in range(300)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {HttpResponse, MayHaveLeft}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("x"), NothingLeft),
        (httpx.ConnectTimeout("x"), NothingLeft),
        (httpx.PoolTimeout("x"), NothingLeft),
        (httpx.ReadTimeout("x"), MayHaveLeft),
        (httpx.ReadError("x"), MayHaveLeft),
        (httpx.WriteError("x"), MayHaveLeft),
        (httpx.WriteTimeout("x"), MayHaveLeft),
        (httpx.RemoteProtocolError("x"), MayHaveLeft),
        (httpx.DecodingError("x"), MayHaveLeft),
        (aiohttp.ClientConnectionError("x"), MayHaveLeft),
        (aiohttp.ServerDisconnectedError("x"), MayHaveLeft),
        (TimeoutError(), MayHaveLeft),
        (ConnectionResetError(), MayHaveLeft),
    ],
)
async def test_an_error_is_judged_by_what_it_proves(raised: Exception, expected: type[NoAnswer]) -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise raised

    async with Transport(httpx.MockTransport(fails)) as transport:
        with pytest.raises(expected) as failure:
            await transport.send(post("https://carrier.example"))

    assert failure.value.cause == type(raised).__name__


async def test_a_closed_connection_is_not_taken_for_one_that_was_never_made() -> None:
    """What httpx_aiohttp says of a connection that closed after the request was written."""

    def fails(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("x") from aiohttp.ServerDisconnectedError()

    async with Transport(httpx.MockTransport(fails)) as transport:
        with pytest.raises(MayHaveLeft):
            await transport.send(post("https://carrier.example"))


async def test_a_failure_shows_nothing_of_request_or_answer(closed_port: int) -> None:
    async with server(answering(b"HTTP/1.1 201 +12025550123\r\nbroken\r\n\r\n")) as url, open_transport() as transport:
        for base in (url, f"http://127.0.0.1:{closed_port}", "http://[::1"):
            with pytest.raises(NoAnswer) as failure:
                await transport.send(post(base))

            shown = f"{failure.value!r} {failure.value} {vars(failure.value)}"
            assert not [word for word in ("2025550123", "127.0.0.1", "secret", "nobody", "::1") if word in shown]
            assert failure.value.__context__ is None
            assert failure.value.__cause__ is None


def test_a_deadline_must_leave_time_to_connect() -> None:
    with pytest.raises(ValueError, match="connect_timeout"):
        open_transport(deadline=5, connect_timeout=5)
