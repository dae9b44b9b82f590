"""The account's list of those whom it must not text: what it does to texts, and whose word is not overruled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.core.errors import Conflict, StorageUnavailable
from relay.core.model import Reason, State
from relay.core.optouts import LiftReason, OptOutReason, OptOutSource
from relay.core.phone import Phone
from relay.providers.base import ReceiptWord
from relay.services.inbound import Taken
from relay.services.suppressions import Counted
from relay.storage import suppressions
from relay.storage.suppressions import Listed, OptChange
from tests.services.carrier import refusal
from tests.services.people import ALICE, BOB, CAROL, STRANGER, number, numbers, phone
from tests.services.rig import Rig, Talk, start_talk

_BOB = Phone.parse(BOB)
_WHY = OptOutReason.COMPLAINT


async def in_two_pools(rig: Rig) -> tuple[Talk, Talk]:
    """Bob talks with Alice in one pool and with Carol in another."""
    second = await rig.pool("second", numbers(3, start=10))
    return await start_talk(rig), await start_talk(rig, pool=second, one=CAROL)


async def on_the_list(rig: Rig) -> list[Listed]:
    return await rig.relay.suppressions.listed(rig.account, before=None, limit=100)


async def told(rig: Rig) -> list[tuple[object, object]]:
    rows = await rig.rows("select type, reason from event where type like 'participant.opted%' order by at, id")
    return [(str(row["type"]).split(".")[1], row["reason"]) for row in rows]


async def test_what_waits_is_refused_in_every_pool_when_the_account_puts_somebody_on_the_list(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("from Alice")
    await there.say("from Carol")

    listed, new = await rig.relay.suppressions.add(rig.account, _BOB, _WHY)
    again = await rig.relay.suppressions.add(rig.account, _BOB, OptOutReason.ASKED_OTHERWISE)
    for talk in (here, there):
        await rig.send_all(talk.bucket)

    assert (new, listed.source, listed.reason) == (True, OptOutSource.API, "complaint")
    assert again == (listed, False)
    assert await on_the_list(rig) == [listed]
    assert await rig.states() == [("refused", "opted_out")] * 2
    assert rig.carrier.sent == []
    assert await rig.rows("select 1 from fanout") == []
    assert await told(rig) == [("opted_out", "complaint")]
    with pytest.raises(Conflict):
        await rig.session(here.pool, STRANGER, BOB)


async def test_texts_reach_them_again_when_the_account_takes_off_whom_it_put_on(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await rig.relay.suppressions.add(rig.account, _BOB, _WHY)

    lifted = await rig.relay.suppressions.lift(rig.account, _BOB, None)
    again = await rig.relay.suppressions.lift(rig.account, _BOB, None)

    assert (lifted, again) == (True, False)
    assert await on_the_list(rig) == []
    assert [await talk.say("hello") for talk in (here, there)] == [Taken.FORWARDED] * 2
    assert await told(rig) == [("opted_out", "complaint"), ("opted_in", None)]


async def test_a_persons_own_stop_stands_when_the_account_gives_no_reason_to_lift_it(rig: Rig) -> None:
    """Nor is it made the account's, which it could lift, by being put on the list once more."""
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    listed, new = await rig.relay.suppressions.add(rig.account, _BOB, _WHY)

    with pytest.raises(Conflict) as caught:
        await rig.relay.suppressions.lift(rig.account, _BOB, None)
    refused = await talk.say("hello")
    await rig.relay.suppressions.lift(rig.account, _BOB, LiftReason.CONSENTED_AGAIN)

    assert caught.value.code == "opt_out_is_theirs"
    assert (new, listed.source, listed.reason) == (False, OptOutSource.PERSON, None)
    assert refused is Taken.REFUSED
    assert await talk.say("hello") is Taken.FORWARDED
    assert await told(rig) == [("opted_out", None), ("opted_in", "consented_again")]


