"""New keys for people's indexes and for fingerprints: everybody and everything is known as before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.errors import Conflict, InvalidInput
from relay.core.keys import SEALS_FOR, KeyName, Purpose
from relay.providers import twilio
from relay.providers.base import InboundText
from relay.providers.transport import Transport
from relay.services.idempotency import Answer, Begun
from relay.services.inbound import Taken
from relay.services.sessions import SessionWanted
from relay.storage.database import Database
from relay.vault import keyring, keyring_file
from relay.vault.vault import open_vault
from relay.wiring import Relay, build, open_keyring
from tests.services.people import ALICE, BOB, numbers, phone
from tests.services.rig import Rig, make_rig, new_sid, people, start_talk

INDEX_1, FINGERPRINT_1 = KeyName(Purpose.INDEX, 1), KeyName(Purpose.FINGERPRINT, 1)
BOTH = (Purpose.INDEX, Purpose.FINGERPRINT)


@pytest.fixture
async def rig(db: Database, tmp_path: Path) -> Rig:
    path = tmp_path / "keyring.json"
    keyring_file.save_new(keyring.make(), path)
    await open_keyring(db, path, may_make=False)
    return await make_rig(db, keyring=path)


async def turn(rig: Rig, *purposes: Purpose) -> None:
    """New keys for these are in use."""
    await rig.relay.rotation.rotate(purposes or BOTH)
    rig.later(hours=1)
    await rig.relay.rotation.learn()
    await rig.relay.rotation.learn()


def another(rig: Rig) -> Relay:
    """Another process over the same database, which has the same keys and uses the first of them."""
    relay = rig.relay
    vault = open_vault(keyring_file.load(relay.settings.keyring_path))
    return build(relay.settings, relay.database, vault, Transport(relay.transport._transport))


async def forget(rig: Rig, bucket: int) -> None:
    while await rig.relay.retention.forget_people(bucket):
        pass


async def test_texts_go_on_both_ways_when_people_have_new_indexes(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=9 * 86400)
    await talk.say("before")
    await turn(rig)
    taken = [await talk.say("after"), await talk.say("and back", slot=2), await talk.say("again")]
    await rig.send_all(talk.bucket)

    assert taken == [Taken.FORWARDED] * 3
    assert [text.text for text in rig.carrier.sent] == ["before", "and back", "after", "again"]
    assert await rig.value("select count(distinct party_index) from binding") == 2


async def test_people_are_replaced_and_sessions_reopened_as_before_when_people_have_new_indexes(rig: Rig) -> None:
    """Reopened by whoever is known under an old index, replaced beside one; and what cools down is the same pair's."""
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(2)), expires_in=9 * 86400)
    await rig.relay.sessions.close(rig.account, talk.id)
    await turn(rig, Purpose.INDEX)
    reopened = await rig.reopen(talk, expires_in=9 * 86400)
    other = await start_talk(rig, pool=talk.pool, one=phone(0), other=phone(1), expires_in=9 * 86400)
    await turn(rig, Purpose.INDEX)
    view, _ = await rig.replace(other.view, 2, phone(2))
    with pytest.raises(InvalidInput):
        await rig.replace(view, 2, phone(0))
    await rig.relay.sessions.close(rig.account, other.id)
    await turn(rig, Purpose.INDEX)
    again = await rig.session(talk.pool, phone(0), phone(2))
    taken = [await talk.say("hello"), await talk.say("and back", slot=2)]

    assert reopened.session.status == "open"
    assert taken == [Taken.FORWARDED] * 2
    assert [p.number_id for p in again.participants] == [p.number_id for p in view.participants]


