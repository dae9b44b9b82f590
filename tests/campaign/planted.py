"""Deliberate bugs: what the campaign is worth is what it catches. Each names the promise that it breaks and the trouble in
which it shows; ``python -m tests.campaign --selftest`` plants one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from tests.campaign.child import replace


@dataclass(frozen=True, slots=True)
class Bug:
    """``breaks``: any of these promises must be found broken. ``trouble``: what else is wrong while it is looked for."""

    plant: Callable[[], None]
    breaks: tuple[str, ...]
    trouble: Mapping[str, Any] = field(default_factory=dict)


def _sql(module: str, name: str, *changes: tuple[str, str]) -> None:
    """Change a statement; each change must hit."""

    def change(statements: Mapping[str, str]) -> Mapping[str, str]:
        text = statements[name]
        for old, new in changes:
            if old not in text:
                raise ValueError(f"{module} {name}: nothing to change")
            text = text.replace(old, new)
        return MappingProxyType({**statements, name: text})

    replace(module, "_SQL", change)


def _no_dedupe() -> None:
    from relay.storage.inbox import Recorded

    async def record(_tx: Any, _bucket: int, keys: Any) -> Recorded:
        return Recorded(frozenset(key.key for key in keys), frozenset())

    replace("relay.storage.inbox", "record", lambda _: record)


def _acknowledge_first() -> None:
    def make(receive: Any) -> Any:
        async def at_once(self: Any, *args: Any) -> None:
            asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(receive(self, *args)))

        return at_once

    replace("relay.services.inbound", "Inbound.receive", make)


def _no_fence() -> None:
    """Neither the lease nor the time to start is looked at before the first byte."""

    def make(hand_over: Any) -> Any:
        async def careless(self: Any, intent: Any, *, lease_until: float) -> Any:
            del lease_until
            return await hand_over(self, changed(intent, start_by=float("inf")), lease_until=float("inf"))

        return careless

    replace("relay.services.sending", "Sending.hand_over", make)


def _asynchronous_commit() -> None:
    replace("relay.storage.database", "SESSION", lambda session: {**session, "synchronous_commit": "off"})
    replace("relay.wiring.opening", "database.check_durable", lambda _: _nothing)


async def _nothing(*_: Any) -> None:
    return None


def _swapped() -> None:
    from relay.core import routing

    def make(route: Any) -> Any:
        def to_the_sender(facts: Any) -> Any:
            decision = route(facts)
            return changed(decision, recipient=decision.sender) if isinstance(decision, routing.Forward) else decision

        return to_the_sender

    replace("relay.services.inbound.batch", "route", make)


def _open_door() -> None:
    """Closing leaves what is queued, and the door does not ask whether the session is open."""
    _sql(
        "relay.storage.outbox",
        "door",
        ("s.status is distinct from 'open'", "false"),
        ("pa.status is distinct from 'live'", "false"),
    )
    _sql(
        "relay.storage.endings",
        "close",
        ("in ('queued', 'parked')", "in ('parked')"),
        ("delete from outbox using s where", "delete from outbox using s where false and"),
    )


def _deaf_to_stop() -> None:
    """STOP leaves what is queued, and neither ingest nor the door asks whether the reader has opted out."""
    _sql("relay.storage.outbox", "door", ("pe.opted_out is distinct from false", "false"))
    _sql("relay.storage.inbox", "people", ("coalesce(pe.opted_out, true)", "false"))
    _sql("relay.storage.suppressions", "unsent_to", ("where m.bucket", "where false and m.bucket"))


def _resend() -> None:
    """A text that the provider does not list is sent again."""

    def make(_: Any) -> Any:
        async def give_up(self: Any, one: Any) -> None:
            from relay.storage import outbox

            await self.database.run(lambda tx: outbox.send_again(tx, one.message_id, one.attempt_id))

        return give_up

    replace("relay.services.ambiguity", "Ambiguity._give_up", make)


def _warm_bindings() -> None:
    """Numbers that are cooling down count as free."""
    _sql(
        "relay.storage.sessions",
        "held",
        ("b.held_until > $2::timestamptz", "b.held_until = 'infinity' and $2::timestamptz is not null"),
    )
    _sql("relay.storage.sessions", "open_3_write", ("b.held_until <= $2::timestamptz", "b.held_until < 'infinity'"))


def _any_order() -> None:
    """Not only the head of a leg may leave."""
    _sql("relay.storage.outbox", "due", ("o.leg_no is null\n", "true\n"))
    _sql("relay.storage.inbox", "people", (") as awaits", ") and false as awaits"))


def _only_after_the_mark() -> None:
    """A receipt that comes before the answer was written down is dropped."""

    def make(take: Any) -> Any:
        async def late_only(self: Any, connection: Any, token: Any, receipt: Any) -> Any:
            async with self.database.transaction() as tx:
                state = await tx.fetchval("select state from message where id = $1", token.message_id)
            return await take(self, connection, token, receipt) if state in {"accepted", "delivered"} else None

        return late_only

    replace("relay.services.receipts", "Receipts.take", make)


def _mark_first() -> None:
    """A text counts as accepted before it was handed over."""

    def make(hand_over: Any) -> Any:
        async def hopeful(self: Any, intent: Any, *, lease_until: float) -> Any:
            from relay.core.delivery import Outcome
            from relay.storage.outbox import Mark

            passed = intent.passed
            await self.mark(
                passed.message_id.int & 1023, [Mark(passed.attempt_id, passed.message_id, Outcome.ACCEPTED)]
            )
            return await hand_over(self, intent, lease_until=lease_until)

        return hopeful

    replace("relay.services.sending", "Sending.hand_over", make)


def _late_forwarded() -> None:
    """A closed session's texts go on, as long as its numbers cool down."""

    def make(facts: Any) -> Any:
        def all_open(self: Any, text: Any) -> Any:
            known = facts(self, text)
            return (
                known
                if known.conversation is None
                else changed(known, conversation=changed(known.conversation, open=True))
            )

        return all_open

    replace("relay.services.inbound.batch", "Batch._facts", make)
    _sql(
        "relay.storage.inbox", "people", ("status, party_index, number_id", "'live' as status, party_index, number_id")
    )
    _sql("relay.storage.endings", "close", ("status = 'closed', sealed_phone = null, epoch_id = null", "label = label"))
    _sql(
        "relay.storage.outbox",
        "door",
        ("s.status is distinct from 'open'", "false"),
        ("pa.status is distinct from 'live'", "false"),
    )


