"""STOP, START and HELP: who is silenced, who is told, and how a carrier's own word is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay import metrics
from relay.core.errors import Conflict
from relay.core.keywords import Keyword
from relay.core.optouts import LiftReason
from relay.core.phone import Phone
from relay.providers import twilio
from relay.services.inbound import Taken
from relay.services.sessions import SessionWanted
from tests.services.carrier import lost_answer, refusal
from tests.services.dying import dies_after_arrival
from tests.services.people import ALICE, BOB, CAROL, STRANGER, number, numbers
from tests.services.rig import Rig, Talk, people, start_talk


async def opt_events(rig: Rig) -> list[object]:
    rows = await rig.rows("select type from event where type like 'participant.opted%' order by id")
    return [row["type"] for row in rows]


def alarms(kind: str) -> float:
    return metrics.REGISTRY.get_sample_value("relay_alarms_total", {"kind": kind}) or 0.0


async def in_two_pools(rig: Rig) -> tuple[Talk, Talk]:
    """Bob talks with Alice in one pool and with Carol in another."""
    second = await rig.pool("second", numbers(3, start=10))
    return await start_talk(rig), await start_talk(rig, pool=second, one=CAROL)


async def test_what_waits_is_refused_in_every_pool_when_a_person_says_stop(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("from Alice")
    await there.say("from Carol")

    taken = await here.say(" Stop! ", slot=2)
    await rig.send_all(here.bucket)
    await rig.send_all(there.bucket)

    assert taken is Taken.COMMAND
    assert await rig.states() == [("refused", "opted_out")] * 3  # the two texts, and the command itself
    assert rig.carrier.sent == []
    assert await rig.rows("select 1 from fanout") == []
    assert await opt_events(rig) == ["participant.opted_out"]


async def test_later_texts_are_refused_and_answered_once_a_day_when_the_recipient_has_opted_out(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=7 * 86400)
    await talk.say("STOP", slot=2)

    for _ in range(3):
        assert await talk.say("are you there?") is Taken.REFUSED
    await rig.send_all(talk.bucket)
    rig.later(hours=24)
    await talk.say("and today?")
    await rig.send_all(talk.bucket)

    assert [(t.to, t.text) for t in rig.carrier.sent] == [(ALICE, "Your message could not be delivered.")] * 2


async def test_a_person_who_opted_out_is_still_heard_when_they_write(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)

    assert await talk.say("running late", slot=2) is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert [(t.to, t.text) for t in rig.carrier.sent] == [(ALICE, "running late")]
    assert await rig.value("select status from session") == "open"


async def test_no_session_is_opened_when_one_of_the_two_has_opted_out_in_another_pool(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("STOP", slot=2)

    with pytest.raises(Conflict) as caught:
        await rig.session(there.pool, BOB, STRANGER)

    assert caught.value.code == "participant_opted_out"
    with pytest.raises(Conflict):
        await rig.relay.sessions.dry_run(rig.account, SessionWanted(there.pool, people(BOB, STRANGER)))


async def test_texts_cross_again_when_the_person_says_start(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("STOP", slot=2)

    assert await there.say("start", slot=2) is Taken.COMMAND
    assert await here.say("hello again") is Taken.FORWARDED
    assert await opt_events(rig) == ["participant.opted_out", "participant.opted_in"]


@pytest.mark.parametrize("word", ["START", "yes"])
async def test_a_start_word_is_conversation_when_its_sender_never_opted_out(rig: Rig, word: str) -> None:
    talk = await start_talk(rig)

    assert await talk.say(word) is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert [t.text for t in rig.carrier.sent] == [word]


async def test_a_stop_word_is_conversation_when_more_is_said(rig: Rig) -> None:
    talk = await start_talk(rig)

    assert await talk.say("stop at the corner") is Taken.FORWARDED


def confirmed_by_us(rig: Rig) -> None:
    """The carrier does not do it."""
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)


async def test_stop_is_confirmed_by_us_when_the_carrier_does_not(rig: Rig) -> None:
    confirmed_by_us(rig)
    talk = await start_talk(rig)

    await talk.say("STOP")
    await rig.send_all(talk.bucket)

    words = "You will get no more texts from us. Reply START to change that."
    assert [(t.sender, t.to, t.text) for t in rig.carrier.sent] == [(talk.proxy(1), ALICE, words)]


async def test_no_confirmation_leaves_when_start_comes_first_in_any_pool_or_the_account_lifts_it(rig: Rig) -> None:
    confirmed_by_us(rig)
    here, there = await in_two_pools(rig)
    for _ in range(2):
        await here.say("STOP", slot=2)
        await here.say("START", slot=2)
    await here.say("STOP", slot=2)
    await there.say("START", slot=2)
    await here.say("STOP", slot=2)
    await rig.relay.suppressions.lift(rig.account, Phone.parse(BOB), LiftReason.CONSENTED_AGAIN)
    refused = await rig.rows("select 1 from event where type = 'message.refused' and reason = 'blocked_by_rule'")
    await rig.send_all(here.bucket)

    assert rig.carrier.sent == []
    assert await rig.states("stop_reply") == [("refused", "blocked_by_rule")] * 4
    assert len(refused) == 4 + 3  # and each START itself
    assert await rig.rows("select 1 from outbox") == []


async def test_one_confirmation_leaves_when_stop_start_and_stop_come_before_any_has(rig: Rig) -> None:
    confirmed_by_us(rig)
    talk = await start_talk(rig)
    for word in ("STOP", "START", "STOP", "STOP"):
        await talk.say(word)
    await rig.send_all(talk.bucket)

    assert [t.to for t in rig.carrier.sent] == [ALICE]
    assert await rig.states("stop_reply") == [("refused", "blocked_by_rule"), ("accepted", None)]


async def test_a_confirmation_that_may_have_left_is_not_called_refused_when_start_comes(rig: Rig) -> None:
    confirmed_by_us(rig)
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("STOP")
    await rig.send_all(talk.bucket)
    rig.later(seconds=130)
    await rig.relay.ambiguity.look(talk.bucket)
    await talk.say("START")

    assert await rig.states("stop_reply") == [("parked", "ambiguous")]


async def test_help_is_answered_once_a_day_when_anybody_asks(rig: Rig) -> None:
    changes = {"programme": "Rides", "help_contact": "help@example.com"}
    await rig.relay.accounts.change(rig.account.id, changes)
    talk = await start_talk(rig)

    for sender in (ALICE, ALICE, STRANGER):
        assert await rig.text(sender, talk.proxy(1), "HELP") is Taken.COMMAND
    await rig.send_all(talk.bucket)

    assert sorted(t.to for t in rig.carrier.sent) == [ALICE, STRANGER]
    assert {t.text.split(":")[0] for t in rig.carrier.sent} == {"Rides"}


async def test_a_stop_counts_when_the_number_is_not_ours(rig: Rig) -> None:
    talk = await start_talk(rig)

    assert await rig.text(BOB, "+13055550199", "STOP") is Taken.COMMAND
    assert await talk.say("hello") is Taken.REFUSED
    assert await rig.text(BOB, "+13055550199", "HELP") is Taken.COMMAND
    assert await rig.states("notice") != []


async def test_a_command_is_no_command_when_it_comes_from_one_of_our_numbers(rig: Rig) -> None:
    talk = await start_talk(rig)

    assert await rig.text(talk.proxy(2), talk.proxy(1), "STOP") is Taken.REFUSED
    assert await rig.states() == [("refused", "own_number")]


async def test_a_repeated_stop_finishes_what_the_first_left_when_its_process_died(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await dies_after_arrival(rig, here.say("STOP", slot=2, sid="SM1"))
    assert await there.say("not yet known here") is Taken.FORWARDED

    assert await here.say("STOP", slot=2, sid="SM1") is Taken.COMMAND
    assert await there.say("hello") is Taken.REFUSED
    assert await rig.rows("select 1 from fanout") == []
    assert await opt_events(rig) == ["participant.opted_out"]


async def test_an_alarm_is_raised_when_a_stop_comes_under_the_id_of_another_text(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello", slot=2, sid="SM1")
    before = alarms("altered_duplicate")

    await talk.say("STOP", slot=2, sid="SM1")

    assert alarms("altered_duplicate") == before + 1
    assert await opt_events(rig) == []


async def test_an_opt_out_reaches_every_pool_when_the_carrier_tells_of_it(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("first")
    await there.say("second")
    rig.carrier.answer = lambda _: refusal(21610)

    await rig.send_all(here.bucket)
    rig.carrier.answer = None
    await rig.send_all(there.bucket)

    assert await rig.states() == [("refused", "carrier_opted_out"), ("refused", "opted_out")]
    assert rig.carrier.sent == []
    assert await opt_events(rig) == ["participant.opted_out"]
    with pytest.raises(Conflict):
        await rig.session(there.pool, BOB, STRANGER)


async def test_a_text_of_unknown_fate_keeps_its_state_when_its_recipient_says_stop(rig: Rig) -> None:
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("lost")
    await rig.send_all(talk.bucket)
    rig.later(seconds=130)
    await rig.relay.ambiguity.look(talk.bucket)

    await talk.say("STOP", slot=2)

    assert (await rig.states())[0] == ("parked", "ambiguous")


async def test_a_stop_counts_without_an_answer_when_nobody_knows_from_which_number_to_give_it(rig: Rig) -> None:
    confirmed_by_us(rig)
    talk = await start_talk(rig)

    assert await rig.text(BOB, number(99), "STOP") is Taken.COMMAND
    assert await rig.states() == [("refused", "opted_out")]
    assert await rig.states("stop_reply") == []
    assert await rig.rows("select 1 from outbox") == []
    assert await talk.say("hello") is Taken.REFUSED


async def test_nothing_is_recorded_as_a_command_when_a_text_is_none_or_has_no_sender(rig: Rig) -> None:
    talk = await start_talk(rig)
    ordinary = talk.arrived("hello")
    nobody = replace(talk.arrived("STOP"), party=None, sender=None, keyword=Keyword.STOP)

    assert [await rig.relay.optouts.take(arrived) for arrived in (ordinary, nobody)] == [False, False]
    assert await rig.rows("select 1 from inbox_key") == []
    assert await rig.states() == []
    assert await opt_events(rig) == []
