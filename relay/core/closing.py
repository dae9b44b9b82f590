"""What becomes of a session's unsent texts when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.model import CloseReason, Reason, State


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that has not ended: queued, sending or parked."""

    id: UUID
    state: State
    reason: str | None

    @property
    def may_have_been_sent(self) -> bool:
        """A parked ambiguous send keeps its state: a late receipt may still tell."""
        return self.state is State.PARKED and self.reason == Reason.AMBIGUOUS


@dataclass(frozen=True, slots=True)
class Closing:
    """How a session ends. Nothing of ``refused`` and ``outbox_gone`` can leave any more; ``in_flight`` may be arriving."""

    reason: CloseReason
    refusal: Reason
    refused: tuple[UUID, ...]
    outbox_gone: tuple[UUID, ...]
    in_flight: tuple[UUID, ...]


def closing(reason: CloseReason, unsent: Sequence[Unsent]) -> Closing:
    """Decide about everything that has not ended in a session that ends now."""
    refused = tuple(m.id for m in unsent if m.state is not State.SENDING and not m.may_have_been_sent)
    return Closing(
        reason=reason,
        refusal=Reason.SESSION_CLOSED if reason is CloseReason.API else Reason.SESSION_EXPIRED,
        refused=refused,
        outbox_gone=refused + tuple(m.id for m in unsent if m.may_have_been_sent),
        in_flight=tuple(m.id for m in unsent if m.state is State.SENDING),
    )