async def test_a_stop_holds_a_binding_holds_and_a_late_text_is_refused_when_keys_turned_twice(rig: Rig) -> None:
    one_number = await rig.pool("narrow", numbers(1))
    talk = await start_talk(rig, pool=one_number, cool_down=60 * 86400)
    stopped = await start_talk(rig, pool=await rig.pool("wide", numbers(3)[1:]), one=phone(0), other=phone(1))
    await stopped.say("STOP")
    await rig.relay.sessions.close(rig.account, talk.id)
    for _ in range(2):
        await turn(rig)
    rig.later(hours=26)
    gone, spared = await rig.relay.rotation.prune()

    assert not {INDEX_1, FINGERPRINT_1} & set(gone)
    assert {INDEX_1, FINGERPRINT_1} <= {one.name for one in spared}
    with pytest.raises(Conflict, match="opted out"):
        await rig.session(stopped.pool, phone(0), phone(2))
    with pytest.raises(Conflict, match="all_held_by_this_person"):
        await rig.session(one_number, ALICE, phone(3))
    assert await talk.say("too late") is Taken.REFUSED
    assert (await rig.states())[-1] == ("refused", "late")


async def test_a_key_goes_when_everybody_has_been_seen_under_the_next(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=30 * 86400)
    await talk.say("STOP")
    await talk.say("not to Alice any more", slot=2)
    await turn(rig, Purpose.INDEX)
    rig.later(hours=26)
    first = await rig.relay.rotation.prune()
    await talk.say("HELP")
    await talk.say("hello", slot=2)
    await rig.send_all(talk.bucket)  # an answer to Bob waited under his old index
    await forget(rig, talk.bucket)
    second = await rig.relay.rotation.prune()
    with pytest.raises(Conflict, match="opted out"):
        await rig.session(talk.pool, ALICE, phone(5))
    third = await _after_the_account_was_told(rig)

    assert [one.name for one in first[1]] == [INDEX_1]
    assert [(one.name, one.values) for one in second[1]] == [(INDEX_1, 1)]  # the account's list still names Alice by it
    assert third[0] == [INDEX_1]


async def _after_the_account_was_told(rig: Rig) -> tuple[list[KeyName], object]:
    """Alice says STOP once more, which reaches the account's list."""
    talk = await start_talk(rig, pool=await rig.pool("other", numbers(6)[4:]), one=phone(6), other=phone(7))
    await rig.text(ALICE, talk.proxy(1), "STOP")
    await forget(rig, talk.bucket)
    return await rig.relay.rotation.prune()


async def test_a_stop_under_a_new_index_stops_what_waits_under_the_old_one(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=9 * 86400)
    await talk.say("to Bob", slot=1)
    await turn(rig)
    await talk.say("STOP", slot=2)

    assert await rig.send_all(talk.bucket) == 0
    assert ("refused", "opted_out") in await rig.states()


async def test_a_start_under_a_new_index_ends_the_confirmation_that_waits_under_the_old_one(rig: Rig) -> None:
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)
    talk = await start_talk(rig, expires_in=9 * 86400)
    await talk.say("STOP")
    await turn(rig)
    await talk.say("START")

    assert await rig.states("stop_reply") == [("refused", "blocked_by_rule")]


async def test_a_stop_is_known_in_a_pool_that_knows_the_person_by_the_old_index(rig: Rig) -> None:
    one = await start_talk(rig, pool=await rig.pool("one", numbers(2)))
    two = await start_talk(rig, pool=await rig.pool("two", numbers(4)[2:]))
    await two.say("to Bob")
    await turn(rig)
    await one.say("STOP", slot=2)

    assert await rig.send_all(two.bucket) == 0
    assert await two.say("to Bob again") is Taken.REFUSED
    with pytest.raises(Conflict, match="opted out"):
        await rig.relay.sessions.dry_run(rig.account, SessionWanted(pool=two.pool, people=people(ALICE, BOB)))


async def test_what_left_the_table_under_the_old_index_still_asks_for_leave(rig: Rig) -> None:
    """A text that waits names its recipient by the old index; that person's wish must be found by it."""
    talk = await start_talk(rig, expires_in=9 * 86400)
    await talk.say("to Bob")
    await turn(rig)
    await talk.say("I am here", slot=2)
    sent = await rig.send_all(talk.bucket)
    await talk.say("to Bob, later")
    await talk.say("STOP", slot=2)

    assert sent == 2
    assert await rig.send_all(talk.bucket) == 0


async def test_the_same_two_people_get_their_cooling_numbers_back_when_keys_turned(rig: Rig) -> None:
    pool = await rig.pool("narrow", numbers(1))
    talk = await start_talk(rig, pool=pool)
    await rig.relay.sessions.close(rig.account, talk.id)
    await turn(rig)
    again = await rig.session(pool, ALICE, BOB)

    assert again.session.status == "open"


