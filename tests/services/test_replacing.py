"""Somebody else in a person's place: who gets what from then on, what becomes of what waited, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.model import VerificationPurpose
from relay.core.phone import Phone
from relay.services.inbound import Taken
from relay.services.sessions import PersonWanted, Replacement, SessionView
from relay.services.texts import TextWanted
from tests.services.carrier import lost_answer, unreachable
from tests.services.people import ALICE, BOB, CAROL, STRANGER, number, numbers, phone
from tests.services.rig import Rig, Talk, proxy_of, start_talk
from tests.services.verifying import proof

DAVE = phone(0)
_ENDED = "This conversation has ended. Your message was not delivered."


async def driver_changes(rig: Rig, *, rented: int = 3, **more: Any) -> tuple[Talk, Talk]:
    """A talk of Alice and Bob, and the same session after Carol took Bob's place."""
    before = await start_talk(rig, pool=await rig.pool("default", numbers(rented)), **more)
    view, _ = await rig.replace(before.view, 2, CAROL)
    return before, replace(before, view=view, other=CAROL)


async def refusal(rig: Rig, view: SessionView, other: str, **more: Any) -> tuple[str, str]:
    """Code and reason of the answer to a replacement that cannot be; nothing has changed."""
    before = await rig.relay.sessions.read(rig.account, view.session.id)
    with pytest.raises((Conflict, InvalidInput)) as caught:
        await rig.replace(view, 2, other, **more)
    assert await rig.relay.sessions.read(rig.account, view.session.id) == before
    return caught.value.code, getattr(caught.value, "reason", "")


async def test_a_new_person_has_the_place_when_somebody_was_replaced(rig: Rig) -> None:
    before, after = await driver_changes(rig, cool_down=3600)
    (one, bob), (same, carol) = before.view.participants, after.view.participants
    rows = await rig.rows(
        "select id, status, sealed_phone is null as cleared, epoch_id from participant order by slot, id"
    )
    held = await rig.rows(
        "select participant_id, nullif(held_until, 'infinity') as held_until, pair_index from binding order by held_until"
    )
    told = await rig.rows("select participant_id, session_id, reason from event where type = 'participant.replaced'")

    assert same == one
    assert (carol.slot, carol.label, carol.status) == (2, "other", "live")
    assert carol.id not in (one.id, bob.id)
    assert {row["id"]: (row["status"], row["cleared"]) for row in rows} == {
        one.id: ("live", False),
        bob.id: ("replaced", True),
        carol.id: ("live", False),
    }
    assert held[0]["participant_id"] == bob.id
    assert isinstance(held[0]["held_until"], datetime)
    left = held[0]["held_until"] - await rig.relay.database.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert {row["participant_id"]: row["held_until"] for row in held[1:]} == {one.id: None, carol.id: None}
    assert held[1]["pair_index"] == held[2]["pair_index"] != held[0]["pair_index"]
    assert told == [{"participant_id": bob.id, "session_id": before.id, "reason": None}]


async def test_texts_reach_the_new_person_only_when_somebody_was_replaced(rig: Rig) -> None:
    before, after = await driver_changes(rig)
    await after.say("to you")
    await after.say("and back", slot=2)
    taken = [await before.say("still me", slot=2) for _ in range(2)]
    await rig.send_all(before.bucket)

    assert taken == [Taken.REFUSED] * 2
    assert sorted((t.sender, t.to, t.text) for t in rig.carrier.sent) == sorted(
        [
            (after.proxy(2), CAROL, "to you"),
            (after.proxy(1), ALICE, "and back"),
            (before.proxy(2), BOB, _ENDED),
        ]
    )
    assert await rig.states() == [("accepted", None)] * 2 + [("refused", "late")] * 2


