"""The guarded transport against real sockets: where it does not knock, what it does not follow, and what it cuts.

Servers stand on loopback, which stands for a public address wherever ``loopback_allowed`` is said, and for what must not
be reached wherever it is not.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from relay.core.customer_url import CustomerUrl
from relay.core.errors import AddressRefused, NotAnswered
from relay.providers.guarded import MAX_ANSWER, CustomerAnswer, GuardedTransport, open_guarded_transport
from relay.providers.lookups import Resolver
from tests.core.test_addresses import METADATA, TRAPS
from tests.providers.broken_carriers import (
    Handler,
    answering,
    drips,
    promises_for_ever,
    read_request,
    resets,
    resets_in_the_middle,
    says_nothing,
    server,
)
from tests.providers.certificates import authority, certified

#: Public by its number, and given to nobody: nothing is sent to a stranger when it is connected to.
NOWHERE = "2d00::1"
#: Trusts nobody, and is made once: reading all the world's authorities takes longer than most of these tests.
STRICT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
OWNER = UUID(int=1)
FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def leads_to(*addresses: str) -> Resolver:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def named(url: str, host: str = "hooks.example", target: str = "/in?k=v") -> CustomerUrl:
    """The server at ``url`` under a name."""
    scheme, _, port = url.partition("://127.0.0.1:")
    return CustomerUrl.parse(f"{scheme}://{host}:{port}{target}", "url", http_allowed=True)


@asynccontextmanager
async def guarded(
    *addresses: str, loopback_allowed: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[GuardedTransport]:
    resolver = leads_to(*(addresses or ("127.0.0.1",)))
    async with open_guarded_transport(
        loopback_allowed=loopback_allowed, resolver=resolver, tls=tls or STRICT
    ) as transport:
        yield transport


async def post(transport: GuardedTransport, url: CustomerUrl, within: float = 5.0) -> CustomerAnswer:
    return await transport.post(OWNER, url, b'{"text":"hello"}', {"webhook-id": "msg_1"}, within=within)


class Sentinel:
    """Counts who knocks."""

    def __init__(self) -> None:
        self.hits = 0

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        self.hits += 1
        await answering(FINE)(reader, writer)


async def test_the_answer_comes_when_all_is_well() -> None:
    slow_down = b"HTTP/1.1 429 x\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno"
    async with server(answering(slow_down)) as url, guarded() as transport:
        assert await post(transport, named(url)) == CustomerAnswer(429, b"no", 7)


async def test_a_request_arrives_under_its_name() -> None:
    seen: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(FINE)

    async with server(handle) as url, guarded() as transport:
        await post(transport, named(url))

    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /in?k=v http/1.1"
    assert {b"host: hooks.example:" + url.rpartition(":")[2].encode(), b"webhook-id: msg_1"} <= set(lines)
    assert {b"accept-encoding: identity", b"user-agent: relay"} <= set(lines)
    assert body == b'{"text":"hello"}'


@pytest.mark.parametrize(
    ("target", "arrives"),
    [
        ("/%2e%2e/a/../b//c", "/%2e%2e/a/../b//c"),
        ("/?sig=%2F%3d%41+b&c=/?d;e", "/?sig=%2F%3d%41+b&c=/?d;e"),
        ("/%zz%0d%0aX-Evil:1", "/%zz%0d%0aX-Evil:1"),
        ('/{a}|b^`<c>"', "/%7Ba%7D%7Cb%5E%60%3Cc%3E%22"),
    ],
)
async def test_a_path_arrives_as_it_was_given(target: str, arrives: str) -> None:
    """It may be signed: but for what may not stand in a URL at all, nothing of it is written in another way."""
    seen: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(FINE)

    async with server(handle) as url, guarded() as transport:
        await post(transport, named(url, target=target))

    assert seen[0].split(b"\r\n")[0] == f"POST {arrives} HTTP/1.1".encode()


@pytest.mark.parametrize("address", [*TRAPS, *METADATA, "127.0.0.1", "::1", "10.0.0.1", "not an address", "fe80::1%1"])
async def test_nothing_is_connected_to_when_a_name_leads_to_it(address: str) -> None:
    """Alone, and among public addresses, wherever it stands."""
    sentinel = Sentinel()
    async with server(sentinel) as url:
        for addresses in ([address], [NOWHERE, address], [address, NOWHERE]):
            async with guarded(*addresses, loopback_allowed=False) as transport:
                with pytest.raises(AddressRefused):
                    await post(transport, named(url))

    assert sentinel.hits == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_literal_address_is_judged_again_when_it_is_called(host: str) -> None:
    """A URL that was kept by a sandbox, called by an installation."""
    url = CustomerUrl.parse(f"http://{host}:9/", "url", http_allowed=True)
    async with guarded(NOWHERE, loopback_allowed=False) as transport:
        with pytest.raises(AddressRefused):
            await post(transport, url)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::", "0.0.0.0"])
async def test_only_this_machine_is_allowed_besides_when_it_is_the_sandbox(address: str) -> None:
    async with guarded(address) as transport:
        with pytest.raises(AddressRefused):
            await post(transport, named("http://127.0.0.1:9"))


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.long)])
async def test_a_name_that_changes_its_mind_reaches_nothing(rounds: int) -> None:
    """Public when it is judged, this machine when it is connected to: only a name that is asked twice can do that."""
    turns = itertools.cycle([NOWHERE, "127.0.0.1"])

    async def rebinds(host: str, port: int) -> Sequence[str]:
        return [next(turns)]

    async def kind(transport: GuardedTransport, url: CustomerUrl) -> str:
        with pytest.raises(NotAnswered) as failure:
            await post(transport, url, within=0.05)
        return failure.value.kind

    sentinel = Sentinel()
    outcomes: set[str] = set()
    async with server(sentinel) as url, open_guarded_transport(loopback_allowed=False, resolver=rebinds) as transport:
        for _ in range(rounds):
            outcomes |= set(await asyncio.gather(*(kind(transport, named(url)) for _ in range(200))))

    assert sentinel.hits == 0
    assert "address" in outcomes
    assert outcomes <= {"address", "connect", "deadline"}


async def test_a_name_is_resolved_once_when_it_is_called() -> None:
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    async with (
        server(answering(FINE)) as url,
        open_guarded_transport(loopback_allowed=True, resolver=resolve) as sender,
    ):
        target = named(url)
        await post(sender, target)

    assert asked == [("hooks.example", target.port)]


async def test_the_next_address_is_tried_when_nobody_listens_at_the_first() -> None:
    async with server(answering(FINE)) as url, guarded("127.9.9.9", "127.0.0.1") as transport:
        assert (await post(transport, named(url))).status == 200


async def test_a_question_is_answered_when_as_many_webhooks_and_hooks_hang_as_may() -> None:
    """64 places for webhooks, 64 for hooks; the one that is about to be asked is the last of them."""
    async with server(says_nothing) as mute, server(answering(FINE)) as url, guarded() as transport:
        hanging = [asyncio.create_task(post(transport, named(mute))) for _ in range(127)]
        await asyncio.sleep(0.2)
        answer = await post(transport, named(url), within=2.0)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    assert answer.status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    sentinel = Sentinel()
    async with server(sentinel) as elsewhere, guarded() as transport:
        moved = b"HTTP/1.1 %d x\r\nlocation: %s/\r\ncontent-length: 0\r\n\r\n" % (status, elsewhere.encode())
        async with server(answering(moved)) as url:
            assert (await post(transport, named(url))).status == status

    assert sentinel.hits == 0


async def floods(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 2000000\r\n\r\n")
    for _ in range(2_000):
        writer.write(b"x" * 1_000)
        await writer.drain()


async def floods_without_a_length(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 x\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


@pytest.mark.parametrize("handle", [floods, floods_without_a_length])
async def test_an_answer_is_cut_when_it_is_big(handle: Handler) -> None:
    async with server(handle) as url, guarded() as transport:
        answer = await asyncio.wait_for(post(transport, named(url)), 2)

    assert (answer.status, len(answer.body)) == (200, MAX_ANSWER)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 x\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08"
    async with server(answering(packed)) as url, guarded() as transport:
        assert (await post(transport, named(url))).body == b"\x1f\x8b\x08"


@pytest.mark.parametrize("handle", [drips, says_nothing, promises_for_ever])
async def test_the_deadline_cuts_whatever_still_comes(handle: Handler) -> None:
    async with server(handle) as url, guarded() as transport:
        began = time.monotonic()
        with pytest.raises(NotAnswered) as failure:
            await post(transport, named(url), within=0.2)

    assert failure.value.kind == "deadline"
    assert time.monotonic() - began < 1


async def test_the_deadline_counts_from_before_the_name_is_looked_up() -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async with open_guarded_transport(loopback_allowed=True, resolver=hangs) as transport:
        with pytest.raises(NotAnswered) as failure:
            await post(transport, named("http://127.0.0.1:9"), within=0.1)

    assert failure.value.kind == "deadline"


@pytest.mark.parametrize(
    "handle",
    [
        resets,
        resets_in_the_middle,
        answering(b""),
        answering(b"220 mail.example ESMTP\r\n\r\n"),
        answering(b"HTTP/1.1 200 x\r\n" + b"a: b\r\n" * 5000 + b"\r\n"),
        answering(b"HTTP/1.1 200 x\r\na: " + b"b" * 100_000 + b"\r\n\r\n"),
        answering(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\n{"),
    ],
)
async def test_a_broken_answer_is_none(handle: Handler) -> None:
    async with server(handle) as url, guarded() as transport:
        with pytest.raises(NotAnswered) as failure:
            await post(transport, named(url))

    assert failure.value.kind == "protocol"


async def test_nobody_answers_when_nobody_listens_or_no_name_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    async with guarded("127.0.0.1", "127.0.0.2") as transport:
        with pytest.raises(NotAnswered) as nobody:
            await post(transport, named(closed))
    async with open_guarded_transport(loopback_allowed=True, resolver=unknown) as transport:
        with pytest.raises(NotAnswered) as nameless:
            await post(transport, named(closed))

    assert (nobody.value.kind, nameless.value.kind) == ("connect", "name")


@pytest.mark.parametrize(("given", "read"), [("3", 3), ("999999", 86_400), ("-1", None), ("1e9", None), ("soon", None)])
async def test_retry_after_is_read_when_it_is_a_number(given: str, read: int | None) -> None:
    answer = b"HTTP/1.1 503 x\r\nretry-after: %s\r\ncontent-length: 0\r\n\r\n" % given.encode()
    async with server(answering(answer)) as url, guarded() as transport:
        assert (await post(transport, named(url))).retry_after == read


async def test_nothing_of_the_environment_or_of_an_earlier_answer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    seen: list[bytes] = []
    connections = 0

    async def handle(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while True:
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 200 x\r\nset-cookie: who=me\r\ncontent-length: 0\r\n\r\n")

    async with server(handle) as url, guarded() as transport:
        await post(transport, named(url))
        await post(transport, named(url))

    assert connections == 2
    assert b"cookie" not in seen[1].lower()


async def test_the_certificate_is_checked_for_the_name_when_an_address_is_connected_to(tmp_path: Path) -> None:
    names: list[str | None] = []
    ca = authority(tmp_path)
    context = certified(ca, tmp_path, "hooks.example")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with server(answering(FINE), context) as url, guarded(tls=ca.trusted) as transport:
        answer = await post(transport, named(url))
        with pytest.raises(NotAnswered) as other:
            await post(transport, named(url, host="other.example"))

    assert answer.status == 200
    assert names == ["hooks.example", "other.example"]
    assert other.value.kind == "tls"


async def test_nothing_is_sent_when_nobody_vouches_for_the_certificate(tmp_path: Path) -> None:
    sentinel = Sentinel()
    context = certified(authority(tmp_path), tmp_path, "hooks.example")
    async with server(sentinel, context) as url, guarded() as transport:
        with pytest.raises(NotAnswered) as failure:
            await post(transport, named(url))

    assert (failure.value.kind, sentinel.hits) == ("tls", 0)


async def test_a_failure_shows_nothing_of_request_or_answer() -> None:
    async with server(answering(b"HTTP/1.1 200 hello\r\nbroken\r\n\r\n")) as url, guarded() as transport:
        with pytest.raises(NotAnswered) as failure:
            await post(transport, named(url))

    shown = f"{failure.value!r} {failure.value} {vars(failure.value)} {failure.value.__context__}"
    assert not [word for word in ("hello", "127.0.0.1", "hooks.example", "k=v") if word in shown]


async def test_the_system_is_asked_when_no_resolver_is_given() -> None:
    async with server(answering(FINE)) as url, open_guarded_transport(loopback_allowed=True) as transport:
        assert (await post(transport, named(url, host="localhost"))).status == 200
