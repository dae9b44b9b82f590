"""Handing events to endpoints: what is due for one in a bucket is posted, and what came of it written down.

Killed between a post and its mark, a delivery is found due again and posted again, under the same id: at least once is
what is promised. Whoever else settled it meanwhile has counted the try; the second mark changes nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay import logs, metrics
from relay.core.errors import InvalidInput, Tampered
from relay.core.ids import IdKind, public
from relay.core.webhooks import Answer, DisabledReason, Failure, Happened, judge
from relay.services.webhooks.places import Places
from relay.services.webhooks.posting import Posting
from relay.services.webhooks.switching import disable
from relay.storage import deliveries, endpoints, numbering
from relay.storage.configuration import Configuration, Endpoint
from relay.storage.database import Database
from relay.storage.deliveries import Due

_BATCH = 32  # of one endpoint, in one bucket


@dataclass(slots=True)
class _Round:
    """A batch for one endpoint. When it does not answer, what has not begun is left for later."""

    bucket: int
    endpoint: Endpoint
    failing_since: datetime | None
    tried: int = 0
    was_taken: bool = False
    is_mute: bool = False
    disable: DisabledReason | None = None


@dataclass(frozen=True, slots=True)
class Delivering:
    database: Database
    configuration: Configuration
    posting: Posting
    places: Places = field(default_factory=Places)
    _mute: dict[UUID, bool] = field(default_factory=dict)  #: endpoints that were asked; whether the last did not answer

    async def with_due(self, bucket: int) -> list[UUID]:
        """The endpoints for which something is due in a bucket."""
        known = (await self.configuration.current()).endpoints_by_bucket.get(bucket, ())
        if not known:
            return []
        async with self.database.single() as tx:
            return await deliveries.with_due(tx, bucket, [one.id for one in known])

    async def deliver(self, bucket: int, endpoint_id: UUID) -> int:
        """Post a batch of what is due for one endpoint; says how many were tried. One that has not answered gets one at a
        time."""
        endpoint = (await self.configuration.current()).endpoints.get(endpoint_id)
        if endpoint is None:
            return 0
        if not endpoint.is_enabled:
            await self.database.run(lambda tx: deliveries.give_up(tx, bucket, endpoint_id), single=True)
            return 0
        limit = 1 if self._mute.get(endpoint_id, True) else _BATCH
        due = await self.database.run(lambda tx: deliveries.due(tx, bucket, endpoint_id, limit=limit), single=True)
        return await self._round(bucket, endpoint, due) if due else 0

    async def _round(self, bucket: int, endpoint: Endpoint, due: Sequence[Due]) -> int:
        async with self.database.single() as tx:
            events = {event.id: event for event in await numbering.read(tx, bucket, [one.event_id for one in due])}
        async with self.database.single() as tx:
            rounds = _Round(bucket, endpoint, await endpoints.failing_since(tx, endpoint.id))
        await asyncio.gather(*(self._try(rounds, one, events) for one in due))
        await self._note_health(rounds)
        if rounds.disable is not None:
            await disable(self.database, self.configuration, endpoint, rounds.disable)
        return rounds.tried

    async def _try(self, rounds: _Round, one: Due, events: Mapping[UUID, Happened]) -> None:
        event = events.get(one.event_id)
        if event is None:  # it was forgotten just now, and its delivery with it
            return
        async with self.places.one(rounds.endpoint, is_mute=self._mute.get(rounds.endpoint.id, False)):
            if rounds.is_mute or rounds.disable is not None:
                return
            rounds.tried += 1
            answer = await self._post(rounds.endpoint, event)
            rounds.is_mute |= answer.status is None
            rounds.was_taken |= answer.is_taken
            await self._settle(rounds, one, answer)

    async def _settle(self, rounds: _Round, one: Due, answer: Answer) -> None:
        now = await self.database.now()
        since = None if rounds.was_taken else rounds.failing_since
        jitter = random.uniform(-1, 1)  # noqa: S311 - spreads retries, keeps no secret
        verdict = judge(answer, tries=one.tries + 1, now=now, jitter=jitter, failing_since=since)
        rounds.disable = rounds.disable or verdict.disable
        metrics.deliveries.labels(verdict.state).inc()
        await self.database.run(
            lambda tx: deliveries.settle(tx, rounds.bucket, rounds.endpoint.id, one, answer, verdict), single=True
        )

    async def _post(self, endpoint: Endpoint, event: Happened) -> Answer:
        now = await self.database.now()
        try:
            return await self.posting.post(endpoint, event, now=now, offset=self.database.clock_offset)
        except InvalidInput:  # what was allowed when it was given is not any more
            return Answer(failure=Failure.ADDRESS)
        except Tampered as error:
            logs.trouble("unreadable_webhook", error, webhook=public(IdKind.ENDPOINT, endpoint.id))
            metrics.alarms.labels("unreadable_webhook").inc()
            return Answer(failure=Failure.PROTOCOL)

    async def _note_health(self, rounds: _Round) -> None:
        endpoint_id = rounds.endpoint.id
        if rounds.tried:
            self._mute[endpoint_id] = rounds.is_mute
        if rounds.was_taken and rounds.failing_since is not None:
            await self.database.run(lambda tx: endpoints.took(tx, endpoint_id), single=True)
        if rounds.tried and not rounds.was_taken and rounds.failing_since is None:
            await self.database.run(lambda tx: endpoints.failed(tx, endpoint_id), single=True)