def _chatty() -> None:
    """Every late text is answered."""

    async def always(_tx: Any, _bucket: int, wanted: Any) -> Any:
        return set(wanted)

    replace("relay.storage.inbox", "claim_answers", lambda _: always)


def _silent_mark() -> None:
    """A state changes without an event."""
    _sql("relay.storage.outbox", "mark", ("where m.state <> 'queued'", "where m.state = 'refused'"))


def _forgetful_sealer() -> None:
    """One event of each batch is marked as sealed, and is not."""

    def make(enter: Any) -> Any:
        async def all_but_one(self: Any, account: Any, facts: Any, tx: Any) -> None:
            await enter(self, account, facts[1:], tx)

        return all_but_one

    replace("relay.services.audit_log", "AuditLog._enter", make)


def _doubling_sealer() -> None:
    """One event of each batch is entered twice."""

    def make(enter: Any) -> Any:
        async def one_more(self: Any, account: Any, facts: Any, tx: Any) -> None:
            again = changed(facts[0], id=tx.new_id(account.bucket))
            await enter(self, account, [*facts, again], tx)

        return one_more

    replace("relay.services.audit_log", "AuditLog._enter", make)


def _own_clock() -> None:
    """The process's clock decides, not the database's."""

    def make(init: Any) -> Any:
        def with_own_time(self: Any, connection: Any, now: Any) -> None:
            del now
            init(self, connection, datetime.fromtimestamp(time.time(), UTC))

        return with_own_time

    replace("relay.storage.database", "Transaction.__init__", make)


