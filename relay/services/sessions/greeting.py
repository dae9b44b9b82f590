"""The first text of a session, from Relay itself to each of its people, written with the session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.core import delivery
from relay.core.envelope import Letter
from relay.core.model import MessageKind, State
from relay.core.notices import Phrase, say
from relay.core.segments import segments
from relay.storage import caps, messages
from relay.storage.configuration import Account
from relay.storage.database import Transaction
from relay.storage.messages import NewMessage, NewOutboxRow
from relay.storage.sessions import NewParticipant, NewSession
from relay.vault.vault import Vault


def words(account: Account) -> str:
    """What an account's people are greeted with."""
    return say(
        Phrase.GREETING,
        language=account.language,
        own_words=account.notices,
        programme=account.programme,
        contact=account.help_contact,
    )


@dataclass(frozen=True, slots=True)
class Greeted:
    """Whom to greet, at which phone."""

    participant: NewParticipant
    phone: str = field(repr=False)


async def greet(
    tx: Transaction, bucket: int, session: NewSession, account: Account, vault: Vault, people: Sequence[Greeted]
) -> None:
    """Queue a greeting for each person of a session that this transaction has just written: the first place in their leg, so
    that nothing overtakes it."""
    said = words(account)
    rows: list[NewOutboxRow] = []
    for place, one in enumerate(people, start=1):
        message = NewMessage(
            id=tx.new_id(bucket),
            account_id=account.id,
            kind=MessageKind.NOTICE,
            state=State.QUEUED,
            segments=segments(said).count,
            session_id=session.id,
            recipient_id=one.participant.id,
            leg_no=place,
        )
        rows.append(
            NewOutboxRow(
                message=message,
                party_index=one.participant.party_index,
                number_id=one.participant.number_id,
                envelope=vault.envelopes.seal(account.id, message.id, Letter(one.phone, said)),
                deadline_at=delivery.deadline(message.kind, tx.now),
            )
        )
    allowance = await caps.allowance(tx, bucket, [account])
    leaving = [row for row in rows if allowance.take(account.id)]
    refused = [row.message.over_cap() for row in rows[len(leaving) :]]
    await messages.write(tx, bucket, [*(row.message for row in leaving), *refused], leaving, {session.id: len(rows)})
    await caps.count(tx, bucket, allowance)
