"""What becomes of a text by what the carrier says, or fails to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from relay.core.delivery import BACKOFF, JITTER, Outcome
from relay.services.sending import HandedOver
from tests.services.carrier import answered, lost_answer, refusal, unreachable
from tests.services.rig import Rig, Talk, start_talk


async def attempt(talk: Talk) -> HandedOver:
    """Hand over the one text that is due."""
    (intent,) = await talk.rig.begin(talk.bucket)
    return await talk.rig.hand_over(talk.bucket, intent)


async def wait_until_due(talk: Talk) -> timedelta:
    """How long the next attempt is away; that time passes."""
    due = await talk.rig.value("select due_at from outbox")
    begun = await talk.rig.value("select max(begun_at) from attempt")
    assert isinstance(due, datetime)
    assert isinstance(begun, datetime)
    left = due - await talk.rig.relay.database.now()
    talk.rig.later(seconds=max(0.0, left.total_seconds()))
    return due - begun


async def test_the_waits_grow_as_in_the_table_when_the_carrier_cannot_be_reached(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = unreachable

    waits = []
    for _ in range(7):
        assert (await attempt(talk)).mark.outcome is Outcome.NOT_SENT
        waits.append((await wait_until_due(talk)).total_seconds())

    for waited, wanted in zip(waits, [*BACKOFF, BACKOFF[-1], BACKOFF[-1]], strict=True):
        assert wanted * (1 - JITTER) <= waited <= wanted * (1 + JITTER)
    assert await rig.states() == [("queued", None)]


async def test_the_wait_is_at_least_what_the_carrier_asks_for(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = lambda _: refusal(20429, 429, {"retry-after": "77"})

    handed = await attempt(talk)

    assert handed.throttled_for == 77.0
    assert (await wait_until_due(talk)).total_seconds() == 77.0


async def test_the_number_is_told_to_slow_down_when_the_carrier_names_no_time(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = lambda _: refusal(20429, 429)

    assert (await attempt(talk)).throttled_for == 0.0


async def test_the_number_keeps_its_pace_when_the_trouble_is_the_account(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = lambda _: refusal(20003, 401)

    handed = await attempt(talk)

    assert (handed.mark.outcome, handed.throttled_for) == (Outcome.NOT_SENT, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(30007, "carrier_filtered"), (21614, "landline"), (21211, "invalid_destination"), (99999, "unknown")],
)
async def test_a_text_is_refused_for_our_reason_when_the_carrier_says_no(rig: Rig, code: int, reason: str) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = lambda _: refusal(code)

    await rig.send_all(talk.bucket)

    assert await rig.states() == [("refused", reason)]
    assert await rig.rows("select 1 from outbox") == []
    assert await rig.rows("select outcome from attempt") == [{"outcome": "refused"}]


_UNCLEAR = {
    "no answer": lost_answer,
    "500": lambda _: answered(500, {"code": 20500}),
    "broken JSON": lambda _: httpx.Response(201, stream=httpx.ByteStream(b'{"sid": "SM')),
    "no sid": lambda _: answered(201, {"status": "queued"}),
    "a gateway's 408": lambda _: httpx.Response(408, stream=httpx.ByteStream(b"timeout")),
}


@pytest.mark.parametrize("how", _UNCLEAR)
async def test_a_text_is_left_alone_when_the_carrier_may_have_taken_it(rig: Rig, how: str) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.carrier.answer = _UNCLEAR[how]

    handed = await attempt(talk)
    rig.carrier.answer = None
    rig.later(seconds=119)

    assert handed.mark.outcome is Outcome.AMBIGUOUS
    assert await rig.send_all(talk.bucket) == 0
    assert await rig.rows("select state, phase from message join outbox on message_id = id") == [
        {"state": "sending", "phase": "unresolved"}
    ]


@pytest.mark.parametrize("late", ["the lease has run out", "it took too long to start"])
async def test_nothing_is_written_to_the_socket_when_it_is_too_late_to_begin(rig: Rig, late: str) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    (intent,) = await rig.begin(talk.bucket)
    if late == "the lease has run out":
        handed = await rig.relay.sending.hand_over(intent, lease_until=0.0)
    else:
        handed = await rig.relay.sending.hand_over(replace(intent, start_by=0.0), lease_until=float("inf"))
    await rig.relay.sending.settle(talk.bucket, handed)

    assert handed.mark.outcome is Outcome.NOT_BEGUN
    assert rig.carrier.asked == []
    assert await rig.send_all(talk.bucket) == 1  # at once, without a wait


async def test_a_text_is_refused_and_the_rest_goes_on_when_its_row_cannot_be_opened(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("broken")
    await talk.say("whole", slot=2)
    await rig.rows("update outbox set sealed_text = 'x' where leg_no = 1 returning 1 as x")

    await rig.send_all(talk.bucket)

    assert await rig.states() == [("refused", "unknown"), ("accepted", None)]
    assert [t.text for t in rig.carrier.sent] == ["whole"]


@pytest.mark.parametrize("lacking", ["the key", "the credentials"])
async def test_a_text_waits_and_is_not_lost_when_this_process_cannot_open_what_it_needs(rig: Rig, lacking: str) -> None:
    """Another process may have a newer keyring file, and an operator may bring the right one."""
    talk = await start_talk(rig)
    await talk.say("hello")
    column = {"the key": "outbox set transit_id", "the credentials": "connection set key_id"}[lacking]
    await rig.rows(f"update {column} = 77 returning 1 as x")
    await rig.relay.accounts.change(rig.account.id, {"name": "noticed"})  # the configuration is read anew

    await rig.send_all(talk.bucket)
    waiting = await rig.rows("select state, phase from message join outbox on message_id = id")
    await rig.rows(f"update {column} = 1 returning 1 as x")
    await rig.relay.accounts.change(rig.account.id, {"name": "noticed again"})
    await wait_until_due(talk)

    assert waiting == [{"state": "queued", "phase": "queued"}]
    assert await rig.send_all(talk.bucket) == 1
    assert [t.text for t in rig.carrier.sent] == ["hello"]


async def test_swapped_envelopes_reach_nobody_when_somebody_has_tampered_with_the_table(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("to Bob")
    await talk.say("to Alice", slot=2)
    await rig.rows(
        "update outbox o set sealed_phone = x.sealed_phone, sealed_text = x.sealed_text from outbox x"
        " where x.message_id <> o.message_id returning 1 as x"
    )

    await rig.send_all(talk.bucket)

    assert rig.carrier.asked == []
    assert await rig.states() == [("refused", "unknown")] * 2


async def test_the_carrier_is_told_where_receipts_go_when_it_takes_a_text(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)

    (sent,) = rig.carrier.sent
    assert sent.callback.startswith("http://127.0.0.1:8000/hooks/con_")
    (row,) = await rig.rows("select id, message_id from attempt")
    assert (rig.token(sent).attempt_id, rig.token(sent).message_id) == (row["id"], row["message_id"])
