"""What becomes of unsent texts when they must not leave any more: their session ends, or their recipient
opts out or is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.model import CloseReason, Reason, State

_REFUSALS = {CloseReason.API: Reason.SESSION_CLOSED, CloseReason.ERASED: Reason.ERASED}


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that has not ended: queued, sending or parked. ``may_have_left``: an attempt at it was never explained."""

    id: UUID
    state: State
    may_have_left: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """A text that must not leave any more, and what is said of it."""

    id: UUID
    state: State
    reason: Reason


@dataclass(frozen=True, slots=True)
class Closing:
    """How a session ends. Nothing of ``outbox_gone`` can leave any more; ``in_flight`` may be arriving."""

    reason: CloseReason
    stopped: tuple[Stopped, ...]
    outbox_gone: tuple[UUID, ...]
    in_flight: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Parting:
    """What becomes of texts for somebody who is not in the session any more. As in ``Closing``."""

    stopped: tuple[Stopped, ...]
    outbox_gone: tuple[UUID, ...]
    in_flight: tuple[UUID, ...]


def stopped(unsent: Sequence[Unsent], refusal: Reason) -> tuple[Stopped, ...]:
    """Refuse what is not under way. What may have left is parked or stays so: "refused" would say that it never arrived,
    and a late receipt may still tell."""
    waiting = [m for m in unsent if m.state is State.QUEUED or (m.state is State.PARKED and not m.may_have_left)]
    return tuple(
        Stopped(m.id, State.PARKED, Reason.AMBIGUOUS) if m.may_have_left else Stopped(m.id, State.REFUSED, refusal)
        for m in waiting
    )


def unwanted(unsent: Sequence[Unsent], *, opted_out: bool) -> tuple[Stopped, ...]:
    """What a person's wish ends. After STOP ``unsent`` is what waits for them, but for confirmations of it; after START it is
    these: "no more texts" would not be true any more."""
    return stopped(unsent, Reason.OPTED_OUT if opted_out else Reason.BLOCKED_BY_RULE)


def parting(unsent: Sequence[Unsent]) -> Parting:
    """Decide about everything that has not ended for somebody who is replaced."""
    return Parting(
        stopped=stopped(unsent, Reason.PARTICIPANT_REPLACED),
        outbox_gone=tuple(m.id for m in unsent if m.state is not State.SENDING),
        in_flight=tuple(m.id for m in unsent if m.state is State.SENDING),
    )


def closing(reason: CloseReason, unsent: Sequence[Unsent]) -> Closing:
    """Decide about everything that has not ended in a session that ends now."""
    return Closing(
        reason=reason,
        stopped=stopped(unsent, _REFUSALS.get(reason, Reason.SESSION_EXPIRED)),
        outbox_gone=tuple(m.id for m in unsent if m.state is not State.SENDING),
        in_flight=tuple(m.id for m in unsent if m.state is State.SENDING),
    )
