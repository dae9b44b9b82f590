"""Every fault of the carrier, seen from outside, together with what the ledger says about it.

A fault at rate 1 always strikes; rates in between are only checked to strike sometimes.
"""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from relay.sandbox.carrier.courier import Courier
from relay.sandbox.carrier.ledger import Ledger
from relay.sandbox.carrier.network import Network, Send
from relay.sandbox.carrier.weather import Config
from relay.sandbox.carrier.webhooks import Account
from tests.sandbox.carrier_rig import ALICE, BOB, MESSAGES, NUMBER, SID, TOKEN, Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_receipts_come_sent_then_delivered_when_the_weather_is_clear(rig: Rig) -> None:
    sent = (await rig.send(token="abc")).json()
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)

    assert rig.receiver.receipts("abc") == ["sent", "delivered"]
    for post in rig.receiver.posts:
        assert post.form["MessageSid"] == post.form["SmsSid"] == sent["sid"]
        assert "ErrorCode" not in post.form
    assert [entry["token"] for entry in await rig.ledger()] == ["abc"]


async def test_send_is_in_the_ledger_before_the_answer_when_latency_is_set(rig: Rig) -> None:
    await rig.weather(latency_ms=400)
    begun = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        await rig.http.post(
            MESSAGES,
            data={"To": ALICE, "From": NUMBER, "Body": "hello"},
            timeout=0.1,
        )
    during = await rig.ledger()
    heard = await rig.handset(ALICE)
    assert time.monotonic() - begun < 0.4
    begun = time.monotonic()
    answered = await rig.send()

    assert len(during) == 1
    assert heard == [("in", "hello")]
    assert answered.status_code == 201
    assert time.monotonic() - begun >= 0.4


async def test_send_is_not_accepted_when_the_carrier_errs(rig: Rig) -> None:
    await rig.weather(error_rate=1)
    answer = await rig.send(token="abc")

    assert (answer.status_code, answer.json()["code"]) == (500, 20500)
    assert await rig.ledger() == []
    assert await rig.handset(ALICE) == []


async def test_send_is_not_accepted_when_the_carrier_throttles(rig: Rig) -> None:
    await rig.weather(throttle_rate=1)
    answer = await rig.send()

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, 20429, "1")
    assert await rig.ledger() == []


async def test_some_sends_fail_when_a_rate_lies_between(rig: Rig) -> None:
    await rig.weather(error_rate=0.5)
    statuses = [(await rig.send()).status_code for _ in range(60)]

    assert set(statuses) == {201, 500}
    assert len(await rig.ledger()) == statuses.count(201)


@pytest.mark.parametrize("faults", [{"swallow_rate": 1}, {"swallow_to": [ALICE]}])
async def test_send_is_accepted_without_an_answer_when_it_is_swallowed(rig: Rig, faults: dict[str, object]) -> None:
    await rig.weather(**faults)
    with pytest.raises(httpx.RemoteProtocolError):
        await rig.send(token="abc")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)

    assert [entry["token"] for entry in await rig.ledger()] == ["abc"]
    assert await rig.handset(ALICE) == [("in", "hello")]
    assert rig.receiver.receipts("abc") == ["sent", "delivered"]


async def test_others_are_answered_when_only_one_destination_is_swallowed(rig: Rig) -> None:
    await rig.weather(swallow_to=[ALICE])

    assert (await rig.send(BOB)).status_code == 201


async def test_webhooks_come_twice_when_duplicates_are_on(rig: Rig) -> None:
    await rig.weather(duplicate_rate=1)
    sent = await rig.text("hello")
    await rig.send(token="abc")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 6)

    assert [post.form["MessageSid"] for post in rig.receiver.texts()] == [sent["id"]] * 2
    assert rig.receiver.receipts("abc") == ["sent", "sent", "delivered", "delivered"]
    assert await rig.handset(ALICE) == [("out", "hello"), ("in", "hello")]


async def test_delivered_comes_before_sent_when_receipts_are_reordered(rig: Rig) -> None:
    await rig.weather(reorder=True)
    await rig.send(token="abc")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)

    assert rig.receiver.receipts("abc") == ["delivered", "sent"]


@pytest.mark.parametrize(
    ("fault", "clear"), [({"drop_receipts": True}, {"drop_receipts": False}), ({"mute": [ALICE]}, {})]
)
async def test_no_receipt_comes_when_receipts_are_dropped_or_the_phone_is_mute(
    rig: Rig, fault: dict[str, object], clear: dict[str, object]
) -> None:
    await rig.weather(**fault)
    await rig.send(ALICE, token="silent")
    await rig.weather(**clear)
    await rig.send(BOB, token="heard")
    await rig.receiver.until(lambda: len(rig.receiver.receipts("heard")) == 2)

    assert rig.receiver.receipts("silent") == []
    assert len(await rig.ledger()) == 2