async def test_a_copy_is_known_when_the_first_came_under_another_key(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=9 * 86400)
    sid = new_sid()
    await talk.say("once", sid=sid)
    await turn(rig)

    assert await talk.say("once", sid=sid) is Taken.DUPLICATE
    assert await talk.say("STOP", sid=new_sid(), slot=2) is Taken.COMMAND
    assert len([state for state in await rig.states() if state[0] == "queued"]) == 0
    assert await rig.value("select count(*) from inbox_key where key_id = 1") == 1


async def test_one_of_two_processes_takes_a_text_in_when_they_use_different_keys(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=9 * 86400)
    await turn(rig)
    behind = another(rig)
    for n in range(25):
        text = InboundText(new_sid(), talk.one, talk.proxy(1), f"text {n}", 0)
        taken = await asyncio.gather(
            rig.relay.inbound.receive(rig.connection, text), behind.inbound.receive(rig.connection, text)
        )
        assert sorted(taken) == [Taken.DUPLICATE, Taken.FORWARDED]

    assert await rig.value("select count(*) from message") == 25


async def test_a_person_gets_a_number_once_when_processes_use_different_keys(rig: Rig) -> None:
    pool = await rig.pool("narrow", numbers(1))
    await turn(rig)
    behind = another(rig)
    for n in range(0, 30, 3):
        tries = [
            relay.sessions.open(
                rig.account, SessionWanted(pool=pool, people=people(phone(n), phone(n + m))), await rig.seed()
            )
            for m, relay in ((1, rig.relay), (2, behind))
        ]
        opened = [one for one in await asyncio.gather(*tries, return_exceptions=True) if not isinstance(one, Exception)]
        assert len(opened) == 1


async def test_a_request_gets_its_first_answer_when_it_comes_again_under_another_key(rig: Rig) -> None:
    begun = await rig.relay.idempotency.begin(rig.account, "key", b"asked")
    assert isinstance(begun, Begun)
    await rig.relay.idempotency.finish(begun, Answer(201, "the answer"))
    await turn(rig)

    assert await rig.relay.idempotency.begin(rig.account, "key", b"asked") == Answer(201, "the answer")
    with pytest.raises(InvalidInput, match="another request"):
        await rig.relay.idempotency.begin(rig.account, "key", b"something else")


@pytest.mark.long
async def test_nothing_is_lost_and_nothing_fails_when_every_key_turns_under_load(rig: Rig) -> None:
    """A hundred texts a second, of people who have been known for as long as the keys and of new ones."""
    pool = await rig.pool("busy", numbers(8))
    talks = [
        await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1), expires_in=90 * 86400)
        for n in range(20)
    ]
    said: list[str] = []
    turning = True

    async def chat(n: int) -> None:
        serial = 0
        while turning or serial < 5:
            serial += 1
            text = f"{n}: {serial}"
            assert await talks[n].say(text, slot=1 + serial % 2) is Taken.FORWARDED
            said.append(text)
            await asyncio.sleep(0.2)

    async def send() -> None:
        while turning:
            await rig.send_all(pool.bucket)
            await asyncio.sleep(0.05)

    chats = [asyncio.create_task(chat(n)) for n in range(20)]
    sender = asyncio.create_task(send())
    for _ in range(2):
        await turn(rig, Purpose.INDEX, Purpose.FINGERPRINT, *SEALS_FOR)
        rig.later(minutes=11)
        await rig.relay.rotation.prune()
    turning = False
    await asyncio.gather(*chats, sender)
    await rig.send_all(pool.bucket)
    rig.later(days=1)
    while await rig.relay.redaction.redact(pool.bucket):
        pass
    await rig.relay.rotation.prune()

    assert len(rig.carrier.deleted) == 2 * len(said)
    assert sorted(text.text for text in rig.carrier.sent) == sorted(said)
    sealing = [key for key in await rig.relay.rotation.status() if key.name.purpose in SEALS_FOR]
    assert {(key.name.id, key.state) for key in sealing} == {(1, "destroyed"), (2, "destroyed"), (3, "seals")}
