"""Looks for the fate of sends that may or may not have been accepted.

A receipt may settle it at any moment. Meanwhile the provider is asked, where it can be; finding the text proves that it
was accepted. *Not* finding it proves nothing, so it never leads to a second send on our own: after all waiting the text is
parked for a person to decide, unless the account prefers duplicates to losses.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from relay import logs
from relay.core import delivery
from relay.core.delivery import AmbiguityTimes, GivenUp, Outcome, when_given_up
from relay.core.errors import Tampered, WebhookRefused
from relay.core.ids import IdKind, public
from relay.core.model import OnAmbiguous
from relay.providers.base import Adapter, Found, ReceiptWord
from relay.providers.transport import NoAnswer, Transport
from relay.storage import outbox
from relay.storage.configuration import Configuration, Connection, Number
from relay.storage.database import Database, Transaction
from relay.storage.outbox import Mark, Unresolved
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

_CLOCKS_DIFFER = timedelta(seconds=10)  # as `rivals` counts


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """One step of upkeep per bucket."""

    database: Database
    configuration: Configuration
    vault: Vault
    adapters: dict[str, Adapter]
    transport: Transport
    times: AmbiguityTimes
    base_urls: dict[str, str]
    copies: CarrierCopies

    async def declare(self, bucket: int, *, epoch: int, begun_before: timedelta) -> int:
        """Call those sends ambiguous whose process has gone, or that have been silent for longer than any send may be."""

        async def work(tx: Transaction) -> int:
            limit = tx.now - begun_before
            lost = await outbox.abandoned(tx, bucket, epoch=epoch, begun_before=limit, limit=100)
            due_at = self.times.next_step(tx.now, 0)
            marks = [Mark(attempt_id, message_id, Outcome.AMBIGUOUS, due_at=due_at) for message_id, attempt_id in lost]
            if marks:
                await outbox.mark(tx, bucket, marks)
            return len(marks)

        return await self.database.run(work)

    async def look(self, bucket: int) -> int:
        """Take the next step for every ambiguous send that is due; says how many."""
        async with self.database.single() as tx:
            now = tx.now
            due = await outbox.unresolved(tx, bucket, limit=20)
        await asyncio.gather(*(self._step(bucket, one, now) for one in due))
        return len(due)

    async def _step(self, bucket: int, one: Unresolved, now: datetime) -> None:
        if mark := await self._accepted(one):
            await self.database.run(partial(_mark, bucket, mark))
        elif self.times.is_over(one.ended_at, now):
            await self._give_up(one)
        else:
            next_look = self.times.next_step(one.ended_at, one.asked + 1)
            await self.database.run(partial(_look_again, one, next_look))

    async def _accepted(self, one: Unresolved) -> Mark | None:
        """Does the provider have this text? What it was asked in vain counts as no."""
        directory = await self.configuration.current()
        number = directory.numbers.get(one.number_id)
        if number is None:
            return None
        connection = directory.connections[number.connection_id]
        adapter = self.adapters[connection.provider]
        if not adapter.capabilities.finds_messages:
            return None
        try:
            mine, found = await self._find(one, number, connection, adapter)
        except (NoAnswer, WebhookRefused):
            return None
        except Tampered as error:  # nothing to look for; it must not keep the others from being looked for
            logs.trouble("unreadable_outbox_row", error, message=public(IdKind.MESSAGE, one.message_id))
            return None
        same = [text for text in found if text.text == mine]
        if not same:
            return None
        async with self.database.transaction() as tx:  # other texts of the leg may be among those that were found
            if len(found) <= await outbox.rivals(tx, one.message_id, one.attempt_id):
                return None
        copy = self.copies.of(connection, one.attempt_id, same[0].provider_id)
        return Mark(one.attempt_id, one.message_id, Outcome.ACCEPTED, copy=copy)

    async def _find(
        self, one: Unresolved, number: Number, connection: Connection, adapter: Adapter
    ) -> tuple[str, list[Found]]:
        """What we sent, and what the provider accepted for this phone at about the time of the attempt."""
        sealed = Sealed(connection.sealed_credentials, connection.key_id)
        credentials = self.vault.credentials.open(connection.account_id, connection.id, sealed)
        letter = self.vault.envelopes.open(one.account_id, one.message_id, one.envelope)
        base_url = self.base_urls.get(adapter.name, adapter.base_url)
        since, until = one.begun_at - _CLOCKS_DIFFER, one.ended_at + _CLOCKS_DIFFER
        request = adapter.build_find(credentials, base_url, number.e164, letter.phone, since)
        listed = adapter.read_find(await self.transport.send(request))
        taken = {ReceiptWord.ACCEPTED, ReceiptWord.DELIVERED, ReceiptWord.UNDELIVERED}
        return letter.text, [f for f in listed if since <= f.at <= until and f.outcome.word in taken]

    async def _give_up(self, one: Unresolved) -> None:
        directory = await self.configuration.current()
        account = directory.accounts.get(one.account_id)
        policy = account.on_ambiguous if account else OnAmbiguous.PARK
        number = directory.numbers.get(one.number_id)
        provider = directory.connections[number.connection_id].provider if number else None
        has_send_key = provider is not None and self.adapters[provider].capabilities.send_key

        async def work(tx: Transaction) -> None:
            is_open = await outbox.its_session_is_open(tx, one.message_id)
            if when_given_up(policy, session_open=is_open, has_send_key=has_send_key) is GivenUp.RESEND:
                await outbox.send_again(tx, one.message_id, one.attempt_id)
                return
            deadline = tx.now + delivery.MAY_STAND_PARKED
            parked = await outbox.park_ambiguous(
                tx, one.message_id, one.attempt_id, deadline=deadline, keep_text=is_open
            )
            if parked:
                logs.note("parked", message=public(IdKind.MESSAGE, one.message_id), reason="ambiguous")

        await self.database.run(work)


async def _mark(bucket: int, mark: Mark, tx: Transaction) -> None:
    await outbox.mark(tx, bucket, [mark])


async def _look_again(one: Unresolved, at: datetime, tx: Transaction) -> None:
    await outbox.asked(tx, one, at)
