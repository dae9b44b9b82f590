"""Routing: every case that the facts can make, and one promise: a text goes to the other person or to nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.lifetime import Lifetime
from relay.core.model import Reason
from relay.core.routing import Conversation, Facts, Forward, Notice, Participant, Refuse, route

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SESSION = UUID(int=100)


def participant(n: int, *, live: bool = True, opted_out: bool = False) -> Participant:
    """Person ``n``, who texts number ``10 + n``."""
    return Participant(UUID(int=n), live, UUID(int=10 + n), bytes([n]) * 16, opted_out)


ALICE, BOB, CAROL = participant(1), participant(2), participant(3)
TALK = Conversation(SESSION, True, Lifetime(NOON + HOUR), ALICE.id, (ALICE, BOB))
TEXT = Facts(at=NOON, has_text=True, conversation=TALK)


def talk(
    *participants: Participant, ends: timedelta = HOUR, idle: timedelta | None = None, is_open: bool = True
) -> Facts:
    """A text of Alice in a conversation of these people."""
    lifetime = Lifetime(NOON + ends, NOON + idle if idle is not None else None)
    return replace(TEXT, conversation=Conversation(SESSION, is_open, lifetime, ALICE.id, participants or (ALICE, BOB)))


def late(sender: Participant = ALICE) -> Refuse:
    """What a text that came after the end meets."""
    return Refuse(Reason.LATE, SESSION, sender, Notice.ENDED)


GONE_ALICE, GONE_BOB = participant(1, live=False), participant(2, live=False)
SILENT_ALICE, SILENT_BOB = participant(1, opted_out=True), participant(2, opted_out=True)

CASES: dict[str, tuple[Facts, Forward | Refuse]] = {
    "a text": (TEXT, Forward(SESSION, ALICE, BOB)),
    "the seats swapped": (talk(BOB, ALICE), Forward(SESSION, ALICE, BOB)),
    "a text with a photo": (replace(TEXT, media=2), Forward(SESSION, ALICE, BOB, Notice.MEDIA)),
    "somebody took Bob's place": (talk(ALICE, GONE_BOB, CAROL), Forward(SESSION, ALICE, CAROL)),
    "the sender opted out": (talk(SILENT_ALICE, BOB), Forward(SESSION, SILENT_ALICE, BOB)),
    "not yet idle": (talk(idle=timedelta(seconds=1)), Forward(SESSION, ALICE, BOB)),
    "no session": (replace(TEXT, conversation=None), Refuse(Reason.NO_SESSION)),
    "a short code": (replace(TEXT, from_person=False), Refuse(Reason.NO_SESSION)),
    "our own number": (replace(TEXT, from_own_number=True), Refuse(Reason.OWN_NUMBER)),
    "our own number, no session": (
        replace(TEXT, from_own_number=True, conversation=None),
        Refuse(Reason.OWN_NUMBER),
    ),
    "closed": (talk(is_open=False), late()),
    "expired on the second": (talk(ends=timedelta(0)), late()),
    "idle on the second": (talk(idle=timedelta(0)), late()),
    "the sender was replaced": (talk(GONE_ALICE, BOB, CAROL), late(GONE_ALICE)),
    "nobody is left": (talk(ALICE, GONE_BOB), late()),
    "alone": (talk(ALICE), late()),
    "the other opted out": (
        talk(ALICE, SILENT_BOB),
        Refuse(Reason.OPTED_OUT, SESSION, ALICE, Notice.UNDELIVERABLE),
    ),
    "closed and opted out": (talk(ALICE, SILENT_BOB, is_open=False), late()),
    "a photo alone": (
        replace(TEXT, has_text=False, media=1),
        Refuse(Reason.MEDIA_DROPPED, SESSION, ALICE, Notice.MEDIA),
    ),
    "nothing at all": (replace(TEXT, has_text=False), Refuse(Reason.UNKNOWN, SESSION, ALICE, None)),
    "a photo to one who opted out": (
        replace(talk(ALICE, SILENT_BOB), has_text=False, media=1),
        Refuse(Reason.OPTED_OUT, SESSION, ALICE, Notice.UNDELIVERABLE),
    ),
}


@pytest.mark.parametrize(("facts", "decision"), CASES.values(), ids=CASES.keys())
def test_a_text_goes_its_way_when_the_facts_are_these(facts: Facts, decision: Forward | Refuse) -> None:
    assert route(facts) == decision


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    """Whatever can come: up to two live people, any number of replaced ones, in any order, at any time."""
    live = [participant(n, opted_out=draw(st.booleans())) for n in range(1, draw(st.integers(1, 3)))]
    gone = [participant(n, live=False, opted_out=draw(st.booleans())) for n in range(3, draw(st.integers(3, 6)))]
    people = draw(st.permutations(live + gone))
    offsets = st.integers(-2, 2).map(lambda hours: hours * HOUR)
    lifetime = Lifetime(NOON + draw(offsets), draw(st.none() | offsets.map(lambda offset: NOON + offset)))
    conversation: Conversation | None = None
    bound = draw(st.booleans())
    if people and bound:
        sender = draw(st.sampled_from(people))
        conversation = Conversation(SESSION, draw(st.booleans()), lifetime, sender.id, tuple(people))
    return Facts(
        at=NOON + draw(offsets),
        has_text=draw(st.booleans()),
        media=draw(st.integers(0, 3)),
        from_person=draw(st.sampled_from([True, True, False])),
        from_own_number=draw(st.sampled_from([False, False, True])),
        conversation=conversation,
    )


@settings(deadline=None, max_examples=200)
@given(all_facts())
def test_a_text_reaches_the_other_live_person_or_nobody_when_anything_comes(facts: Facts) -> None:
    decision = route(facts)
    talk = facts.conversation
    if isinstance(decision, Refuse):
        return

    assert talk is not None
    assert talk.open
    assert talk.lifetime.ended(facts.at) is None
    assert {p.id for p in talk.participants if p.live} == {decision.sender.id, decision.recipient.id}
    assert decision.sender.id == talk.sender_id != decision.recipient.id
    assert not decision.recipient.opted_out
    assert facts.has_text
    assert facts.from_person
    assert not facts.from_own_number


@settings(deadline=None, max_examples=200)
@given(all_facts())
def test_a_notice_goes_to_the_sender_or_to_nobody_when_anything_comes(facts: Facts) -> None:
    decision = route(facts)
    sent_by = facts.conversation.sender_id if facts.conversation else None

    assert decision.sender is None or decision.sender.id == sent_by
    assert decision.notice is None or decision.sender is not None


@settings(deadline=None, max_examples=200)
@given(all_facts())
def test_a_text_is_refused_only_for_cause_when_it_could_go(facts: Facts) -> None:
    """The other half of the promise: nothing that may be forwarded is held back."""
    talk = facts.conversation
    live = [p for p in talk.participants if p.live] if talk else []
    may_go = (
        talk is not None
        and talk.open
        and talk.lifetime.ended(facts.at) is None
        and len(live) == 2
        and any(p.id == talk.sender_id for p in live)
        and not any(p.opted_out for p in live if p.id != talk.sender_id)
        and facts.has_text
        and facts.from_person
        and not facts.from_own_number
    )

    assert isinstance(route(facts), Forward) is may_go
