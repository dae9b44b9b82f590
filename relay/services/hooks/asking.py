"""Posting a question to a hook: signed, within its time, asked again while that may help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from relay import logs, metrics
from relay.core import signing
from relay.core.customer_url import CustomerUrl
from relay.core.errors import InvalidInput, NotAnswered
from relay.core.hooks import may_answer_yet
from relay.core.ids import IdKind, public
from relay.providers.guarded import GuardedTransport
from relay.storage.database import Database
from relay.storage.hooks import Hook
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

T = TypeVar("T")
_ASK_AGAIN_AFTER = 0.3  # seconds, while there is time


@dataclass(frozen=True, slots=True)
class Job:
    """A question that is to be asked now, and what asks it. ``number_id``: of the pool whose hook it is for."""

    id: UUID
    number_id: UUID
    ask: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asking:
    """``http_allowed``: addresses of this machine over plain http will do; for trials."""

    database: Database
    vault: Vault
    transport: GuardedTransport
    http_allowed: bool

    async def ask(
        self, hook: Hook, message_id: UUID, body: bytes, now: datetime, read: Callable[[int, bytes], T | None]
    ) -> T | None:
        """What the hook says, as ``read`` makes it of status and body; None where it says nothing usable in time."""
        said = await self._ask(hook, message_id, body, now, read)
        if said is None:
            logs.note("hook_did_not_answer", level="warning", pool=public(IdKind.POOL, hook.pool_id), kind=hook.kind)
        metrics.hooks.labels(hook.kind, "answered" if said is not None else "none").inc()
        return said

    async def _ask(
        self, hook: Hook, message_id: UUID, body: bytes, now: datetime, read: Callable[[int, bytes], T | None]
    ) -> T | None:
        settings = self.vault.hooks.open(hook.account_id, hook.id, Sealed(hook.sealed_settings, hook.key_id))
        try:
            url = CustomerUrl.parse(settings.url, "url", http_allowed=self.http_allowed)
        except InvalidInput:  # what was allowed when it was given is not any more
            return None
        # The receiver compares the time with its own clock, which nobody has moved.
        at, name = now - self.database.clock_offset, public(IdKind.MESSAGE, message_id)
        headers = {"content-type": "application/json", **signing.headers([settings.secret], name, at, body)}
        until = time.monotonic() + hook.timeout
        while (left := until - time.monotonic()) > 0:
            try:
                answer = await self.transport.post(hook.account_id, url, body, headers, within=left)
            except NotAnswered as error:
                if not may_answer_yet(kind=error.kind):
                    return None
            else:
                said = read(answer.status, answer.body)
                if said is not None or not may_answer_yet(status=answer.status):
                    return said
            await asyncio.sleep(_ASK_AGAIN_AFTER)
        return None
