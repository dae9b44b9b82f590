"""What senders of one batch are told about their texts: each at most once a day for a kind of notice on a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from relay.core.arrival import ArrivedText
from relay.core.notices import Phrase, is_automatic, say
from relay.core.routing import Forward, Notice, Participant, Refuse
from relay.storage import inbox
from relay.storage.configuration import Account
from relay.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Answer:
    """``words`` for ``phone``, who is ``to`` of a session, where they are in one."""

    account_id: UUID
    session_id: UUID | None
    to: Participant
    phone: str
    words: str


@dataclass(slots=True)
class Answers:
    accounts: Mapping[UUID, Account]
    _wanted: dict[tuple[UUID, bytes, str], Answer] = field(default_factory=dict)

    def note(self, text: ArrivedText, decision: Forward | Refuse) -> None:
        """Remember what the sender is to be told. An automatic answer never answers an automatic one."""
        to, account = decision.sender, self.accounts[text.account_id]
        if decision.notice is None or to is None or to.opted_out or text.sender is None:
            return
        if not is_automatic(text.text, account.notices):
            words = _words(account, decision.notice)
            answer = Answer(text.account_id, decision.session_id, to, text.sender, words)
            self._wanted[to.number_id, to.party_index, str(decision.notice)] = answer

    async def claim(self, tx: Transaction, bucket: int) -> list[Answer]:
        """Those that may be given now; they count as given."""
        return [self._wanted[key] for key in sorted(await inbox.claim_answers(tx, bucket, list(self._wanted)))]


def _words(account: Account, notice: Notice) -> str:
    return say(
        Phrase(notice),
        language=account.language,
        own_words=account.notices,
        programme=account.programme,
        contact=account.help_contact,
    )