async def test_send_is_refused_with_the_given_code_when_the_phone_is_listed(rig: Rig) -> None:
    await rig.weather(refuse={ALICE: 21614})
    refused, accepted = await rig.send(ALICE), await rig.send(BOB)

    assert (refused.status_code, refused.json()["code"]) == (400, 21614)
    assert accepted.status_code == 201
    assert [entry["to"] for entry in await rig.ledger()] == [BOB]


async def test_receipt_says_undelivered_when_the_phone_is_unreachable(rig: Rig) -> None:
    await rig.weather(unreachable=[ALICE])
    sent = (await rig.send(token="abc")).json()
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)
    fetched = (await rig.http.get(sent["uri"])).json()

    assert (sent["status"], sent["error_code"]) == ("queued", None)
    assert rig.receiver.receipts("abc") == ["sent", "undelivered"]
    assert [post.form.get("ErrorCode") for post in rig.receiver.posts] == [None, "30003"]
    assert (fetched["status"], fetched["error_code"]) == ("undelivered", 30003)
    assert await rig.handset(ALICE) == []


async def test_only_named_faults_change_when_the_weather_is_put(rig: Rig) -> None:
    await rig.weather(latency_ms=5, refuse={BOB: 30004}, swallow_to=[BOB, ALICE])
    await rig.weather(reorder=True, swallow_to=[ALICE])
    refused = await rig.http.put("/control/weather", json={"latency_ms": 9, "sunshine": 1})

    weather = (await rig.http.get("/control/weather")).json()
    assert refused.status_code == 422
    assert (weather["latency_ms"], weather["reorder"], weather["error_rate"]) == (5, True, 0)
    assert (weather["refuse"], weather["swallow_to"]) == ({BOB: 30004}, [ALICE])


async def test_receipts_are_dropped_and_counted_when_too_many_wait() -> None:
    network = Network(ledger=Ledger(), config=Config())
    courier = Courier(network, Account(SID, TOKEN), retries=0, timeout_s=1)
    text = network.accept(Send(NUMBER, ALICE, "hello", "http://127.0.0.1:1/receipts/abc"))
    for _ in range(20_002):
        courier.expect_receipts(text)

    assert (courier.receipts_waiting, courier.receipts_dropped) == (20_000, 2)


async def test_sends_are_answered_when_receipts_are_taken_slowly(rig: Rig) -> None:
    rig.receiver.drip_s = 0.3
    begun = time.monotonic()
    answers = await asyncio.gather(*(rig.send(token=f"t{n}") for n in range(40)))
    took = time.monotonic() - begun
    health = (await rig.http.get("/healthz")).json()

    assert {answer.status_code for answer in answers} == {201}
    assert took < 2
    assert health["status"] == "ok"
    assert health["receipts"]["waiting"] > 0
    assert health["receipts"]["dropped"] == 0


async def test_every_kind_of_nonsense_comes_and_every_text_is_accepted_when_answers_are_garbled(rig: Rig) -> None:
    await rig.weather(garble_rate=1)
    answers = [await rig.send(token=f"t{n}") for n in range(60)]

    kinds = {(answer.status_code, answer.headers.get("content-type"), len(answer.content) > 0) for answer in answers}
    assert len(kinds) >= 4
    assert all(_sid(answer) is None for answer in answers)
    assert len(await rig.ledger()) == 60


def _sid(answer: httpx.Response) -> str | None:
    """The id of a text as a client could use it."""
    try:
        sid = str(answer.json().get("sid"))
    except ValueError:
        return None
    return sid if answer.is_success and sid.startswith("SM") else None


async def test_a_search_finds_nothing_when_texts_are_not_listed(rig: Rig) -> None:
    await rig.send(token="t")
    found = (await rig.http.get(MESSAGES)).json()["messages"]
    await rig.weather(unlisted=True)
    hidden = (await rig.http.get(MESSAGES)).json()["messages"]

    assert (len(found), hidden) == (1, [])


async def test_it_tells_which_receipts_were_taken(rig: Rig) -> None:
    rig.receiver.statuses = [200, 503]
    await rig.send(token="first")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)
    await rig.send(token="second")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 4)
    taken: dict[str, list[str]] = {}
    while "delivered" not in taken.get("second", []):
        taken = (await rig.http.get("/control/receipts")).json()

    # Receipts of the test before may still be on their way.
    assert (taken["first"], taken["second"]) == (["sent"], ["sent", "delivered"])
