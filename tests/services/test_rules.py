"""A pool's own words: the text goes to nobody, its sender gets the reply, and no more than one a minute."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from relay.core.entries import decoded
from relay.core.errors import InvalidInput
from relay.core.ids import IdKind, public
from relay.core.rules import Rule
from relay.services.inbound import Taken
from tests.services.listening import listen, tell
from tests.services.logs import the_log
from tests.services.people import ALICE, BOB, STRANGER, numbers
from tests.services.rig import Rig, Talk, new_sid, start_talk

_RULES = [Rule("JOIN", "Welcome aboard."), Rule("LATER", event=True)]


async def ruled(rig: Rig) -> Talk:
    talk = await start_talk(rig, expires_in=7 * 86400)
    await rig.relay.pools.change(rig.account, "default", rules=_RULES)
    return talk


async def test_the_sender_gets_the_reply_and_the_other_nothing_when_a_text_is_a_rules_word(rig: Rig) -> None:
    talk = await ruled(rig)
    taken = [await talk.say(text) for text in ("Join!", "later", "join us", "JOIN")]
    await rig.send_all(talk.bucket)

    assert taken == [Taken.COMMAND, Taken.COMMAND, Taken.FORWARDED, Taken.COMMAND]
    assert sorted((text.to, text.text) for text in rig.carrier.sent) == sorted(
        [(ALICE, "Welcome aboard."), (BOB, "join us")]
    )
    told = await rig.rows("select session_id, participant_id, type from event where reason = 'blocked_by_rule'")
    sender = talk.view.participants[0].id
    assert [tuple(row.values()) for row in told] == [(talk.id, sender, "message.refused")] * 3


async def test_the_event_names_the_rule_when_its_word_is_said(rig: Rig) -> None:
    talk = await ruled(rig)
    sid = new_sid()
    for text, given in (("JOIN", None), ("Later!", sid), ("Later!", sid), ("later on", None)):
        await talk.say(text, sid=given)
    await rig.text(STRANGER, talk.proxy(1), "LATER")

    told = await rig.rows(
        "select e.rule_id, e.session_id, e.participant_id, r.type, r.at = e.at as together from event e"
        " join event r on r.message_id = e.message_id and r.id <> e.id where e.type = 'rule.matched' order by e.at"
    )
    rule_id, sender = _RULES[1].id_in(talk.pool.id), talk.view.participants[0].id
    assert [tuple(row.values()) for row in told] == [
        (rule_id, talk.id, sender, "message.refused", True),
        (rule_id, None, None, "message.refused", True),
    ]


async def test_nothing_is_kept_when_it_cannot_be_told(rig: Rig) -> None:
    talk = await ruled(rig)
    await rig.rows("alter table event add constraint none check (rule_id is null)")
    with pytest.raises(asyncpg.CheckViolationError):
        await talk.say("LATER", sid="SM1")
    assert await rig.states() == []
    await rig.rows("alter table event drop constraint none")
    await talk.say("LATER", sid="SM1")

    assert await rig.value("select count(*) from event where type = 'rule.matched'") == 1


async def test_endpoints_and_the_log_hear_the_rules_id_and_not_its_word_when_it_is_said(rig: Rig) -> None:
    talk = await ruled(rig)
    await listen(rig, ["rule.*"])
    await talk.say("LATER")
    await tell(rig)
    while await rig.relay.audit_log.seal(rig.account.bucket):
        pass
    rule, (post,) = public(IdKind.RULE, _RULES[1].id_in(talk.pool.id)), rig.customers.posts
    records = [record for _, record in (await the_log(rig)).records.values() if b"rule.matched" in record]

    assert (post.event["type"], post.event["data"]["rule"]) == ("rule.matched", rule)
    assert [(said["rule"], said["direction"]) for said in map(decoded, records)] == [(rule, "in")]
    assert b"later" not in (post.body + records[0]).lower()


async def test_the_reply_comes_again_when_a_minute_is_over(rig: Rig) -> None:
    talk = await ruled(rig)
    for seconds in (0, 59, 2):
        rig.later(seconds=seconds)
        await talk.say("JOIN")
    await rig.send_all(talk.bucket)

    assert [text.text for text in rig.carrier.sent] == ["Welcome aboard."] * 2


async def test_one_text_is_one_when_it_is_delivered_twice(rig: Rig) -> None:
    talk = await ruled(rig)
    sid = new_sid()
    for _ in range(2):
        assert await talk.say("JOIN", sid=sid) is Taken.COMMAND

    assert await rig.states() == [("refused", "blocked_by_rule")]
    assert await rig.states("notice") == [("queued", None)]


async def test_a_stranger_gets_the_reply_when_they_are_in_no_session(rig: Rig) -> None:
    talk = await ruled(rig)
    await rig.text(STRANGER, talk.proxy(1), "JOIN")
    await rig.send_all(talk.bucket)

    assert [(text.sender, text.to, text.text) for text in rig.carrier.sent] == [
        (talk.proxy(1), STRANGER, "Welcome aboard.")
    ]


async def test_nobody_is_answered_when_they_have_opted_out(rig: Rig) -> None:
    talk = await ruled(rig)
    await talk.say("STOP")
    assert await talk.say("JOIN") is Taken.COMMAND
    await rig.send_all(talk.bucket)

    assert rig.carrier.sent == []
    assert await rig.states("notice") == []


async def test_the_words_are_conversation_when_they_come_to_another_pool(rig: Rig) -> None:
    await ruled(rig)
    other = await rig.pool("other", numbers(2, start=20))
    talk = await start_talk(rig, pool=other)

    assert await talk.say("JOIN") is Taken.FORWARDED


async def test_a_number_of_ours_is_refused_when_it_sends_a_rules_word(rig: Rig) -> None:
    talk = await ruled(rig)

    assert await rig.text(talk.proxy(2), talk.proxy(1), "JOIN") is Taken.REFUSED
    assert await rig.states() == [("refused", "own_number")]


async def test_a_rule_that_is_a_stop_word_changes_nothing_when_it_is_set(rig: Rig) -> None:
    talk = await ruled(rig)
    with pytest.raises(InvalidInput):
        await rig.relay.pools.change(rig.account, "default", rules=[replace(_RULES[0], keyword="stop")])
    await rig.relay.pools.change(rig.account, "default", rules=[])

    assert await talk.say("JOIN") is Taken.FORWARDED
