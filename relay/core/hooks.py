"""Hooks: what an account's own server is asked about a text, and how its answer is read.

The danger is an answer that is taken for a yes: whatever is not exactly one of the two words counts as none, and then the
account has said beforehand what happens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from relay.core.errors import InvalidInput, Problem
from relay.core.ids import IdKind, public

SHORTEST_TIMEOUT = 1  # seconds
LONGEST_TIMEOUT = 10

#: Of endpoints that did not answer: may it be different a moment later?
_PASSING = {"connect", "protocol", "name"}


class HookKind(StrEnum):
    """What a pool's hook is asked about."""

    INTERCEPT = "intercept"  #: a text from one person to the other, before it leaves


class OnTimeout(StrEnum):
    """What happens to a text when no usable answer comes in time."""

    ALLOW = "allow"
    REFUSE = "refuse"  #: it is parked, for a person to decide


class Verdict(StrEnum):
    """What becomes of a text that was asked about."""

    ALLOW = "allow"
    REFUSE = "refuse"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Where a hook is, and the secret that signs what it is asked. Kept sealed."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A text that somebody is asked about."""

    message_id: UUID
    session_id: UUID
    sender_id: UUID
    recipient_id: UUID


def question(asked: Asked, text: str) -> bytes:
    """What is posted. It never holds a phone, unless somebody wrote one into their text."""
    document = {
        "message": public(IdKind.MESSAGE, asked.message_id),
        "session": public(IdKind.SESSION, asked.session_id),
        "from": public(IdKind.PARTICIPANT, asked.sender_id),
        "to": public(IdKind.PARTICIPANT, asked.recipient_id),
        "text": text,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read_verdict(status: int, body: bytes) -> Verdict | None:
    """The hook's word; None for anything else than 200 with an ``action`` that is ``allow`` or ``refuse``."""
    if status != 200:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    action = document.get("action") if isinstance(document, dict) else None
    return {"allow": Verdict.ALLOW, "refuse": Verdict.REFUSE}.get(action) if isinstance(action, str) else None


def may_answer_yet(*, status: int | None = None, kind: str | None = None) -> bool:
    """Is it worth asking once more while there is time? Of an endpoint that answered with a status, or did not answer for a
    reason (``NotAnswered.kind``)."""
    return kind in _PASSING if status is None else status == 429 or status >= 500


def when_unanswered(on_timeout: OnTimeout) -> Verdict:
    """What becomes of a text about which nothing usable was said in time."""
    return Verdict.ALLOW if on_timeout is OnTimeout.ALLOW else Verdict.PARK


def check_timeout(seconds: int, field: str) -> int:
    """Raises InvalidInput beyond 1 to 10 seconds."""
    if not SHORTEST_TIMEOUT <= seconds <= LONGEST_TIMEOUT:
        raise InvalidInput(Problem(field, "timeout_invalid", "must be 1 to 10 seconds"))
    return seconds
