"""Finding out what has happened, beside the hot path: each new event gets its number, and a delivery for every endpoint
that wants it.

Events are found by their missing marks, never by a place up to which all were told: what committed late has an id from
before. The looks begin a little before where the last one ended, and ``sweep`` goes through everything there is again
and again. Marks, numbers and deliveries are one transaction in the events' bucket, whose row is held meanwhile: two who
do the same wait for each other, and the second finds nothing left. The lease only spares them that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from relay.core.ids import first_id_at, made_at
from relay.core.webhooks import Listener, in_sessions, sequences, told_to
from relay.storage import deliveries, numbering
from relay.storage.configuration import Configuration, Directory
from relay.storage.database import Database, Transaction

_BATCH = 250  # events numbered at once
_STEP = 1000  # events looked through at once
_OVERLAP = timedelta(seconds=10)  # a transaction that waits is ended after five
_FIRST, _LONG_AGO = UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Telling:
    database: Database
    configuration: Configuration
    _looked_to: dict[int, datetime] = field(default_factory=dict)
    _swept: dict[int, UUID] = field(default_factory=dict)

    async def tell_new(self, bucket: int) -> int:
        """Give out new events of a bucket, a batch of them or so; says how many."""
        listeners = listeners_in(await self.configuration.current(), bucket)
        if not listeners:
            return 0
        async with self.database.single() as tx:
            known, now = await numbering.looked_to(tx, bucket), tx.now
        since = _since(listeners)
        looked_to = self._looked_to.get(bucket) or known or min(since.values())
        # Where a clock was set back, ids are lower than those of the last look.
        behind = first_id_at(bucket, max(_LONG_AGO, min(looked_to, now) - _OVERLAP))
        done = 0
        while done < _BATCH:
            look = await self._look(bucket, since, behind)
            done += await self._give_out(bucket, listeners, look.ids, now)
            if look.last is not None:
                behind, self._looked_to[bucket] = look.last, min(made_at(look.last), now)
            if look.seen < _STEP:
                break
        return done

    async def sweep(self, bucket: int) -> int:
        """Look through one more step of all events of a bucket, for such as were missed; says how many were."""
        listeners = listeners_in(await self.configuration.current(), bucket)
        if not listeners:
            return 0
        look = await self._look(bucket, _since(listeners), self._swept.get(bucket, _FIRST))
        self._swept[bucket] = look.last if look.last and look.seen == _STEP else _FIRST
        return await self._give_out(bucket, listeners, look.ids, None)

    async def _look(self, bucket: int, since: Mapping[UUID, datetime], behind: UUID) -> numbering.Look:
        return await self.database.run(
            lambda tx: numbering.look(tx, bucket, since, behind=behind, limit=_STEP), single=True
        )

    async def _give_out(
        self, bucket: int, listeners: Sequence[Listener], event_ids: Sequence[UUID], now: datetime | None
    ) -> int:
        """``now``: the next look begins at these events, or at ``now`` if their ids are later; None = where it would
        have."""
        done = 0
        for at in range(0, len(event_ids), _BATCH):
            some = event_ids[at : at + _BATCH]
            until = min(made_at(some[-1]), now) if now else None
            done += await self.database.run(partial(give_out, bucket, listeners, some, until))
        return done


def listeners_in(directory: Directory, bucket: int) -> list[Listener]:
    """The endpoints, disabled ones too, that what happens in a bucket may be for."""
    return [
        Listener(one.id, one.account_id, one.events, one.is_enabled, one.created_at)
        for one in directory.endpoints_by_bucket.get(bucket, ())
    ]


async def give_out(
    bucket: int, listeners: Sequence[Listener], event_ids: Sequence[UUID], until: datetime | None, tx: Transaction
) -> int:
    """Number those of these events that have no number, and tell of them whoever wants it; says how many. The next look
    begins at ``until``; None = where it would have."""
    if until is None:
        await numbering.lock(tx, bucket)
    else:
        await numbering.begin(tx, bucket, until)
    fresh = await numbering.without_number(tx, bucket, event_ids)
    if fresh:
        last = await numbering.count_on(tx, bucket, in_sessions(fresh))
        await numbering.number(tx, bucket, sequences(fresh, last))
        told = [(endpoint_id, event) for event in fresh for endpoint_id in told_to(event, listeners)]
        await deliveries.add(tx, bucket, told)
    return len(fresh)


def _since(listeners: Sequence[Listener]) -> dict[UUID, datetime]:
    """Since when each account has had an endpoint."""
    first: dict[UUID, datetime] = {}
    for one in listeners:
        first[one.account_id] = min(one.since, first.get(one.account_id, one.since))
    return first
