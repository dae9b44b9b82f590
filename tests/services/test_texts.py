"""Texts from the platform, and what a person decides about parked ones."""

from __future__ import annotations

from uuid import UUID

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.ids import Seed
from relay.services.texts import TextWanted
from relay.storage.messages import StoredMessage
from tests.services.carrier import lost_answer
from tests.services.people import ALICE, BOB
from tests.services.rig import Rig, Talk, start_talk


async def tell(talk: Talk, text: str, *, slot: int = 1, seed: Seed | None = None) -> StoredMessage:
    """The platform texts one of the two."""
    wanted = TextWanted(talk.id, talk.view.participants[slot - 1].id, text)
    return await talk.rig.relay.texts.send(talk.rig.account, wanted, seed or await talk.rig.seed())


async def parked(rig: Rig) -> tuple[Talk, UUID]:
    """A text whose fate nobody could find out."""
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("lost")
    await rig.send_all(talk.bucket)
    rig.carrier.answer = None
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)
    (message,) = await rig.relay.texts.of_session(rig.account, talk.id, limit=5, before=None)
    return talk, message.id


async def test_the_platforms_text_comes_from_the_number_that_the_person_knows(rig: Rig) -> None:
    talk = await start_talk(rig)

    message = await tell(talk, "Your ride is near")
    await rig.send_all(talk.bucket)

    assert (message.state, message.kind, message.from_participant) == ("queued", "platform", None)
    assert [(t.sender, t.to, t.text) for t in rig.carrier.sent] == [(talk.proxy(1), ALICE, "Your ride is near")]


async def test_both_kinds_of_text_keep_one_order_when_they_go_to_the_same_person(rig: Rig) -> None:
    talk = await start_talk(rig)
    for n in range(3):
        await talk.say(f"{n} from Alice")
        await tell(talk, f"{n} from the platform", slot=2)

    await rig.send_all(talk.bucket)

    assert [t.text for t in rig.carrier.sent] == [
        f"{n} from {who}" for n in range(3) for who in ("Alice", "the platform")
    ]
    assert {t.to for t in rig.carrier.sent} == {BOB}


async def test_the_same_message_comes_when_the_same_request_is_made_again(rig: Rig) -> None:
    talk, seed = await start_talk(rig), await rig.seed()
    first = await tell(talk, "hello", seed=seed)
    await rig.relay.sessions.close(rig.account, talk.id)

    second = await tell(talk, "hello", seed=seed)

    assert second.id == first.id
    assert await rig.value("select count(*) from message") == 1


async def test_a_text_is_refused_when_the_session_is_closed_or_over(rig: Rig) -> None:
    closed = await start_talk(rig)
    over = await start_talk(rig, pool=closed.pool, one=ALICE, other="+12025550166", expires_in=60)
    await rig.relay.sessions.close(rig.account, closed.id)
    rig.later(seconds=60)

    for talk in (closed, over):
        with pytest.raises(Conflict) as caught:
            await tell(talk, "hello")
        assert caught.value.code == "session_closed"


async def test_a_text_is_refused_when_the_person_has_opted_out(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP")

    with pytest.raises(Conflict) as caught:
        await tell(talk, "hello")

    assert caught.value.code == "participant_opted_out"


async def test_a_text_is_refused_when_its_reader_is_in_another_session(rig: Rig) -> None:
    talk = await start_talk(rig)
    other = await start_talk(rig, pool=talk.pool, one=ALICE, other="+12025550166")
    wanted = TextWanted(talk.id, other.view.participants[0].id, "hello")

    with pytest.raises(InvalidInput):
        await rig.relay.texts.send(rig.account, wanted, await rig.seed())


async def test_somebody_elses_text_looks_unknown(rig: Rig) -> None:
    talk = await start_talk(rig)
    message = await tell(talk, "hello")
    stranger = await rig.relay.accounts.add("another market")
    unknown = (await rig.seed()).id_in(talk.bucket)
    wanted = TextWanted(talk.id, talk.view.participants[0].id, "hello")

    texts, answers = rig.relay.texts, set()
    askings = [texts.send(stranger, wanted, await rig.seed())]
    for i in (message.id, unknown):
        askings.append(texts.read(stranger, i))
        askings += [texts.retry(stranger, i, await rig.seed()), texts.discard(stranger, i, await rig.seed())]
    for asking in askings:
        with pytest.raises(NotFound) as caught:
            await asking
        answers.add((caught.value.code, caught.value.message))

    assert len(answers) == 1
    assert (await texts.read(rig.account, message.id)).state == "queued"


async def test_a_parked_text_leaves_when_it_is_retried(rig: Rig) -> None:
    talk, message_id = await parked(rig)

    retried = await rig.relay.texts.retry(rig.account, message_id, await rig.seed())
    await rig.send_all(talk.bucket)

    assert (retried.state, retried.reason) == ("queued", None)
    assert [t.text for t in rig.carrier.sent] == ["lost"]


async def test_a_retried_text_has_four_hours_again(rig: Rig) -> None:
    talk, message_id = await parked(rig)
    rig.later(hours=10)
    await rig.relay.texts.retry(rig.account, message_id, await rig.seed())
    rig.later(hours=3, minutes=59)

    assert await rig.send_all(talk.bucket) == 1


async def test_a_parked_text_is_refused_when_it_is_discarded(rig: Rig) -> None:
    _, message_id = await parked(rig)

    discarded = await rig.relay.texts.discard(rig.account, message_id, await rig.seed())

    assert (discarded.state, discarded.reason) == ("refused", "blocked_by_rule")
    assert await rig.rows("select 1 from outbox") == []


@pytest.mark.parametrize("decision", ["retry", "discard"])
async def test_a_decision_counts_once_when_the_same_request_is_made_again(rig: Rig, decision: str) -> None:
    """Its first answer was lost: asked again it is not told that there is nothing to decide."""
    _, message_id = await parked(rig)
    decide, seed = getattr(rig.relay.texts, decision), await rig.seed()
    first = await decide(rig.account, message_id, seed)

    assert await decide(rig.account, message_id, seed) == first
    assert await rig.value("select count(*) from event where type in ('message.retried', 'message.refused')") == 1


async def test_nothing_can_be_decided_when_a_text_is_not_parked(rig: Rig) -> None:
    talk = await start_talk(rig)
    message = await tell(talk, "hello")

    for deciding in (rig.relay.texts.retry, rig.relay.texts.discard):
        with pytest.raises(Conflict) as caught:
            await deciding(rig.account, message.id, await rig.seed())
        assert caught.value.code == "not_parked"


async def test_a_sessions_texts_come_newest_first_and_page_by_page(rig: Rig) -> None:
    talk = await start_talk(rig)
    for n in range(5):
        rig.later(seconds=1)
        await tell(talk, f"{n}")

    everything = await rig.relay.texts.of_session(rig.account, talk.id, limit=10, before=None)
    page = await rig.relay.texts.of_session(rig.account, talk.id, limit=2, before=everything[1].id)

    assert [m.id for m in everything] == sorted((m.id for m in everything), reverse=True)
    assert list(page) == list(everything[2:4])