async def test_what_waits_for_the_old_person_is_refused_and_what_they_wrote_leaves(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("on my way", slot=2)
    await talk.say("under way")
    intents = await rig.begin(talk.bucket)
    await talk.say("waits")
    view, replaced = await rig.replace(talk.view, 2, CAROL)
    after = replace(talk, view=view, other=CAROL)
    await after.say("new here?")
    for intent in intents:
        await rig.hand_over(talk.bucket, intent)
    await rig.send_all(talk.bucket)

    under_way = next(i.passed.message_id for i in intents if i.letter.phone == BOB)
    assert replaced.in_flight == (under_way,)
    assert replaced.participant_id == view.participants[1].id
    assert sorted((t.to, t.text) for t in rig.carrier.sent) == sorted(
        [(ALICE, "on my way"), (BOB, "under way"), (CAROL, "new here?")]
    )
    assert sorted(await rig.states()) == sorted(
        [*[("accepted", None)] * 3, ("refused", "participant_replaced")], key=str
    )


async def test_what_is_under_way_ends_at_once_when_it_did_not_leave_after_all(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("under way")
    (intent,) = await rig.begin(talk.bucket)
    await rig.replace(talk.view, 2, CAROL)
    rig.carrier.answer = unreachable
    await rig.hand_over(talk.bucket, intent)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("refused", "participant_replaced")]
    assert await rig.rows("select 1 from outbox") == []


async def test_nothing_of_a_text_is_kept_when_nobody_knows_whether_the_old_person_got_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("parked before")
    await rig.send_all(talk.bucket)
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)
    await talk.say("unknown yet")
    await rig.send_all(talk.bucket)
    rig.carrier.answer = None
    await rig.replace(talk.view, 2, CAROL)
    after_replacing = await rig.states()
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)

    assert after_replacing == [("parked", "ambiguous"), ("sending", None)]
    assert await rig.states() == [("parked", "ambiguous")] * 2
    assert await rig.rows("select 1 from outbox") == []


async def test_the_platform_reaches_the_new_person_and_not_the_old_when_it_writes(rig: Rig) -> None:
    before, after = await driver_changes(rig)
    wanted = [TextWanted(talk.id, talk.view.participants[1].id, "It is near") for talk in (after, before)]
    await rig.relay.texts.send(rig.account, wanted[0], await rig.seed())
    with pytest.raises(InvalidInput) as caught:
        await rig.relay.texts.send(rig.account, wanted[1], await rig.seed())
    await rig.send_all(before.bucket)

    assert [problem.code for problem in caught.value.problems] == ["unknown_participant"]
    assert [t.to for t in rig.carrier.sent] == [CAROL]


async def test_nothing_more_happens_when_the_same_replacement_is_asked_for_again(rig: Rig) -> None:
    """Also when it could not be made any more: that person opted out, the number is held, the session has closed."""
    talk, seed = await start_talk(rig, pool=await rig.pool("default", numbers(1))), await rig.seed()
    first = await rig.replace(talk.view, 2, CAROL, seed=seed)
    await rig.text(CAROL, proxy_of(first[0], 2), "STOP")
    again, replaced = await rig.replace(talk.view, 2, CAROL, seed=seed)
    await rig.relay.sessions.close(rig.account, talk.id)
    closed, _ = await rig.replace(talk.view, 2, CAROL, seed=seed)

    assert replaced == first[1]
    assert [p.id for p in again.participants] == [p.id for p in first[0].participants]
    assert closed.session.status == "closed"
    assert await rig.value("select count(*) from event where type = 'participant.replaced'") == 1


async def test_a_replacement_is_refused_when_a_session_with_them_would_be(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(2)))
    await start_talk(rig, pool=talk.pool, one=CAROL, other=DAVE)
    busy = await start_talk(rig, pool=talk.pool, one=CAROL, other=DAVE)
    stopped = await start_talk(rig, pool=talk.pool, one=STRANGER, other=phone(1))
    await stopped.say("STOP")

    assert await refusal(rig, talk.view, ALICE) == ("same_person", "")
    assert await refusal(rig, talk.view, number(0)) == ("own_number", "")
    assert await refusal(rig, talk.view, STRANGER) == ("participant_opted_out", "")
    assert await refusal(rig, talk.view, CAROL) == ("no_number_available", "all_held_by_this_person")
    assert await refusal(rig, talk.view, "+46701740605") == ("no_number_available", "no_number_in_country")
    assert await refusal(rig, talk.view, phone(2), proxy_number=number(7)) == (
        "no_number_available",
        "number_not_in_pool",
    )
    await rig.relay.sessions.close(rig.account, busy.id)
    rig.account = await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ["SE"]})
    assert await refusal(rig, talk.view, phone(2)) == ("country_not_allowed", "")


async def test_a_replacement_is_refused_when_it_comes_too_late(rig: Rig) -> None:
    before, after = await driver_changes(rig, expires_in=3600)
    replaced = await refusal(rig, before.view, DAVE)
    rig.later(hours=1)
    expired = await refusal(rig, after.view, DAVE)
    await rig.relay.sessions.close(rig.account, after.id)

    assert replaced == ("participant_replaced", "")
    assert expired == await refusal(rig, after.view, DAVE) == ("session_closed", "")


