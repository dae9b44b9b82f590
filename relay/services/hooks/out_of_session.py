"""Asks a pool's hook what to do about a text that nobody was there to get, and does it: an answer, a new session, or nothing.

The text itself was refused when it came and is never delivered. What is kept to ask about it goes with the answer, in the
transaction that carries the answer out: a process that dies before asks again, and a session that it opened is found, not
opened twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay import logs
from relay.core import delivery
from relay.core.envelope import Letter
from relay.core.errors import CallerMistake, KeyMissing, Tampered
from relay.core.hooks import HookKind, StrangerAnswer, read_answer, stranger_question
from relay.core.ids import ENTROPY_BYTES, IdKind, Seed, bucket_of, public
from relay.core.model import MessageKind, State
from relay.core.phone import Phone
from relay.core.segments import segments
from relay.services.hooks.asking import Asking, Job
from relay.storage import caps, hook_calls, messages, people, sessions
from relay.storage.configuration import Account, Configuration, Pool
from relay.storage.database import Database, Transaction
from relay.storage.hook_calls import Call
from relay.storage.messages import NewMessage, NewOutboxRow
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Opening:
    """A session that a hook wants, between whoever texted and somebody else; each with a label. ``greeting``: both are told by us
    that they can write to each other."""

    pool: Pool
    sender: Phone
    other: Phone
    labels: tuple[str, str]
    greeting: bool


@dataclass(frozen=True, slots=True)
class Seat:
    """Where the sender of the text sits: what they are told comes from the number that they text from now on."""

    number_id: UUID
    session_id: UUID | None = None
    participant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OutOfSession:
    """``open_session`` opens one, the same seed the same one, and raises CallerMistake; ``queued`` hears of buckets with new
    work."""

    database: Database
    configuration: Configuration
    vault: Vault
    asking: Asking
    open_session: Callable[[Account, Opening, Seed], Awaitable[Seat]]
    queued: Callable[[int], Awaitable[None]]

    async def due(
        self, bucket: int, *, limit: int, busy_pools: Collection[UUID], asking: Collection[UUID]
    ) -> list[Job]:
        """The texts that somebody is to be asked about, oldest first."""
        numbers = (await self.configuration.current()).numbers
        without = [n.id for n in numbers.values() if n.pool_id in busy_pools]
        async with self.database.single() as tx:
            found = await hook_calls.due(tx, bucket, limit=limit, without=without, asking=asking)
        return [Job(one.id, one.number_id, partial(self._ask, one)) for one in found]

    async def forget(self, bucket: int) -> int:
        """Forget what nobody has asked about for too long; says how much that was."""
        return await self.database.run(lambda tx: hook_calls.forget(tx, bucket))

    async def _ask(self, call: Call) -> None:
        directory = await self.configuration.current()
        account = directory.accounts[call.account_id]
        number = directory.numbers.get(call.number_id)
        pool = directory.pools[number.pool_id] if number else None
        hook = pool.hook(HookKind.OUT_OF_SESSION) if pool else None
        try:
            letter = self.vault.envelopes.open(call.account_id, call.id, call.envelope)
        except KeyMissing:
            raise
        except Tampered as error:
            logs.trouble("unreadable_hook_call", error, message=public(IdKind.MESSAGE, call.id))
            letter = None
        answer, seat = StrangerAnswer(), Seat(call.number_id)
        if pool and number and hook and letter:
            body = stranger_question(call.id, number.e164, letter.text)
            answer = await self.asking.ask(hook, call.id, body, call.now, read_answer) or StrangerAnswer()
            if answer.phone is not None:
                answer, seat = await self._open(account, pool, call, letter, answer)
        if await self.database.run(partial(self._finish, account, call, letter, answer.reply, seat)):
            await self.queued(bucket_of(call.id))

    async def _open(
        self, account: Account, pool: Pool, call: Call, letter: Letter, answer: StrangerAnswer
    ) -> tuple[StrangerAnswer, Seat]:
        """Open the session that is wanted. Where that cannot be, nothing is said to anybody."""
        seed = Seed(call.made_at, hashlib.sha256(b"hook|" + call.id.bytes).digest()[:ENTROPY_BYTES])
        try:
            other = Phone.parse(answer.phone or "")
            labels = (answer.sender_label, answer.label)
            opening = Opening(pool, Phone.parse(letter.phone), other, labels, greeting=answer.reply is None)
            return answer, await self.open_session(account, opening, seed)
        except CallerMistake as mistake:
            where = {"pool": public(IdKind.POOL, pool.id), "code": mistake.code}
            logs.note("hook_opened_no_session", level="warning", **where)
            return StrangerAnswer(), Seat(call.number_id)

    async def _finish(
        self, account: Account, call: Call, letter: Letter | None, reply: str | None, seat: Seat, tx: Transaction
    ) -> bool:
        """Forget what was asked about, and answer its sender; says whether there is something to send."""
        if not await hook_calls.take(tx, call.id) or reply is None or letter is None:
            return False
        bucket, party = bucket_of(call.id), self.vault.indexes.of(call.account_id, letter.phone)
        await people.recognise(tx, bucket, [party])
        if (await sessions.meet(tx, bucket, [(party.index, party.key_id)]))[party.index]:
            return False  # they have opted out
        message = NewMessage(
            id=tx.new_id(bucket),
            account_id=call.account_id,
            kind=MessageKind.NOTICE,
            state=State.QUEUED,
            segments=segments(reply).count,
            session_id=seat.session_id,
            recipient_id=seat.participant_id,
        )
        envelope = self.vault.envelopes.seal(call.account_id, message.id, Letter(letter.phone, reply))
        deadline_at = delivery.deadline(message.kind, tx.now)
        row = NewOutboxRow(message, party.index, seat.number_id, envelope, deadline_at)
        allowance = await caps.allowance(tx, bucket, [account])
        may_leave = allowance.take(account.id)
        await messages.write(tx, bucket, [message if may_leave else message.over_cap()], [row] if may_leave else [])
        await caps.count(tx, bucket, allowance)
        return may_leave
