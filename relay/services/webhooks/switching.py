"""Disabling an endpoint: by its owner, by its own word, or because it has taken nothing for days."""

from __future__ import annotations

from functools import partial

from relay import logs
from relay.core.ids import IdKind, public
from relay.core.webhooks import DisabledReason
from relay.storage import deliveries, endpoints
from relay.storage.configuration import Configuration, Endpoint
from relay.storage.database import Database, Transaction


async def disable(database: Database, configuration: Configuration, endpoint: Endpoint, reason: DisabledReason) -> None:
    """It is told nothing any more, and what waited for it has failed. Whoever is killed in between leaves deliveries
    that end when they are due."""
    if await database.run(lambda tx: endpoints.disable(tx, endpoint.account_id, endpoint.id, reason)):
        logs.note("webhook_disabled", level="warning", webhook=public(IdKind.ENDPOINT, endpoint.id), reason=reason)
    directory = await configuration.refreshed()
    for bucket in sorted(directory.buckets_of(endpoint.account_id)):
        await database.run(partial(_give_up, bucket, endpoint), single=True)


async def _give_up(bucket: int, endpoint: Endpoint, tx: Transaction) -> None:
    await deliveries.give_up(tx, bucket, endpoint.id)