async def test_nobody_is_found_when_session_or_participant_is_another(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    talk, elsewhere = await start_talk(rig, pool=pool), await start_talk(rig, pool=pool)
    stranger = await rig.relay.accounts.add("another market")
    person, seed = PersonWanted(Phone.parse(CAROL)), await rig.seed()
    for account, session_id, participant_id in (
        (stranger, talk.id, talk.view.participants[1].id),
        (rig.account, talk.id, elsewhere.view.participants[1].id),
        (rig.account, talk.id, uuid4()),
        (rig.account, uuid4(), talk.view.participants[1].id),
    ):
        with pytest.raises(NotFound):
            await rig.relay.sessions.replace(account, Replacement(session_id, participant_id, person), seed)


async def test_who_comes_has_to_prove_their_phone_when_the_pool_requires_it(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    talk = await start_talk(rig, pool=pool)
    await rig.relay.pools.change(rig.account, "default", require_verified=True)
    await rig.relay.configuration.refreshed()

    with pytest.raises(InvalidInput) as caught:
        await rig.replace(talk.view, 2, CAROL)
    token = await proof(rig, pool, CAROL, VerificationPurpose.SESSION)
    view, _ = await rig.replace(talk.view, 2, CAROL, token=token)

    assert [(p.field, p.code) for p in caught.value.problems] == [("verification_token", "missing")]
    assert await rig.value("select used_by from verification") == view.participants[1].id


async def test_a_person_has_another_number_when_they_take_their_own_place(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(2)))
    with pytest.raises(Conflict) as caught:
        await rig.replace(talk.view, 2, BOB, proxy_number=talk.proxy(2))
    view, _ = await rig.replace(talk.view, 2, BOB)
    again = replace(talk, view=view)
    taken = [await talk.say("old number", slot=2), await again.say("new number", slot=2)]
    await rig.send_all(talk.bucket)

    assert caught.value.reason == "all_held_by_this_person"
    assert again.proxy(2) != talk.proxy(2)
    assert taken == [Taken.REFUSED, Taken.FORWARDED]
    assert sorted((t.sender, t.to) for t in rig.carrier.sent) == sorted([(talk.proxy(2), BOB), (talk.proxy(1), ALICE)])


async def test_the_first_person_has_their_number_back_when_they_come_back(rig: Rig) -> None:
    before, after = await driver_changes(rig, rented=20)
    view, _ = await rig.replace(after.view, 2, BOB, label="driver again")
    back = replace(before, view=view)
    await back.say("me again", slot=2)
    late = await after.say("me too", slot=2)
    await rig.send_all(before.bucket)

    assert back.proxy(2) == before.proxy(2)
    assert view.participants[1].label == "driver again"
    assert late is Taken.REFUSED
    assert sorted((t.to, t.text) for t in rig.carrier.sent) == sorted([(ALICE, "me again"), (CAROL, _ENDED)])


async def test_the_number_of_who_stayed_cools_down_for_the_new_two_when_the_session_has_closed(rig: Rig) -> None:
    """A late text of Alice's was meant for Carol: a new session with Bob must not get it."""
    before, after = await driver_changes(rig, rented=2)
    await rig.relay.sessions.close(rig.account, before.id)
    with_bob = await rig.session(before.pool, ALICE, BOB)
    await rig.relay.sessions.close(rig.account, with_bob.session.id)
    with_carol = await rig.session(before.pool, ALICE, CAROL)

    assert proxy_of(with_bob, 1) != after.proxy(1)
    assert proxy_of(with_carol, 1) == after.proxy(1)
    assert proxy_of(with_carol, 2) == after.proxy(2)


async def test_nothing_recalls_the_old_person_when_their_cool_down_is_over(rig: Rig) -> None:
    before, after = await driver_changes(rig, cool_down=3600, expires_in=86400)
    rig.later(hours=1)
    for step in (rig.relay.expiry.free_numbers, rig.relay.retention.forget_people):
        await step(before.bucket)

    assert await rig.value("select count(*) from participant where party_index is not null") == 2
    assert await rig.value("select count(*) from person") == 2
    assert await before.say("anybody?", slot=2) is Taken.REFUSED
    assert await after.say("yes") is Taken.FORWARDED
