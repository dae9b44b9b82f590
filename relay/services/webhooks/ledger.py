"""What has happened in an account, as its endpoints are told of it; what each was told; and telling them once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.core import webhooks
from relay.core.errors import Conflict, InvalidInput, NotFound, Problem
from relay.core.ids import bucket_of
from relay.core.webhooks import NOT_TOLD, DeliveryState, Happened
from relay.services.webhooks.telling import give_out
from relay.storage import deliveries, numbering
from relay.storage.configuration import Account, Configuration, Endpoint
from relay.storage.database import Database, Transaction
from relay.storage.deliveries import Delivery

_LAST = UUID(int=(1 << 128) - 1)
_LOOK = 5000  # events of one bucket looked through for one page


@dataclass(frozen=True, slots=True)
class EventsWanted:
    """Which events. None = whatever it is."""

    event_type: str | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. ``more``: where to go on; None = there are no more. A page may be short, or empty, and not
    the last: of what lies in shared buckets only so much is looked through at once."""

    events: Sequence[Happened]
    more: UUID | None


@dataclass(frozen=True, slots=True)
class Ledger:
    database: Database
    configuration: Configuration

    async def events(self, account: Account, wanted: EventsWanted, *, limit: int, before: UUID | None) -> Page:
        """What has happened in an account. Nothing is said of a session that is not its own."""
        buckets = (await self.configuration.current()).buckets_of(account.id)
        if wanted.session_id is not None:
            buckets &= {bucket_of(wanted.session_id)}
        looks = {bucket: await self._look(bucket, account, wanted, before or _LAST) for bucket in buckets}
        ids, more = webhooks.newest(
            [(look.ids, look.last if look.seen == _LOOK else None) for look in looks.values()], limit
        )
        found = [event for bucket in sorted({*map(bucket_of, ids)}) for event in await self._read(bucket, ids)]
        return Page(sorted(found, key=lambda event: event.id, reverse=True), more)

    async def deliveries(
        self, account: Account, endpoint: Endpoint, *, limit: int, before: UUID | None, state: DeliveryState | None
    ) -> list[Delivery]:
        """What an endpoint was told, newest event first, or is still to be told."""
        found: list[Delivery] = []
        for bucket in sorted((await self.configuration.current()).buckets_of(account.id)):
            async with self.database.single() as tx:
                found += await deliveries.page(
                    tx, bucket, account.id, endpoint.id, before=before or _LAST, limit=limit, state=state
                )
        return sorted(found, key=lambda one: one.event_id, reverse=True)[:limit]

    async def replay(self, account: Account, event_id: UUID, endpoint_id: UUID | None) -> list[UUID]:
        """Tell endpoints of an event once more, under the same id: one of them, or all that are enabled and want it;
        whatever they were told before, and when they were made. Returns which. Raises NotFound, Conflict
        ``no_webhook``."""
        bucket = bucket_of(event_id)
        if bucket not in (await self.configuration.current()).buckets_of(account.id):
            raise NotFound
        found = await self._read(bucket, [event_id])
        if not found or found[0].account_id != account.id or found[0].type.split(".")[0] in NOT_TOLD:
            raise NotFound
        chosen = await self._chosen(account, found[0], endpoint_id)
        return await self.database.run(partial(_again, account.id, event_id, chosen))

    async def _chosen(self, account: Account, event: Happened, endpoint_id: UUID | None) -> list[UUID]:
        known = (await self.configuration.refreshed()).endpoints_of(account.id)
        if endpoint_id is not None and endpoint_id not in {one.id for one in known}:
            raise InvalidInput(Problem("webhook", "unknown_webhook", "must be one of the account's webhooks"))
        chosen = [
            one.id
            for one in known
            if one.is_enabled
            and (one.id == endpoint_id or (endpoint_id is None and webhooks.takes(one.events, event.type)))
        ]
        if not chosen:
            raise Conflict("no enabled webhook takes this event", code="no_webhook")
        return chosen

    async def _look(self, bucket: int, account: Account, wanted: EventsWanted, before: UUID) -> numbering.Look:
        async with self.database.single() as tx:
            return await numbering.page(
                tx,
                bucket,
                account.id,
                before=before,
                limit=_LOOK,
                event_type=wanted.event_type,
                session_id=wanted.session_id,
            )

    async def _read(self, bucket: int, event_ids: Sequence[UUID]) -> list[Happened]:
        here = [event_id for event_id in event_ids if bucket_of(event_id) == bucket]
        async with self.database.single() as tx:
            return await numbering.read(tx, bucket, here)


async def _again(account_id: UUID, event_id: UUID, endpoint_ids: Sequence[UUID], tx: Transaction) -> list[UUID]:
    """An event of before there was any endpoint gets its number now."""
    await give_out(bucket_of(event_id), (), [event_id], None, tx)
    return await deliveries.again(tx, account_id, event_id, endpoint_ids)
