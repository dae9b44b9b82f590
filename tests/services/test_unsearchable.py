"""Lost answers that nobody can be asked about: nothing is guessed, and in the end a person decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.core.errors import Conflict
from relay.providers import twilio
from tests.services.carrier import listing, lost_answer
from tests.services.rig import Rig, Talk, start_talk


async def lost(rig: Rig) -> Talk:
    """A talk with one text of which no answer was seen; the carrier has it, and would say so."""
    talk = await start_talk(rig, cool_down=3600)
    await talk.say("hello")
    rig.carrier.answer = lost_answer
    await rig.send_all(talk.bucket)
    rig.carrier.listed = [listing("hello")]
    return talk


async def look(talk: Talk, *, after: float) -> int:
    talk.rig.later(seconds=after)
    return await talk.rig.relay.ambiguity.look(talk.bucket)


async def test_a_text_is_parked_unasked_when_its_provider_cannot_search(rig: Rig) -> None:
    talk = await lost(rig)
    blind = replace(twilio.ADAPTER.capabilities, finds_messages=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=blind)

    steps = [await look(talk, after=6), await rig.states(), await look(talk, after=120)]

    assert steps == [1, [("sending", None)], 1]
    assert await rig.states() == [("parked", "ambiguous")]
    assert rig.carrier.searches == 0


async def test_a_text_keeps_its_number_and_is_parked_unasked_when_that_is_gone_all_the_same(rig: Rig) -> None:
    """Nobody looked for it for an hour; by then its session and the cool-down are over, and somebody tampers."""
    talk = await lost(rig)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(hours=2)
    await rig.relay.expiry.free_numbers(talk.bucket)

    with pytest.raises(Conflict) as caught:
        await rig.relay.numbers.remove(rig.account, talk.view.participants[1].number_id)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("delete from number")
        await tx.execute("update configuration set version = version + 1")
    await rig.relay.configuration.refreshed()

    assert caught.value.code == "number_in_use"
    assert await look(talk, after=1) == 1
    assert await rig.states() == [("parked", "ambiguous")]
    assert rig.carrier.searches == 0