async def test_a_person_comes_back_by_themselves_when_they_say_start(rig: Rig) -> None:
    talk = await start_talk(rig)
    await rig.relay.suppressions.add(rig.account, _BOB, _WHY)

    assert await talk.say("START", slot=2) is Taken.COMMAND
    assert await on_the_list(rig) == []
    assert await talk.say("hello") is Taken.FORWARDED


async def test_it_is_the_persons_own_when_their_stop_arrives_late(rig: Rig) -> None:
    """Written first and heard of last: an older STOP changes no wish, but whose it is."""
    await start_talk(rig)
    party = rig.relay.vault.indexes.of(rig.account.id, BOB)
    own = OptChange(
        (await rig.seed()).id_in(rig.account.bucket),
        rig.account.id,
        party.index,
        1,
        True,
        await rig.relay.database.now(),
    )
    listed, _ = await rig.relay.suppressions.add(rig.account, _BOB, _WHY)
    await rig.relay.optouts.spread(own)

    [line] = await on_the_list(rig)
    assert (line.source, line.reason, line.since) == (OptOutSource.PERSON, None, listed.since)
    with pytest.raises(Conflict):
        await rig.relay.suppressions.lift(rig.account, _BOB, None)


async def test_many_are_taken_once_each_when_a_list_comes_twice_and_names_some_twice(rig: Rig) -> None:
    talk, _ = await in_two_pools(rig)
    await talk.say("STOP", slot=2)
    many = [Phone.parse(phone(n)) for n in range(700)]
    steps: list[int] = []

    first = await rig.relay.suppressions.take_list(rig.account, [*many, *many[:3], _BOB], _WHY, told=steps.append)
    second = await rig.relay.suppressions.take_list(rig.account, many, _WHY)
    asked = [many[0], Phone.parse(STRANGER), _BOB, many[-1]]

    assert (first, second) == (Counted(700, 4), Counted(0, 700))
    assert steps == [500, 704]
    assert await rig.relay.suppressions.check(rig.account, asked) == [True, False, True, True]
    assert await rig.value("select count(*) from person where opted_out and bucket = $1", talk.bucket) == 701
    assert await rig.rows("select 1 from fanout") == []
    assert sorted(await told(rig), key=str) == [*[("opted_out", "complaint")] * 700, ("opted_out", None)]
    sources = await rig.rows("select source, count(*) as n from suppression group by source order by source")
    assert [(row["source"], row["n"]) for row in sources] == [("import", 700), ("person", 1)]


async def test_every_pool_learns_of_it_when_the_process_dies_halfway(rig: Rig) -> None:
    here, there = await in_two_pools(rig)

    async def dies(*_: OptChange) -> None:
        raise StorageUnavailable

    dying = replace(rig.relay.suppressions, spread=dies)
    with pytest.raises(StorageUnavailable):
        await dying.take_list(rig.account, [_BOB, Phone.parse(CAROL)], _WHY)
    rig.later(seconds=6)
    finished = await rig.relay.optouts.finish_old(rig.account.bucket, older_than=5.0)

    assert finished == 2
    assert await rig.rows("select 1 from fanout") == []
    assert [await talk.say("hello") for talk in (here, there)] == [Taken.REFUSED] * 2
    assert [one.reason for one in await on_the_list(rig)] == ["complaint"] * 2


async def test_a_new_pool_knows_when_the_list_was_there_before(rig: Rig) -> None:
    await rig.relay.suppressions.take_list(rig.account, [_BOB], _WHY)
    late = await rig.pool("late", [number(50)])

    with pytest.raises(Conflict):
        await rig.session(late, ALICE, BOB)


async def test_another_account_may_text_them_when_one_must_not(rig: Rig) -> None:
    other = await rig.relay.accounts.add("another market")
    await rig.relay.suppressions.add(rig.account, _BOB, _WHY)

    assert await rig.relay.suppressions.check(other, [_BOB]) == [False]
    assert await rig.relay.suppressions.listed(other, before=None, limit=10) == []