def _talkative_log() -> None:
    """A phone gets into a log line."""

    def make(hand_over: Any) -> Any:
        async def told(self: Any, intent: Any, **more: Any) -> Any:
            from relay import logs

            logs.note("sent", where=intent.letter.phone)
            return await hand_over(self, intent, **more)

        return told

    replace("relay.services.sending", "Sending.hand_over", make)


def _unasked() -> None:
    """A text that somebody is to be asked about is due at once, and the door does not ask whether anybody was."""
    _sql("relay.storage.hooks", "ask_first", ("due_at = deadline_at", "due_at = $2::timestamptz"))
    _sql("relay.storage.outbox", "door", ("ask_at is null", "true"))


def _yes_anyway() -> None:
    """Whatever a hook answers is taken for a yes."""
    from relay.core.hooks import Verdict

    replace("relay.services.hooks.interception", "read_verdict", lambda _: lambda *_: Verdict.ALLOW)


def _told_beforehand() -> None:
    """An event counts as told before it was posted, whatever is answered then."""

    def make(post: Any) -> Any:
        async def hopeful(self: Any, endpoint: Any, event: Any) -> Any:
            from relay.core.webhooks import Answer

            asyncio.get_running_loop().create_task(post(self, endpoint, event))
            return Answer(204)

        return hopeful

    replace("relay.services.webhooks.delivering", "Delivering._post", make)


#: A process stops between the door and the socket, for so long that another one has given the send up and begun anew.
_OVERTAKEN = {
    "policy": "resend",
    "pools": 6,
    "turns": 60,  # its session has to be open still
    "pause": "door, committed",
    "pause_for": 7.0,
    "seconds": 11.0,
    "environment": {"RELAY_ASK_AFTER": "[0.3]", "RELAY_GIVE_UP_AFTER": "0.6"},
}

BUGS: dict[str, Bug] = {
    "duplicates are not recognised": Bug(_no_dedupe, ("I11", "I3")),
    "acknowledged before the commit": Bug(_acknowledge_first, ("I1",), {"kills": 4}),
    "no fence": Bug(_no_fence, ("I3",), _OVERTAKEN),
    "synchronous_commit = off": Bug(_asynchronous_commit, ("I1",), {"postgres_dies": True}),
    "participants swapped": Bug(_swapped, ("I4",)),
    "the door does not ask about the session": Bug(_open_door, ("I7",), {"rate": 3.0}),
    "the door does not ask about STOP": Bug(_deaf_to_stop, ("I14",), {"rate": 3.0}),
    "sent again because it was not found": Bug(
        _resend, ("I3",), {"weather": {"swallow_rate": 0.3, "drop_receipts": True, "unlisted": True}}
    ),
    "a cooling binding is given away": Bug(_warm_bindings, ("I9",), {"pools": 1, "turns": 4}),
    "order within a leg ignored": Bug(_any_order, ("I6",), {"weather": {"throttle_rate": 0.3}}),
    "an early receipt is lost": Bug(_only_after_the_mark, ("I12",), {"weather": {"latency_ms": 60}}),
    "marked before it was sent": Bug(_mark_first, ("I3", "I1"), {"weather": {"throttle_rate": 0.3}}),
    "late texts are forwarded": Bug(_late_forwarded, ("I10", "I7")),
    "every late text is answered": Bug(_chatty, ("I10",)),
    "a change without its event": Bug(_silent_mark, ("I13",), {"weather": {"drop_receipts": True}}),
    "an event that is not sealed": Bug(_forgetful_sealer, ("I13",)),
    "an event that is sealed twice": Bug(_doubling_sealer, ("I13",)),
    "the process's own clock": Bug(_own_clock, ("I15",), {"skew": 3600.0}),
    "a phone in the log": Bug(_talkative_log, ("I5",)),
    "a text leaves before its hook was asked": Bug(_unasked, ("I16",), {"customer": True}),
    "any answer of a hook is a yes": Bug(_yes_anyway, ("I16",), {"customer": True}),
    "told before it is posted": Bug(_told_beforehand, ("I17",), {"customer": True}),
}
