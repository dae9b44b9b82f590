"""Hooks: what an account's own server is asked about a text, and how its answer is read.

The danger is an answer that is taken for a yes: whatever is not exactly one of the two words counts as none, and then the
account has said beforehand what happens.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from relay.core.errors import InvalidInput, Problem
from relay.core.ids import IdKind, public

SHORTEST_TIMEOUT = 1  # seconds
LONGEST_TIMEOUT = 10
LONGEST_REPLY = 1600  # characters

#: About texts of one person to one number: an automatic answer that meets another one must not go on for ever.
CALLS_AT_MOST_EVERY = timedelta(minutes=1)
CALLS_A_DAY = 20
#: What is not asked about by then is forgotten: an answer would come out of nowhere.
CALL_KEPT_FOR = timedelta(minutes=10)

_LABEL = re.compile(r"(?:[A-Za-z][A-Za-z0-9 _-]{0,31})?")

#: Of endpoints that did not answer: may it be different a moment later?
_PASSING = {"connect", "protocol", "name"}


class HookKind(StrEnum):
    """What a pool's hook is asked about."""

    INTERCEPT = "intercept"  #: a text from one person to the other, before it leaves
    OUT_OF_SESSION = "out_of_session"  #: a text that nobody was there to get


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
    document = _document(body) if status == 200 else None
    action = document.get("action") if isinstance(document, dict) else None
    return {"allow": Verdict.ALLOW, "refuse": Verdict.REFUSE}.get(action) if isinstance(action, str) else None


@dataclass(frozen=True, slots=True)
class StrangerAnswer:
    """What is to be done about a text that nobody was there to get. ``phone``: of whom a session is wanted with."""

    reply: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    label: str = ""
    sender_label: str = ""


def stranger_question(message_id: UUID, number: str, text: str) -> bytes:
    """What is posted about a text that nobody was there to get. Never whose it is."""
    document = {"message": public(IdKind.MESSAGE, message_id), "number": number, "text": text}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read_answer(status: int, body: bytes) -> StrangerAnswer | None:
    """What the hook wants, nothing at all where it says nothing; None for what cannot be read as either."""
    if status == 204 or (status == 200 and not body.strip()):
        return StrangerAnswer()
    document = _document(body) if status == 200 else None
    if not isinstance(document, dict) or not document.keys() <= {"reply", "open"}:
        return None
    reply, wanted = document.get("reply"), document.get("open")
    if not (reply is None or _is_text(reply)) or not (wanted is None or _is_opening(wanted)):
        return None
    if wanted is None:
        return StrangerAnswer(reply)
    return StrangerAnswer(reply, wanted["phone"], wanted.get("label", ""), wanted.get("sender_label", ""))


def _document(body: bytes) -> Any:
    """The answer as JSON; None for what is not, and where a key stands twice: two readers take two answers from that."""
    try:
        return json.loads(body, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError):
        return None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_REPLY and _is_sayable(value)


def _is_sayable(value: str) -> bool:
    return (
        bool(value.strip())
        and all(c.isprintable() or c in "\n\r\t" or ord(c) > 0x9F for c in value)
        and _is_unicode(value)
    )


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _is_opening(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= {"phone", "label", "sender_label"}:
        return False
    labels = (value.get("label", ""), value.get("sender_label", ""))
    return isinstance(value.get("phone"), str) and all(isinstance(one, str) and _LABEL.fullmatch(one) for one in labels)


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