async def test_a_carriers_refusal_is_on_the_list_as_the_carriers_when_it_refuses_a_send(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = lambda _: refusal(21610)
    await rig.send_all(talk.bucket)

    [line] = await on_the_list(rig)
    assert (line.source, line.reason) == (OptOutSource.CARRIER, None)
    assert await told(rig) == [("opted_out", "carrier_opted_out")]
    with pytest.raises(Conflict):
        await rig.relay.suppressions.lift(rig.account, _BOB, None)


async def test_every_pool_knows_when_a_receipt_says_that_the_person_has_opted_out(rig: Rig) -> None:
    here, there = await in_two_pools(rig)
    await here.say("hello")
    await rig.send_all(here.bucket)
    await there.say("waits")
    [sent] = rig.carrier.sent

    first = await rig.receipt(sent, ReceiptWord.UNDELIVERED, Reason.CARRIER_OPTED_OUT)
    again = await rig.receipt(sent, ReceiptWord.UNDELIVERED, Reason.CARRIER_OPTED_OUT)

    assert (first, again) == (State.UNDELIVERED, None)
    assert await rig.states() == [("undelivered", "carrier_opted_out"), ("refused", "opted_out")]
    assert [line.source for line in await on_the_list(rig)] == [OptOutSource.CARRIER]
    assert await told(rig) == [("opted_out", "carrier_opted_out")]
    assert await rig.rows("select 1 from fanout") == []


async def test_a_start_that_came_after_the_send_stands_when_the_receipt_is_late(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    [sent] = rig.carrier.sent
    for word in ("STOP", "START"):
        rig.later(seconds=1)
        await talk.say(word, slot=2)

    await rig.receipt(sent, ReceiptWord.UNDELIVERED, Reason.CARRIER_OPTED_OUT)

    assert await on_the_list(rig) == []
    assert await talk.say("hello again") is Taken.FORWARDED


async def test_nobody_is_opted_out_when_a_receipt_gives_another_reason_or_is_a_strangers(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    [sent] = rig.carrier.sent
    token = replace(rig.token(sent), attempt_id=rig.account.id)
    stray = replace(sent, callback=f"x/{rig.relay.vault.tokens.write(token)}")

    assert await rig.receipt(stray, ReceiptWord.UNDELIVERED, Reason.CARRIER_OPTED_OUT) is None
    assert await rig.receipt(sent, ReceiptWord.UNDELIVERED, Reason.UNREACHABLE) is State.UNDELIVERED
    assert await rig.receipt(sent, ReceiptWord.UNDELIVERED, Reason.CARRIER_OPTED_OUT) is None
    assert await on_the_list(rig) == []


async def test_the_accounts_own_words_confirm_when_a_person_stops(rig: Rig) -> None:
    """Twilio confirms by itself; where the provider does not, the confirmation is the account's."""
    adapter = rig.relay.adapters["twilio"]
    silent = replace(adapter, capabilities=replace(adapter.capabilities, answers_stop=False))
    rig.relay.adapters["twilio"] = silent
    await rig.relay.accounts.change(rig.account.id, {"language": "pl", "programme": "Rides"})
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    await rig.send_all(talk.bucket)
    await talk.say("START", slot=2)
    await rig.relay.accounts.change(rig.account.id, {"notices": {"stopped": "{programme}As you wish."}})
    await talk.say("STOP", slot=2)
    await rig.send_all(talk.bucket)

    assert [(t.to, t.text) for t in rig.carrier.sent] == [
        (BOB, "Nie dostaniesz od nas więcej wiadomości. Odpisz START, aby to zmienić."),
        (BOB, "Rides: As you wish."),
    ]


async def test_the_list_is_read_in_pages_when_it_is_long(rig: Rig) -> None:
    for n in range(5):
        rig.later(seconds=1)
        await rig.relay.suppressions.add(rig.account, Phone.parse(phone(n)), _WHY)
    async with rig.relay.database.transaction() as tx:
        whole = await suppressions.listed(tx, rig.account.bucket, rig.account.id, before=None, limit=10)
        rest = await suppressions.listed(tx, rig.account.bucket, rig.account.id, before=whole[1].id, limit=2)

    assert [line.since for line in whole] == sorted((line.since for line in whole), reverse=True)
    assert rest == whole[2:4]
