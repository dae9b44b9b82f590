"""Looking up the names of customers' servers, so that nobody waits for somebody else's.

The system looks a name up in a thread, and one that hangs keeps its thread until the system gives up, long after nobody waits
for it. Threads that all share are thereby taken by whoever owns a few names whose server does not answer. So none are shared:
each look-up has a thread of its own, each owner so many at once, and what one owner asks twice at the same time is asked once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

#: More than an account may have webhooks; its hooks mostly share a name. Those that hang count until the system gives up.
OF_ONE_OWNER = 24

#: Host and port in, addresses out. Raises OSError or UnicodeError for a name that leads nowhere.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
#: The same, for as long as it takes.
Lookup = Callable[[str, int], Sequence[str]]

_UnderWay = dict[tuple[str, int], asyncio.Task[Sequence[str]]]


class Lookups:
    """Names looked up for their owners. Close it when nobody waits for one any more."""

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._under_way: dict[UUID, _UnderWay] = {}

    async def addresses(self, owner: UUID, host: str, port: int) -> Sequence[str]:
        """Where a name leads; nowhere also when too many of the owner's are under way. Whoever stops waiting leaves the look-up
        to those who come after."""
        own, place = self._under_way.setdefault(owner, {}), (host, port)
        if place not in own:
            if len(own) >= OF_ONE_OWNER:
                return ()
            own[place] = asyncio.create_task(self._look_up(host, port))
            own[place].add_done_callback(lambda _: own.pop(place))
        return await asyncio.shield(own[place])

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        try:
            return await self._resolve(host, port)
        except (OSError, UnicodeError):
            return ()

    def close(self) -> None:
        """Wait for none of them any more."""
        for own in self._under_way.values():
            for task in own.values():
                task.cancel()


def system_lookup(host: str, port: int) -> Sequence[str]:
    """The system's own answer, however long it takes."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def in_threads(look_up: Lookup = system_lookup) -> Resolver:
    """Have each name looked up in a thread of its own, which does not keep the process from ending."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        work = partial(_look_up, look_up, host, port, answer)
        try:
            threading.Thread(target=work, name="name-lookup", daemon=True).start()
        except RuntimeError:  # the system has no more threads for us
            raise OSError from None
        return await answer

    return resolve


def _look_up(look_up: Lookup, host: str, port: int, answer: asyncio.Future[Sequence[str]]) -> None:
    try:
        found = look_up(host, port)
    except (OSError, UnicodeError):
        found = ()
    with contextlib.suppress(RuntimeError):  # nobody is left to hear it
        answer.get_loop().call_soon_threadsafe(_tell, answer, found)


def _tell(answer: asyncio.Future[Sequence[str]], found: Sequence[str]) -> None:
    if not answer.done():
        answer.set_result(found)
