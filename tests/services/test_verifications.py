"""Proving a phone by a code: how it gets there, what saying it gives, how often, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound, TooMany
from relay.core.model import NumberState, VerificationStatus
from relay.services.verifications import Checked
from relay.storage.configuration import Pool
from tests.services.people import ALICE, BOB, CAROL, number, numbers, phone
from tests.services.rig import Rig, proxy_of
from tests.services.verifying import PRIVACY, SESSION, another, check, code_of, proof, start, told

PENDING, APPROVED, FAILED = VerificationStatus.PENDING, VerificationStatus.APPROVED, VerificationStatus.FAILED
STARTED = ("started", None)


@pytest.fixture
async def pool(rig: Rig) -> Pool:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"programme": "Rides"})
    return await rig.pool("default", numbers(3))


async def test_a_code_arrives_at_the_phone_when_one_is_asked_for(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    (sent,) = rig.carrier.sent

    assert (sent.to, sent.text) == (ALICE, f"{code} is your code for Rides. It is valid for 5 minutes.")
    assert sent.sender in numbers(3)
    assert started.expires_at - await rig.relay.database.now() <= timedelta(minutes=5)
    assert await rig.states("code") == [("accepted", None)]
    assert await rig.rows("select 1 from outbox") == []
    assert await told(rig, started.id) == [STARTED]


async def test_the_right_code_gives_a_token_when_it_is_said(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    checked = await check(rig, started.id, await code_of(rig, pool, ALICE))

    assert checked.status is APPROVED
    assert checked.token
    assert await told(rig, started.id) == [STARTED, ("approved", None)]
    assert await rig.rows("select digest, key_id, reason from verification") == [
        {"digest": None, "key_id": None, "reason": None}
    ]


async def test_the_same_code_gives_nothing_more_when_it_is_said_again(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    await check(rig, started.id, code)

    assert await check(rig, started.id, code) == Checked(FAILED)
    assert await told(rig, started.id) == [STARTED, ("approved", None)]


async def test_the_right_code_is_too_late_when_five_wrong_ones_were_said(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    answers = [await check(rig, started.id, another(code)) for _ in range(6)]

    assert [answer.status for answer in answers] == [PENDING] * 4 + [FAILED] * 2
    assert await check(rig, started.id, code) == Checked(FAILED)
    assert await told(rig, started.id) == [STARTED, ("failed", "not_verified")]
    assert await rig.value("select checks from verification") == 5


async def test_the_right_code_counts_when_four_wrong_ones_were_said(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    for _ in range(4):
        await check(rig, started.id, another(code))

    assert (await check(rig, started.id, code)).status is APPROVED


async def test_a_code_is_too_old_when_five_minutes_have_passed(rig: Rig, pool: Pool) -> None:
    young, old = await start(rig, pool, ALICE), await start(rig, pool, BOB)
    codes = [await code_of(rig, pool, ALICE), await code_of(rig, pool, BOB)]
    rig.later(seconds=298)
    in_time = await check(rig, young.id, codes[0])
    rig.later(seconds=3)

    assert in_time.status is APPROVED
    assert await check(rig, old.id, codes[1]) == Checked(FAILED)
    assert await told(rig, old.id) == [STARTED, ("failed", "deadline")]


async def test_a_code_is_not_sent_any_more_when_its_five_minutes_are_over(rig: Rig, pool: Pool) -> None:
    await start(rig, pool, ALICE)
    rig.later(minutes=5, seconds=1)
    await rig.send_all(pool.bucket)

    assert rig.carrier.sent == []
    assert await rig.states("code") == [("expired", "deadline")]


async def test_a_new_code_takes_the_place_of_the_old_one_for_the_same_purpose_only(rig: Rig, pool: Pool) -> None:
    old = await start(rig, pool, ALICE)
    old_code = await code_of(rig, pool, ALICE)
    for_privacy = await start(rig, pool, ALICE, PRIVACY)
    privacy_code = await code_of(rig, pool, ALICE)
    new = await start(rig, pool, ALICE)
    new_code = await code_of(rig, pool, ALICE)

    assert await check(rig, old.id, old_code) == Checked(FAILED)
    assert await told(rig, old.id) == [STARTED, ("failed", "duplicate")]
    assert (await check(rig, for_privacy.id, privacy_code)).status is APPROVED
    assert (await check(rig, new.id, new_code)).status is APPROVED


async def test_a_fourth_code_waits_when_three_were_sent_within_ten_minutes(rig: Rig, pool: Pool) -> None:
    for purpose in (SESSION, PRIVACY, SESSION):
        await start(rig, pool, ALICE, purpose)
        rig.later(minutes=1)
    with pytest.raises(TooMany) as refusal:
        await start(rig, pool, ALICE)
    await start(rig, pool, BOB)
    rig.later(minutes=7)

    assert 418 <= refusal.value.retry_after <= 420
    assert await start(rig, pool, ALICE)


async def test_a_sixth_code_waits_for_the_next_day_when_five_were_sent(rig: Rig, pool: Pool) -> None:
    for _ in range(5):
        await start(rig, pool, ALICE)
        rig.later(minutes=30)
        await rig.relay.verifications.end_old(pool.bucket)
    with pytest.raises(TooMany) as refusal:
        await start(rig, pool, ALICE)
    rig.later(seconds=refusal.value.retry_after + 1)

    assert 21 * 3600 < refusal.value.retry_after <= 21.5 * 3600
    assert await start(rig, pool, ALICE)


async def test_three_codes_are_sent_when_twenty_are_asked_for_at_once(rig: Rig, pool: Pool) -> None:
    answers = await asyncio.gather(*(start(rig, pool, ALICE) for _ in range(20)), return_exceptions=True)
    await rig.send_all(pool.bucket)

    assert len([answer for answer in answers if isinstance(answer, TooMany)]) == 17
    assert len(rig.carrier.sent) == 3
    assert await rig.value("select count(*) from verification where status = 'pending'") == 1


async def test_nothing_more_is_sent_when_the_same_request_is_made_again(rig: Rig, pool: Pool) -> None:
    seed = await rig.seed()
    first = await start(rig, pool, ALICE, seed=seed)
    code = await code_of(rig, pool, ALICE)
    rig.later(seconds=10)
    again = await start(rig, pool, ALICE, seed=seed)
    await rig.send_all(pool.bucket)

    assert again == first
    assert len(rig.carrier.sent) == 1
    assert (await check(rig, first.id, code)).status is APPROVED


async def test_a_check_counts_once_and_answers_alike_when_it_is_repeated(rig: Rig, pool: Pool) -> None:
    """As after a commit that nobody heard of."""
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    wrong, right = await rig.seed(), await rig.seed()
    wrongs = [await check(rig, started.id, another(code), seed=wrong) for _ in range(7)]
    rights = [await check(rig, started.id, code, seed=right) for _ in range(3)]

    assert wrongs == [Checked(PENDING)] * 7
    assert rights == [rights[0]] * 3
    assert rights[0].status is APPROVED
    assert rights[0].token
    assert await rig.value("select checks from verification") == 2
    assert await told(rig, started.id) == [STARTED, ("approved", None)]


async def test_a_code_is_recognised_by_another_process_when_it_was_sent_by_one(rig: Rig, pool: Pool) -> None:
    """Nothing of it is kept in memory."""
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    elsewhere = replace(rig.relay.verifications)

    assert (await elsewhere.check(rig.account, started.id, code, await rig.seed())).status is APPROVED


async def test_an_opted_out_person_is_sent_nothing_and_the_answer_is_the_same(rig: Rig, pool: Pool) -> None:
    view = await rig.session(pool, ALICE, BOB)
    await rig.text(ALICE, proxy_of(view, 1), "STOP")
    await rig.send_all(pool.bucket)
    before = list(rig.carrier.sent)
    started = await start(rig, pool, ALICE)
    await rig.send_all(pool.bucket)

    assert started.expires_at > await rig.relay.database.now()
    assert rig.carrier.sent == before
    assert await rig.states("code") == [("refused", "opted_out")]
    assert await check(rig, started.id, "000000") in (Checked(PENDING), Checked(APPROVED))


async def test_a_waiting_code_is_refused_when_its_person_opts_out(rig: Rig, pool: Pool) -> None:
    view = await rig.session(pool, ALICE, BOB)
    await start(rig, pool, ALICE)
    await rig.text(ALICE, proxy_of(view, 1), "STOP")

    assert await rig.states("code") == [("refused", "opted_out")]


async def test_nothing_is_known_of_a_verification_when_it_is_another_accounts(rig: Rig, pool: Pool) -> None:
    started = await start(rig, pool, ALICE)
    code = await code_of(rig, pool, ALICE)
    other = await rig.relay.accounts.add("another market")

    with pytest.raises(NotFound):
        await rig.relay.verifications.check(other, started.id, code, await rig.seed())
    assert await rig.value("select checks from verification") == 0


async def test_a_phone_is_refused_when_it_is_no_persons_or_of_a_country_that_is_not_allowed(
    rig: Rig, pool: Pool
) -> None:
    for e164, code in ((number(0), "own_number"), ("+46701740677", "country_not_allowed")):
        with pytest.raises(InvalidInput) as refusal:
            await start(rig, pool, e164)
        assert refusal.value.code == code
    assert await rig.rows("select 1 from verification") == await rig.rows("select 1 from person") == []


async def test_the_code_comes_from_the_nearest_number_that_they_do_not_talk_on(rig: Rig) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ["US", "SE"]})
    pool = await rig.pool("default", [number(0), number(1), "+46701740606"])
    view = await rig.session(pool, ALICE, BOB)
    talked_on = proxy_of(view, 1)
    for _ in range(3):
        await start(rig, pool, ALICE)
    await start(rig, pool, "+46701740677")
    await rig.send_all(pool.bucket)

    senders = [(sent.to, sent.sender) for sent in rig.carrier.sent]
    assert {sender for to, sender in senders if to == ALICE} == {number(0), number(1)} - {talked_on}
    assert [sender for to, sender in senders if to != ALICE] == ["+46701740606"]


async def test_the_code_comes_from_a_number_that_they_talk_on_when_there_is_no_other(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(1))
    await rig.session(pool, ALICE, BOB)
    await start(rig, pool, ALICE)
    await rig.send_all(pool.bucket)

    assert [sent.sender for sent in rig.carrier.sent] == [number(0)]


async def test_no_code_is_sent_when_no_number_is_ready(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(1))
    (rented,) = (await rig.relay.configuration.refreshed()).numbers_by_pool[pool.id]
    await rig.relay.numbers.change(rig.account, rented.id, state=NumberState.DRAINING, rate=None)
    with pytest.raises(Conflict) as refusal:
        await start(rig, pool, ALICE)

    assert (refusal.value.code, refusal.value.reason) == ("no_number_available", "all_draining_or_reserved")
    assert await rig.rows("select 1 from verification") == await rig.rows("select 1 from message") == []


async def test_old_verifications_end_and_are_forgotten_when_their_time_is_over(rig: Rig, pool: Pool) -> None:
    silent = await start(rig, pool, ALICE)
    await proof(rig, pool, BOB)
    rig.later(minutes=6)
    ended = await rig.relay.verifications.end_old(pool.bucket)
    late = await start(rig, pool, CAROL)
    rig.later(hours=23, minutes=55)
    forgotten = await rig.relay.verifications.end_old(pool.bucket)

    assert (ended, forgotten) == (1, 3)  # Carol's code has ended too
    assert await told(rig, silent.id) == [STARTED, ("failed", "deadline")]
    assert await rig.rows("select id from verification") == [{"id": late.id}]
    assert await rig.relay.verifications.end_old(pool.bucket) == 0


async def test_the_answer_is_the_same_when_the_phone_was_never_seen_before(rig: Rig, pool: Pool) -> None:
    """Known from a session, opted out, or new: an id and five minutes."""
    await rig.session(pool, ALICE, BOB)
    known, fresh = await start(rig, pool, ALICE), await start(rig, pool, phone(0))
    began = await rig.value("select min(created_at) from verification")

    assert {type(known), type(fresh)} == {type(known)}
    for started in (known, fresh):
        row = (await rig.rows("select created_at, expires_at from verification where id = $1", started.id))[0]
        assert row["expires_at"] == started.expires_at
        assert row["expires_at"] - row["created_at"] == timedelta(minutes=5)  # type: ignore[operator]  # two times
    assert began is not None
