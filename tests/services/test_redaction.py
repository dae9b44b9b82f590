"""Every text that came in or went out is deleted at the carrier, once it has said its last word on it; whatever became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from relay.core.data_class import DataClass
from relay.providers import twilio
from relay.providers.base import InboundText, ReceiptWord
from relay.storage.database import Database
from tests.services.carrier import answered, listing, lost_answer
from tests.services.people import ALICE, CAROL
from tests.services.rig import CREDENTIALS, Rig, Talk, make_rig, new_sid, start_talk

SAID = "SM" + "a" * 32


async def redact(rig: Rig) -> list[str]:
    """A turn of upkeep in every bucket; returns what the carrier was told to delete in it."""
    before = len(rig.carrier.deleted)
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        while await rig.relay.redaction.redact(bucket):
            pass
    return rig.carrier.deleted[before:]


async def waiting(rig: Rig) -> int:
    count = await rig.value("select count(*) from redaction")
    assert isinstance(count, int)
    return count


async def forwarded(talk: Talk) -> None:
    await talk.say("hello", sid=SAID)


async def refused(talk: Talk) -> None:
    await talk.rig.text(CAROL, talk.proxy(1), "who are you?", sid=SAID)


async def stopped(talk: Talk) -> None:
    await talk.say("STOP", sid=SAID)


async def asked_for_help(talk: Talk) -> None:
    await talk.say("HELP", sid=SAID)


async def to_no_number_of_ours(talk: Talk) -> None:
    await talk.rig.text(CAROL, "+12025550199", "hello?", sid=SAID)


async def from_our_own_number(talk: Talk) -> None:
    await talk.rig.text(talk.proxy(2), talk.proxy(1), "an echo", sid=SAID)


async def from_a_word(talk: Talk) -> None:
    inbound = InboundText(SAID, None, talk.proxy(1), "buy now")
    await talk.rig.relay.inbound.receive(talk.rig.connection, inbound)


async def late(talk: Talk) -> None:
    await talk.rig.relay.sessions.close(talk.rig.account, talk.id)
    await talk.say("my scarf", sid=SAID)


ARRIVALS: list[Callable[[Talk], Awaitable[None]]] = [
    forwarded,
    refused,
    stopped,
    asked_for_help,
    to_no_number_of_ours,
    from_our_own_number,
    from_a_word,
    late,
]


@pytest.mark.parametrize("arrive", ARRIVALS)
async def test_a_text_that_came_in_is_deleted_after_a_minute_whatever_became_of_it(
    rig: Rig, arrive: Callable[[Talk], Awaitable[None]]
) -> None:
    talk = await start_talk(rig)
    await arrive(talk)
    await arrive(talk)  # the carrier says it twice
    rig.later(seconds=59)
    early = await redact(rig)
    rig.later(seconds=2)

    assert (early, await redact(rig), await waiting(rig)) == ([], [SAID], 0)


async def sent_one(rig: Rig) -> Talk:
    """A session in which one text has left; what came in for it is deleted already."""
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    rig.later(seconds=61)
    await redact(rig)
    return talk


async def test_a_text_that_left_is_deleted_after_a_day_when_nothing_more_is_heard_of_it(rig: Rig) -> None:
    await sent_one(rig)
    rig.later(hours=23, minutes=58)
    early = await redact(rig)
    rig.later(minutes=2)

    assert (early, await redact(rig), await waiting(rig)) == ([], ["SM" + "0" * 31 + "1"], 0)


@pytest.mark.parametrize("word", [ReceiptWord.DELIVERED, ReceiptWord.UNDELIVERED])
async def test_a_text_that_left_is_deleted_a_minute_after_the_carriers_last_word(rig: Rig, word: ReceiptWord) -> None:
    await sent_one(rig)
    await rig.receipt(rig.carrier.sent[0], ReceiptWord.ACCEPTED)
    on_its_way = await redact(rig)
    await rig.receipt(rig.carrier.sent[0], word)
    too_early = await redact(rig)
    rig.later(seconds=61)

    assert (on_its_way, too_early, len(await redact(rig)), await waiting(rig)) == ([], [], 1, 0)


async def test_a_text_is_deleted_when_its_receipt_came_before_the_answer_to_its_send(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    (intent,) = await rig.begin(talk.bucket)
    handed = await rig.relay.sending.hand_over(intent, lease_until=float("inf"))
    await rig.receipt(rig.carrier.sent[0], ReceiptWord.DELIVERED)
    await rig.relay.sending.settle(talk.bucket, handed)
    rig.later(seconds=61)

    assert len(await redact(rig)) == 2
    assert await waiting(rig) == 0


async def test_a_text_whose_answer_was_lost_is_deleted_when_a_receipt_or_a_search_finds_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("found by asking")
    await rig.send_all(talk.bucket)
    rig.carrier.listed = [listing("found by asking")]
    rig.later(seconds=6)
    await rig.relay.ambiguity.look(talk.bucket)
    await talk.say("found by its receipt", slot=2)
    await rig.send_all(talk.bucket)
    await rig.receipt(rig.carrier.asked[-1], ReceiptWord.ACCEPTED)
    rig.later(days=1, seconds=1)
    deleted = await redact(rig)

    assert "SM" + "f" * 32 in deleted
    assert "SM1" in deleted
    assert (len(deleted), await waiting(rig)) == (4, 0)


async def test_the_carrier_is_asked_again_when_it_still_works_on_a_text(rig: Rig) -> None:
    talk = await start_talk(rig)
    await refused(talk)
    rig.carrier.delete = lambda _: answered(409, {"code": 20009})
    tries = []
    for minutes in (2, 1, 5, 30, 120, 360, 360):
        rig.later(minutes=minutes)
        tries.append((await redact(rig), await redact(rig)))
    rig.carrier.delete = lambda _: answered(404, {"code": 20404})  # gone by now
    rig.later(minutes=361)

    assert tries == [([SAID], [])] * 7
    assert (await redact(rig), await waiting(rig)) == ([SAID], 0)


async def test_what_a_carrier_keeps_for_more_than_a_week_is_counted_as_overdue(rig: Rig) -> None:
    talk = await start_talk(rig)
    await refused(talk)
    rig.carrier.delete = lambda _: answered(500, {})
    counts = []
    for days in (6, 1, 1):
        rig.later(days=days, minutes=20)
        await redact(rig)
        report = await rig.relay.retention.report()
        counts.append({h.data_class: h.overdue for h in report.holdings}[DataClass.CARRIER_COPY])

    assert counts == [0, 0, 1]  # it says so an hour after it is due
    assert await waiting(rig) == 1


async def test_nothing_is_lost_when_upkeep_dies_between_deleting_and_noting_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    await refused(talk)
    rig.later(seconds=61)

    def die(_: str) -> httpx.Response:
        raise RuntimeError("killed")

    rig.carrier.delete = die
    with pytest.raises(RuntimeError, match="killed"):
        await rig.relay.redaction.redact(talk.bucket)
    rig.carrier.delete = lambda _: answered(404, {"code": 20404})

    assert (await redact(rig), await waiting(rig)) == ([SAID], 0)


async def test_two_swapped_rows_open_as_nothing_and_hold_up_nobody(rig: Rig) -> None:
    talk = await start_talk(rig)
    for n in range(3):
        await rig.text(CAROL, talk.proxy(1), f"text {n}", sid=f"SM{n:032x}")
    async with rig.relay.database.transaction() as tx:
        await tx.execute(
            "update redaction r set sealed_provider_id = o.sealed_provider_id from redaction o"
            " where o.id <> r.id and r.id in (select id from redaction order by id limit 2)"
            " and o.id in (select id from redaction order by id limit 2)"
        )
    rig.later(seconds=61)

    assert len(await redact(rig)) == 1
    assert await waiting(rig) == 2


async def test_a_text_is_out_of_reach_when_its_connection_is_gone(rig: Rig) -> None:
    other = await rig.relay.connections.add(rig.account, "twilio", CREDENTIALS, await rig.seed())
    await rig.relay.inbound.receive(other, InboundText(new_sid(), ALICE, "+12025550188", "hello?"))
    await rig.relay.connections.remove(rig.account, other.id)
    rig.later(seconds=61)

    assert (await redact(rig), await waiting(rig)) == ([], 0)


async def test_nothing_is_noted_when_the_carrier_can_delete_nothing(db: Database) -> None:
    rig = await make_rig(db)
    keeps = replace(twilio.ADAPTER, capabilities=replace(twilio.ADAPTER.capabilities, deletes_messages=False))
    rig.relay.adapters["twilio"] = keeps
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    await rig.receipt(rig.carrier.sent[0], ReceiptWord.DELIVERED)

    assert await waiting(rig) == 0
