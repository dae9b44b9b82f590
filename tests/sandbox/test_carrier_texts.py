"""What a person's phone does: texts and their webhooks, opt-out words, repetitions, retries, calls.

The control surface's own rules are here too, since it is what plays the person.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.sandbox.carrier_rig import ALICE, BOB, NUMBER, OTHER_NUMBER, SID, Rig, carrier_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_text_reaches_handset_and_webhook_when_a_person_writes(rig: Rig) -> None:
    sent = await rig.text("on my way")

    [post] = rig.receiver.texts()
    assert sent == {"id": post.form["MessageSid"], "status": 200}
    assert sent["id"].startswith("SM")
    expected = {"From": ALICE, "To": NUMBER, "Body": "on my way", "AccountSid": SID, "NumMedia": "0", "FromCity": ""}
    assert expected.items() <= post.form.items()
    assert (post.form["SmsStatus"], post.form["NumSegments"], post.form["ApiVersion"]) == (
        "received",
        "1",
        "2010-04-01",
    )
    assert await rig.handset(ALICE) == [("out", "on my way")]
    assert await rig.ledger() == []


async def test_webhook_names_each_file_when_a_text_has_media(rig: Rig) -> None:
    sent = await rig.text("", media=2)

    [post] = rig.receiver.texts()
    assert sent["id"].startswith("MM")
    assert post.form["NumMedia"] == "2"
    assert {"MediaUrl0", "MediaUrl1", "MediaContentType0", "MediaContentType1"} <= set(post.form)
    assert post.form["MediaUrl0"].startswith(f"{rig.url}/2010-04-01/Accounts/{SID}/Messages/{sent['id']}/Media/ME")


@pytest.mark.parametrize(
    "word", ["STOP", " stop\n", "StopAll", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"]
)
async def test_carrier_answers_and_blocks_when_a_text_is_a_stop_word(rig: Rig, word: str) -> None:
    sent = await rig.text(word)

    refused, from_elsewhere = await rig.send(), await rig.send(BOB)
    assert sent["status"] == 200
    assert [post.form["Body"] for post in rig.receiver.texts()] == [word]
    assert (refused.status_code, refused.json()["code"]) == (400, 21610)
    assert from_elsewhere.status_code == 201
    [own, confirmation] = await rig.handset(ALICE)
    assert (own, confirmation[0]) == (("out", word), "in")
    assert "unsubscribed" in confirmation[1]
    assert [entry["to"] for entry in await rig.ledger()] == [BOB]


@pytest.mark.parametrize("body", ["stop at the corner", "please stop", "stop.", "yes", "start", ""])
async def test_nothing_is_blocked_or_answered_when_a_text_is_talk(rig: Rig, body: str) -> None:
    await rig.text(body)

    assert (await rig.send()).status_code == 201
    assert await rig.handset(ALICE) == [("out", body), ("in", "hello")]


async def test_block_holds_for_one_number_when_the_person_knows_two(rig: Rig) -> None:
    await rig.text("STOP", to=OTHER_NUMBER)

    assert (await rig.send()).status_code == 201


@pytest.mark.parametrize("word", ["START", "yes", " Unstop "])
async def test_sends_are_accepted_again_when_the_person_opts_back_in(rig: Rig, word: str) -> None:
    await rig.text("STOP")
    await rig.text("STOP")
    await rig.text(word)

    assert (await rig.send()).status_code == 201
    shown = await rig.handset(ALICE)
    assert [direction for direction, _ in shown] == ["out", "in", "out", "out", "in", "in"]
    assert "subscribed to this number again" in shown[4][1]
    assert len(rig.receiver.texts()) == 3


@pytest.mark.parametrize("word", ["HELP", "info"])
async def test_help_is_shown_when_the_person_asks_for_it(rig: Rig, word: str) -> None:
    await rig.text(word)

    shown = await rig.handset(ALICE)
    assert [direction for direction, _ in shown] == ["out", "in"]
    assert "help" in shown[1][1]
    assert (await rig.send()).status_code == 201


async def test_webhook_is_repeated_as_given_when_an_id_is_used_again(rig: Rig) -> None:
    first = await rig.text("STOP")
    await rig.text("START")
    again = await rig.text("STOP", id=first["id"])
    altered = await rig.text("something else", sender=BOB, id=first["id"])

    repeated = [post.form for post in rig.receiver.texts() if post.form["MessageSid"] == first["id"]]
    assert again["id"] == altered["id"] == first["id"]
    assert [form["Body"] for form in repeated] == ["STOP", "STOP", "something else"]
    assert [text for direction, text in await rig.handset(ALICE) if direction == "out"] == ["STOP", "START"]
    assert await rig.handset(BOB) == []
    assert (await rig.send()).status_code == 201


async def test_text_takes_the_given_id_when_it_is_new(rig: Rig) -> None:
    text_id = "SM" + "0a" * 16
    sent = await rig.text("hello", id=text_id)

    assert sent == {"id": text_id, "status": 200}
    assert await rig.handset(ALICE) == [("out", "hello")]


async def test_webhook_is_tried_again_when_the_receiver_fails(rig: Rig) -> None:
    rig.receiver.statuses = [503, 500]
    sent = await rig.text("hello")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 3)

    assert sent["status"] == 503
    assert {post.form["MessageSid"] for post in rig.receiver.posts} == {sent["id"]}
    assert len({post.signature for post in rig.receiver.posts}) == 1


async def test_tries_end_when_the_receiver_fails_more_often_than_allowed() -> None:
    async with carrier_rig(retries=1) as rig:
        rig.receiver.statuses = [500] * 10
        await rig.text("lost")
        await rig.receiver.until(lambda: len(rig.receiver.posts) == 2)
        # A second retry would come 0.4 s after the first.
        await asyncio.sleep(0.6)

        assert len(rig.receiver.posts) == 2


@pytest.mark.parametrize("status", [204, 302, 403, 404])
async def test_webhook_is_not_repeated_when_the_receiver_has_answered(rig: Rig, status: int) -> None:
    rig.receiver.statuses = [status, 500]
    sent = await rig.text("first")
    await rig.text("second")
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 3)

    assert sent["status"] == status
    assert [post.form["Body"] for post in rig.receiver.posts] == ["first", "second", "second"]


async def test_text_arrives_later_when_nobody_listens_at_first(rig: Rig) -> None:
    webhook_url = (await rig.http.get("/control/config")).json()["webhook_url"]
    await rig.http.put("/control/config", json={"webhook_url": "http://127.0.0.1:1/texts"})
    sent = await rig.text("hello")
    await rig.http.put("/control/config", json={"webhook_url": webhook_url})
    await rig.receiver.until(lambda: len(rig.receiver.posts) == 1)

    assert sent["status"] == 0
    assert rig.receiver.posts[0].form["MessageSid"] == sent["id"]


async def test_try_is_given_up_when_the_receiver_drips_for_too_long() -> None:
    # More retries than are looked at: on a busy machine a try may be over before the receiver has heard of it.
    async with carrier_rig(timeout_s=0.3, retries=4) as rig:
        rig.receiver.drip_s = 3.0
        sent = await rig.text("hello")
        await rig.receiver.until(lambda: len(rig.receiver.posts) >= 2)

    assert sent["status"] == 0


async def test_twiml_comes_back_when_a_person_calls(rig: Rig) -> None:
    answer = await rig.http.post("/control/calls", json={"from": ALICE, "to": NUMBER})

    [post] = rig.receiver.posts
    assert answer.json() == {"status": 200, "body": "<Response/>"}
    assert post.path == "/calls"
    assert (post.form["CallStatus"], post.form["From"], post.form["To"]) == ("ringing", ALICE, NUMBER)
    assert post.form["CallSid"].startswith("CA")


async def test_everything_but_the_numbering_is_forgotten_when_the_state_is_deleted(rig: Rig) -> None:
    await rig.text("STOP", to=OTHER_NUMBER)
    await rig.send(token="first")
    [entry] = await rig.ledger()
    sid, n = entry["id"], entry["n"]
    await rig.text("STOP")
    assert (await rig.http.delete("/control/state")).status_code == 204
    phones = (await rig.http.get("/control/phones")).json()
    forgotten = await rig.http.get(f"/2010-04-01/Accounts/{SID}/Messages/{sid}.json")
    await rig.send(token="second")
    await rig.send(token="third")

    assert (phones, forgotten.status_code) == ([], 404)
    assert [(entry["n"], entry["token"]) for entry in await rig.ledger()] == [(n + 1, "second"), (n + 2, "third")]
    assert [entry["token"] for entry in await rig.ledger(since=n + 1)] == ["third"]
    assert await rig.ledger(since=n + 2) == []
    assert (await rig.http.get("/control/phones")).json() == [ALICE]


@pytest.mark.parametrize(
    ("method", "path", "document", "field"),
    [
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER}, "text"),
        ("POST", "/control/texts", {"from": ALICE, "to": "shop", "text": ""}, "to"),
        ("POST", "/control/texts", {"from": " ", "to": NUMBER, "text": ""}, "from"),
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER, "text": "\ud800"}, "text"),
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER, "text": "", "media": 1.5}, "media"),
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER, "text": "", "media": 11}, "media"),
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER, "text": "", "id": "SM1"}, "id"),
        ("POST", "/control/texts", {"from": ALICE, "to": NUMBER, "txet": ""}, "txet"),
        ("POST", "/control/texts", [], "body"),
        ("POST", "/control/calls", {"from": ALICE}, "to"),
        ("PUT", "/control/config", {"webhook_url": "somewhere"}, "webhook_url"),
        ("PUT", "/control/config", {"now_offset_s": "1"}, "now_offset_s"),
        ("PUT", "/control/weather", {"eror_rate": 1}, "eror_rate"),
        ("PUT", "/control/weather", {"error_rate": 1.1}, "error_rate"),
        ("PUT", "/control/weather", {"error_rate": True}, "error_rate"),
        ("PUT", "/control/weather", {"latency_ms": -1}, "latency_ms"),
        ("PUT", "/control/weather", {"reorder": 1}, "reorder"),
        ("PUT", "/control/weather", {"mute": ALICE}, "mute"),
        ("PUT", "/control/weather", {"refuse": {ALICE: "30003"}}, "refuse"),
        ("PUT", "/control/weather", {"refuse": {"alice": 30003}}, "refuse"),
        ("GET", "/control/ledger?since=all", None, "since"),
    ],
)
async def test_control_is_refused_with_the_fields_name_when_a_document_is_wrong(
    rig: Rig, method: str, path: str, document: Any, field: str
) -> None:
    # json.dumps escapes what cannot be UTF-8, which is how a lone surrogate travels.
    answer = await rig.http.request(method, path, content=json.dumps(document))

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert rig.receiver.posts == []
