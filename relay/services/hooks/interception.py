"""Asks a pool's hook whether a text may leave, and carries out what it says.

No transaction is open while it is asked, and nothing of the asking is written: a process that dies meanwhile leaves the text
as it was, to be asked about again by whoever serves its bucket next. The hook knows it by the id of the message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay import logs, metrics
from relay.core.errors import KeyMissing, Tampered
from relay.core.hooks import HookKind, Verdict, question, read_verdict, when_unanswered
from relay.core.ids import IdKind, bucket_of, public
from relay.services.hooks.asking import Asking, Job
from relay.storage import hooks
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.storage.hooks import Waiting
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Interception:
    """``queued`` hears of buckets in which something may leave now."""

    database: Database
    configuration: Configuration
    vault: Vault
    asking: Asking
    queued: Callable[[int], Awaitable[None]]

    async def due(
        self, bucket: int, *, limit: int, busy_pools: Collection[UUID], asking: Collection[UUID]
    ) -> list[Job]:
        """The texts that somebody is to be asked about: the first of each leg, but for pools that have enough on their hands."""
        numbers = (await self.configuration.current()).numbers
        without = [n.id for n in numbers.values() if n.pool_id in busy_pools]
        async with self.database.single() as tx:
            found = await hooks.due(tx, bucket, limit=limit, without=without, asking=asking)
        return [Job(one.asked.message_id, one.number_id, partial(self._ask, one)) for one in found]

    async def _ask(self, waiting: Waiting) -> None:
        """Ask about one text and carry the answer out. Raises StorageUnavailable and KeyMissing: then it is still to be asked."""
        verdict = await self._verdict(waiting)
        message_id = waiting.asked.message_id
        decided = await self.database.run(lambda tx: hooks.decide(tx, message_id, verdict))
        if decided and verdict is not Verdict.ALLOW:
            metrics.refusals.labels("hook_refused" if verdict is Verdict.REFUSE else "hook_timeout").inc()
        await self.queued(bucket_of(message_id))

    async def _verdict(self, waiting: Waiting) -> Verdict:
        directory = await self.configuration.current()
        pool = directory.intercepted.get(waiting.number_id)
        hook = pool.hook(HookKind.INTERCEPT) if pool else None
        if hook is None:  # removed since: there is nobody to ask
            return Verdict.ALLOW
        message_id = waiting.asked.message_id
        try:
            letter = self.vault.envelopes.open(waiting.account_id, message_id, waiting.envelope)
        except KeyMissing:
            raise
        except Tampered as error:  # whoever sends finds the same, and refuses it
            logs.trouble("unreadable_outbox_row", error, message=public(IdKind.MESSAGE, message_id))
            return Verdict.ALLOW
        body = question(waiting.asked, letter.text)
        said = await self.asking.ask(hook, message_id, body, waiting.now, read_verdict)
        return said or when_unanswered(hook.on_timeout)
