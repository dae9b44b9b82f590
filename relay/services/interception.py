"""Asks a pool's hook whether a text may leave, and carries out what it says.

No transaction is open while it is asked, and nothing of the asking is written: a process that dies meanwhile leaves the text
as it was, to be asked about again by whoever serves its bucket next. The hook knows it by the id of the message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from relay import logs, metrics
from relay.core import signing
from relay.core.customer_url import CustomerUrl
from relay.core.errors import InvalidInput, KeyMissing, NotAnswered, Tampered
from relay.core.hooks import HookKind, Verdict, may_answer_yet, question, read_verdict, when_unanswered
from relay.core.ids import IdKind, bucket_of, public
from relay.providers.guarded import GuardedTransport
from relay.storage import hooks
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.storage.hooks import Hook, Waiting
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

_ASK_AGAIN_AFTER = 0.3  # seconds, while there is time


@dataclass(frozen=True, slots=True)
class Interception:
    """``queued`` hears of buckets in which something may leave now."""

    database: Database
    configuration: Configuration
    vault: Vault
    transport: GuardedTransport
    queued: Callable[[int], Awaitable[None]]
    http_allowed: bool

    async def due(
        self, bucket: int, *, limit: int, busy_pools: Collection[UUID], asking: Collection[UUID]
    ) -> list[Waiting]:
        """The texts that somebody is to be asked about: the first of each leg, but for pools that have enough on their hands."""
        numbers = (await self.configuration.current()).numbers
        without = [n.id for n in numbers.values() if n.pool_id in busy_pools]
        async with self.database.single() as tx:
            return await hooks.due(tx, bucket, limit=limit, without=without, asking=asking)

    async def ask(self, waiting: Waiting) -> None:
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
        said = await self._ask(hook, waiting, question(waiting.asked, letter.text))
        metrics.hooks.labels(hook.kind, said or "none").inc()
        if said is None:
            logs.note("hook_did_not_answer", level="warning", pool=public(IdKind.POOL, hook.pool_id), kind=hook.kind)
        return said or when_unanswered(hook.on_timeout)

    async def _ask(self, hook: Hook, waiting: Waiting, body: bytes) -> Verdict | None:
        """What the hook says; None where it says nothing usable in time. It is asked again while that may help."""
        settings = self.vault.hooks.open(hook.account_id, hook.id, Sealed(hook.sealed_settings, hook.key_id))
        try:
            url = CustomerUrl.parse(settings.url, "url", http_allowed=self.http_allowed)
        except InvalidInput:  # what was allowed when it was given is not any more
            return None
        # The receiver compares the time with its own clock, which nobody has moved.
        at = waiting.now - self.database.clock_offset
        name = public(IdKind.MESSAGE, waiting.asked.message_id)
        headers = {"content-type": "application/json", **signing.headers([settings.secret], name, at, body)}
        until = time.monotonic() + hook.timeout
        while (left := until - time.monotonic()) > 0:
            try:
                answer = await self.transport.post(url, body, headers, within=left)
            except NotAnswered as error:
                if not may_answer_yet(kind=error.kind):
                    return None
            else:
                said = read_verdict(answer.status, answer.body)
                if said or not may_answer_yet(status=answer.status):
                    return said
            await asyncio.sleep(_ASK_AGAIN_AFTER)
        return None
