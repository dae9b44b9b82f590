"""Takes texts in; whoever asked is answered after the commit that holds them.

A batch belongs to one bucket. When it fails, nothing of it has happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from relay import metrics
from relay.core.arrival import ArrivedText
from relay.core.keywords import folded, keyword
from relay.core.loops import LegLimits
from relay.core.rules import Rule
from relay.providers.base import InboundText
from relay.services.inbound.batch import Batch, Taken
from relay.services.inbound.departures import Closed, Gate
from relay.services.inbound.recent import Recent
from relay.storage import inbox
from relay.storage.coalescer import Coalescer
from relay.storage.configuration import Configuration, Connection
from relay.storage.database import Database
from relay.storage.inbox import InboxKey
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.vault import Vault

__all__ = ["Inbound", "Taken"]

#: Seconds that a text may wait for its turn before later ones are refused (503): carriers hang up after 10 to 15.
_PATIENCE = 4.0


async def _no_rule(_: ArrivedText, __: Rule) -> bool:
    return False


@dataclass(slots=True)
class Inbound:
    """``commands`` takes STOP, START and HELP, ``rules`` a pool's own words; each says whether it was one. ``queued`` hears of
    buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    commands: Callable[[ArrivedText], Awaitable[bool]]
    queued: Callable[[int], Awaitable[None]]
    copies: CarrierCopies
    rules: Callable[[ArrivedText, Rule], Awaitable[bool]] = _no_rule
    limits: LegLimits = field(default_factory=LegLimits)
    gate: Gate = Closed  #: lets texts out as they come in, where this process sends
    _recent: Recent = field(init=False)
    _batches: Coalescer[ArrivedText, Taken] = field(init=False)

    def __post_init__(self) -> None:
        self._recent = Recent(self.limits)
        self._batches = Coalescer(self.take, patience=_PATIENCE)

    async def receive(self, connection: Connection, text: InboundText) -> Taken:
        """Take one verified text in. Raises StorageUnavailable when nothing could be stored."""
        arrived = await self._resolve(connection, text)
        if await self._came_before(arrived, text.number):
            metrics.inbound.labels(Taken.DUPLICATE).inc()
            return Taken.DUPLICATE
        if arrived.keyword and arrived.party and not arrived.from_own_number and await self.commands(arrived):
            metrics.inbound.labels(Taken.COMMAND).inc()
            return Taken.COMMAND
        if arrived.rule is not None and await self.rules(arrived, arrived.rule):
            metrics.inbound.labels(Taken.COMMAND).inc()
            return Taken.COMMAND
        return await self._batches.do(arrived.bucket, arrived)

    async def _came_before(self, arrived: ArrivedText, number: str) -> bool:
        """Was this text recorded while its number belonged to another pool, or to none? Nearly no number ever did."""
        directory = await self.configuration.current()
        former = directory.former_buckets.get((arrived.account_id, number), frozenset())
        for bucket in sorted(former - {arrived.bucket}):
            async with self.database.transaction() as tx:
                if await inbox.is_known(tx, bucket, InboxKey.of(arrived)):
                    return True
        return False

    async def take(self, bucket: int, texts: Sequence[ArrivedText]) -> list[Taken]:
        """Take a batch of one bucket in, in one transaction."""
        directory = await self.configuration.current()
        departures = self.gate(bucket, directory)
        try:
            results, queued = await self.database.run(
                lambda tx: Batch(tx, bucket, directory, self.vault, self.copies, departures, self._recent).take(texts)
            )
        except BaseException:
            departures.fail()
            raise
        departures.leave()
        for result in results:
            metrics.inbound.labels(result).inc()
        if queued:
            await self.queued(bucket)
        return results

    async def _resolve(self, connection: Connection, text: InboundText) -> ArrivedText:
        directory = await self.configuration.current()
        number = directory.number_by_e164.get((connection.account_id, text.number))
        if number is None:
            directory = await self.configuration.refreshed()
            number = directory.number_by_e164.get((connection.account_id, text.number))
        account = directory.accounts[connection.account_id]
        indexes = self.vault.indexes
        content = [part.encode() for part in (text.sender or "", text.number, text.text, str(text.media))]
        provider_id = (connection.id.bytes, text.provider_id.encode())
        imprint, *others = indexes.imprints(
            lambda hashed: (hashed("inbound id", *provider_id), hashed("inbound text", *content))
        )
        pool = directory.pools[number.pool_id] if number else None
        rule = pool.rules.get(folded(text.text) or "") if pool and pool.rules else None
        return ArrivedText(
            account_id=account.id,
            connection_id=connection.id,
            bucket=pool.bucket if pool else account.bucket,
            number_id=number.id if number else None,
            party=indexes.of(account.id, text.sender) if text.sender else None,
            sender=text.sender,
            text=text.text,
            media=text.media,
            keyword=text.keyword or keyword(text.text),
            from_own_number=(account.id, text.sender) in directory.number_by_e164,
            imprint=imprint,
            provider_id=text.provider_id,
            rule=rule,
            other_imprints=tuple(others),
        )
