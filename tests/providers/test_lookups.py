"""Names looked up for their owners: asked once at a time, so many at once of one owner, and nobody waits for another's."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from relay.core.customer_url import CustomerUrl
from relay.core.errors import NotAnswered
from relay.providers.guarded import CustomerAnswer, GuardedTransport, open_guarded_transport
from relay.providers.lookups import OF_ONE_OWNER, Lookups, in_threads
from tests.providers.broken_carriers import answering, server

ONE, OTHER = UUID(int=1), UUID(int=2)
FINE = b"HTTP/1.1 204 x\r\n\r\n"


class Names:
    """Stands in for the system: a name that begins with "slow" is answered when ``answer`` is set."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answer = asyncio.Event()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked[host] += 1
        if host.startswith("slow"):
            await self.answer.wait()
        return ["127.0.0.1"]


@asynccontextmanager
async def looking(names: Names) -> AsyncIterator[Lookups]:
    lookups = Lookups(names)
    yield lookups
    lookups.close()


async def hang(lookups: Lookups, owner: UUID, count: int) -> list[asyncio.Task[Sequence[str]]]:
    """Look up names that are not answered."""
    tasks = [asyncio.create_task(lookups.addresses(owner, f"slow{at}.example", 443)) for at in range(count)]
    await asyncio.sleep(0.01)
    return tasks


async def test_a_name_is_asked_once_when_it_is_wanted_again_meanwhile() -> None:
    names = Names()
    async with looking(names) as lookups:
        waiting = [*await hang(lookups, ONE, 1), *await hang(lookups, ONE, 1)]
        waiting[0].cancel()
        names.answer.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        await lookups.addresses(ONE, "slow0.example", 443)

    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1] == ["127.0.0.1"]
    assert names.asked == {"slow0.example": 2}


async def test_an_owner_who_has_too_many_under_way_gets_nothing_at_once_and_another_all() -> None:
    names = Names()
    async with looking(names) as lookups:
        waiting = await hang(lookups, ONE, OF_ONE_OWNER)
        refused = await asyncio.wait_for(lookups.addresses(ONE, "fine.example", 443), 1)
        others = [await lookups.addresses(OTHER, "fine.example", 443)]
        await hang(lookups, OTHER, 1)
        names.answer.set()
        await asyncio.gather(*waiting)
        again = await lookups.addresses(ONE, "fine.example", 443)

    assert (refused, others, again) == ((), [["127.0.0.1"]], ["127.0.0.1"])
    assert names.asked["slow0.example"] == 2  # whose it is keeps an owner from waiting behind another's


async def test_a_name_leads_nowhere_when_the_system_fails() -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror if host == "unknown.example" else UnicodeError

    lookups = Lookups(fails)

    assert [await lookups.addresses(ONE, host, 443) for host in ("unknown.example", "a" * 64)] == [(), ()]


async def post(transport: GuardedTransport, owner: UUID, base: str, name: str) -> CustomerAnswer:
    url = CustomerUrl.parse(base.replace("127.0.0.1", name), "url", http_allowed=True)
    return await transport.post(owner, url, b"{}", {}, within=2)


async def test_nobody_waits_when_another_owners_names_hang() -> None:
    answered = threading.Event()

    def look_up(host: str, port: int) -> Sequence[str]:
        if host.startswith("slow"):
            answered.wait(30)
        return ["127.0.0.1"]

    resolver = in_threads(look_up)
    async with (
        server(answering(FINE)) as base,
        open_guarded_transport(loopback_allowed=True, resolver=resolver) as transport,
    ):
        hanging = [asyncio.create_task(post(transport, ONE, base, f"slow{at}.example")) for at in range(40)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        there = await post(transport, OTHER, base, "fine.example")
        waited = time.monotonic() - began
        failed = await asyncio.gather(*hanging, return_exceptions=True)
        answered.set()

    assert (there.status, waited < 1) == (204, True)
    kinds = Counter(error.kind for error in failed if isinstance(error, NotAnswered))
    assert kinds == {"deadline": OF_ONE_OWNER, "name": 40 - OF_ONE_OWNER}


async def test_a_name_leads_nowhere_when_there_is_no_thread_for_it() -> None:
    usual = threading.stack_size(2**46)
    try:
        found = await Lookups(in_threads()).addresses(ONE, "127.0.0.1", 443)
    finally:
        threading.stack_size(usual)

    assert found == ()


def test_a_process_ends_at_once_when_a_name_still_hangs() -> None:
    program = """
import asyncio, time
from relay.providers.lookups import Lookups, in_threads
async def main():
    lookups = Lookups(in_threads(lambda host, port: time.sleep(60)))
    try:
        await asyncio.wait_for(lookups.addresses(1, "slow.example", 443), 0.1)
    except TimeoutError:
        lookups.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
