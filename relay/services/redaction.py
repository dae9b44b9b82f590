"""Has carriers delete what they keep of texts.

A relay that leaves both phones in the carrier's record has hidden nothing. Deleting twice does no harm, so nobody locks anything
for it: killed half-way, it is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from relay import logs, metrics
from relay.core.errors import Tampered
from relay.core.ids import IdKind, public
from relay.core.redaction import CarrierCopy, is_alarming, next_try
from relay.providers.base import Adapter
from relay.providers.transport import NoAnswer, Transport
from relay.storage import redactions
from relay.storage.configuration import Configuration, Connection
from relay.storage.database import Database, Transaction
from relay.storage.redactions import Due
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

#: How many deletions one process asks for at once: they wait behind every text that has to leave.
AT_ONCE = 16


class Fate(StrEnum):
    """What became of a carrier's record."""

    DELETED = "deleted"
    KEPT = "kept"  #: not deleted yet, or nobody can say
    OUT_OF_REACH = "out_of_reach"  #: its connection is gone, and the credentials with it


@dataclass(frozen=True, slots=True)
class Redaction:
    """One step of upkeep per bucket."""

    database: Database
    configuration: Configuration
    vault: Vault
    adapters: Mapping[str, Adapter]
    transport: Transport
    base_urls: Mapping[str, str]

    async def redact(self, bucket: int) -> int:
        """Have carriers delete a small batch of what is due; says how many rows are done with."""
        async with self.database.single() as tx:
            due, now = await redactions.due(tx, bucket, limit=AT_ONCE), tx.now
        if not due:
            return 0
        connections = (await self.configuration.refreshed()).connections
        fates = await asyncio.gather(*(self._fate(one, connections.get(one.copy.connection_id)) for one in due))
        for one, fate in zip(due, fates, strict=True):
            _tell(one, fate, now)
        done = [one.copy.id for one, fate in zip(due, fates, strict=True) if fate is not Fate.KEPT]
        kept = {
            one.copy.id: next_try(now, one.tries) for one, fate in zip(due, fates, strict=True) if fate is Fate.KEPT
        }
        await self.database.run(lambda tx: _write(tx, bucket, done, kept))
        return len(done)

    async def _fate(self, one: Due, connection: Connection | None) -> Fate:
        if connection is None:
            return Fate.OUT_OF_REACH
        try:
            return Fate.DELETED if await self._delete(one.copy, connection) else Fate.KEPT
        except NoAnswer:
            return Fate.KEPT
        except Tampered as error:
            logs.trouble("unreadable_redaction", error, connection=public(IdKind.CONNECTION, connection.id))
            metrics.alarms.labels("unreadable_redaction").inc()
            return Fate.KEPT

    async def _delete(self, copy: CarrierCopy, connection: Connection) -> bool:
        adapter = self.adapters[connection.provider]
        sealed = Sealed(connection.sealed_credentials, connection.key_id)
        credentials = self.vault.credentials.open(connection.account_id, connection.id, sealed)
        provider_id = self.vault.envelopes.open_provider_id(copy.account_id, copy.id, Sealed(copy.sealed, copy.key_id))
        base_url = self.base_urls.get(adapter.name, adapter.base_url)
        return adapter.read_redact(await self.transport.send(adapter.build_redact(credentials, base_url, provider_id)))


async def _write(tx: Transaction, bucket: int, done: list[UUID], kept: dict[UUID, datetime]) -> None:
    if done:
        await redactions.forget(tx, bucket, done)
    if kept:
        await redactions.put_off(tx, bucket, kept)


def _tell(one: Due, fate: Fate, now: datetime) -> None:
    metrics.redactions.labels(fate).inc()
    if fate is Fate.OUT_OF_REACH or (fate is Fate.KEPT and is_alarming(one.since, now)):
        metrics.alarms.labels("carrier_keeps_text").inc()
        connection = public(IdKind.CONNECTION, one.copy.connection_id)
        logs.note("carrier_keeps_text", level="warning", connection=connection)
