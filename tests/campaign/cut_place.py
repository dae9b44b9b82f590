"""Where the scenarios of the cut take place: a small marketplace, its process, and the world around it.

The world can be emptied, so that whatever a check counts belongs to one case. The process can be put in place of another,
which remembers nothing, behind the wire or past it. What a real carrier would find when it is searched is written down as
it is sent. ``quick`` takes the waiting out of Relay: no check here may depend on how long it waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from relay import precedence
from relay.core.model import Scope
from relay.storage import database, leases
from relay.storage.configuration import Pool
from relay.storage.database import Database
from relay.wiring import Relay, build
from tests.api.rig import PUBLIC_URL, Api, behind
from tests.services.carrier import SentText, listing
from tests.services.people import numbers
from tests.services.rig import Rig, make_rig

LEASE = 61  # seconds: how long a process owns a bucket here, and one to spare
REQUEST_LEASE = 31  # the same for a request under an Idempotency-Key
_LOOKS = (6, 30, 60, 60)  # seconds between looks after an ambiguous send, past the last of all
_TRIES = 5
_FORGET = "; ".join(
    f"delete from {table}"
    for table in (
        *("seen_move", "event", "attempt", "outbox", "message", "inbox_key", "answer", "fanout", "suppression"),
        *("binding", "participant", "session", "person", "idempotency"),
        *("sealed_event", "sealing", "audit_entry", "audit_tile", "audit_key", "audit_export", "audit_tree"),
    )
)


class Stuck(Exception):
    """The outside world has tried often enough, and is still refused."""


@dataclass(slots=True)
class Place:
    """A marketplace with three pools, served by one process at a time, over ``wired`` or ``looking``.

    ``wired`` may be cut; ``looking`` goes past the wire.

    ``plant`` changes how a process is built: so a test plants a bug.
    """

    rig: Rig
    key: str
    pools: list[Pool]
    wired: Database
    looking: Database
    plant: Callable[[Relay], Relay]
    api: Api = field(init=False)
    listed: list[dict[str, object]] = field(default_factory=list)
    _process: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, over: Database) -> None:
        """A process in place of the last one: it remembers nothing, and the clock goes on.

        Pools of connections stay, with what they have prepared: to mend itself is a pool's business.
        """
        await self._process.aclose()
        old = self.rig.relay
        over.clock_offset = old.database.clock_offset
        self.rig.relay = self.plant(build(old.settings, over, old.vault, old.transport))
        self.api = await self._process.enter_async_context(behind(self.rig, self.key))

    async def fill_pool(self) -> None:
        """Let the pool have all its connections, so that it makes none by itself while messages are counted."""
        async with self.wired.transaction(), self.wired.transaction():
            return

    async def forget(self) -> None:
        """Empty the world of everything that happened."""
        carrier = self.rig.carrier
        carrier.answer, self.listed = self.note, []
        carrier.listed = self.listed
        carrier.sent.clear()
        carrier.asked.clear()
        async with self.looking.transaction() as tx:
            await tx.execute(_FORGET)

    async def leave(self) -> None:
        await self._process.aclose()

    def note(self, text: SentText) -> None:
        """The carrier's own list, for whoever searches it."""
        self.listed.append(listing(text.text, at=datetime.now(UTC) + self.rig.relay.database.clock_offset))

    async def own(self, bucket: int) -> None:
        """A new owner takes a bucket, whose last lease has run out."""
        self.rig.later(seconds=LEASE)
        async with self.rig.relay.database.transaction() as tx:
            epoch = await leases.take(tx, bucket, uuid4(), timedelta(seconds=LEASE - 1))
        if epoch is None:
            raise Stuck("a lease that has run out cannot be taken")
        self.rig.epochs[bucket] = epoch

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        async with self.looking.transaction() as tx:
            return [tuple(row) for row in await tx.fetch(statement)]

    async def until_taken(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Ask until the answer is 2xx, later when it is told that the first request still has its lease. Raises Stuck."""
        for _ in range(_TRIES):
            answer = await ask()
            if answer.is_success:
                return answer
            if answer.status_code == 409:
                self.rig.later(seconds=REQUEST_LEASE)
        raise Stuck(f"still answered {answer.status_code} after {_TRIES} repetitions")

    async def look_for_ambiguous(self, bucket: int) -> None:
        for seconds in _LOOKS:
            self.rig.later(seconds=seconds)
            await self.rig.relay.ambiguity.look(bucket)


async def settle_down(wired: Database, looking: Database, plant: Callable[[Relay], Relay]) -> Place:
    """An account with three pools of three numbers."""
    rig = await make_rig(looking, public_url=PUBLIC_URL)
    pools = [await rig.pool(name, numbers(3, start=3 * i)) for i, name in enumerate(("default", "second", "third"))]
    key = await rig.relay.keys.add(rig.account, name="campaign", scopes=tuple(Scope))
    return Place(rig, key, pools, wired, looking, plant)


@contextmanager
def quick() -> Iterator[None]:
    """For a while Relay tries again at once: one line breaks at a time, so that a second try needs no patience; and there are no
    texts that sealing would have to give way to."""
    waits, ways = database._WAITS, (precedence._LOOK, precedence._SHARE)
    database._WAITS = (0.0, 0.0, 0.0)
    precedence._LOOK, precedence._SHARE = 0.0, float("inf")
    try:
        yield
    finally:
        database._WAITS = waits
        precedence._LOOK, precedence._SHARE = ways
