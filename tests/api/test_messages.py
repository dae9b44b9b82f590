"""Texts from the platform, what can be known of a message, and parked ones that a person decides about."""

from __future__ import annotations

import json

import pytest

from relay.core.ids import IdKind, bucket_of, parse
from tests.api.contract import parked_text
from tests.api.rig import ALICE, BOB, CAROL, Api, inbound

FIELDS = {
    *("id", "session", "kind", "from", "to", "state", "reason", "segments"),
    *("received_at", "send_at", "accepted_at", "delivered_at"),
}


async def test_a_text_from_the_platform_reaches_one_person_when_it_is_sent(api: Api) -> None:
    session = await api.session()
    rider = session["participants"][0]
    answer = await api.ask("POST", f"/v1/sessions/{session['id']}/messages", {"to": rider["id"], "text": "It is here."})
    await api.rig.send_all(bucket_of(parse(IdKind.SESSION, session["id"])))
    read = (await api.ask("GET", f"/v1/messages/{answer.json()['id']}")).json()

    assert answer.status_code == 202
    assert [(t.sender, t.to, t.text) for t in api.rig.carrier.sent] == [(rider["proxy_number"], ALICE, "It is here.")]
    assert set(answer.json()) == set(read) == FIELDS
    assert (read["session"], read["kind"], read["from"], read["to"]) == (session["id"], "platform", None, rider["id"])
    assert (answer.json()["state"], read["state"], read["reason"], read["segments"]) == ("queued", "accepted", None, 1)
    assert read["accepted_at"] >= read["received_at"]


async def test_only_metadata_is_answered_when_messages_are_read(api: Api) -> None:
    session = await api.session()
    words = "A word that nobody else says: zugzwang."
    await inbound(api, ALICE, session["participants"][0]["proxy_number"], words).post(api)
    listed = (await api.ask("GET", f"/v1/sessions/{session['id']}/messages")).json()["data"]
    read = await api.ask("GET", f"/v1/messages/{listed[0]['id']}")

    assert [(m["kind"], m["from"], m["to"]) for m in listed] == [
        ("relay", session["participants"][0]["id"], session["participants"][1]["id"])
    ]
    assert read.json() == listed[0]
    assert "zugzwang" not in read.text


async def test_a_text_counts_its_segments_when_it_is_long(api: Api) -> None:
    session = await api.session()
    text = {"to": session["participants"][0]["id"], "text": "x" * 161}

    assert (await api.made(f"/v1/sessions/{session['id']}/messages", text))["segments"] == 2


async def test_a_text_is_refused_when_it_is_none(api: Api) -> None:
    session = await api.session()
    for text in ("", "   ", "\n\t", "a\u0000b", "a\u001bb", "x" * 1601, 7, None, ["a"]):
        body = {"to": session["participants"][0]["id"], "text": text}
        answer = await api.ask("POST", f"/v1/sessions/{session['id']}/messages", body)

        assert answer.status_code == 422, text
        assert [p["field"] for p in answer.json()["errors"]] == ["text"]


async def test_a_recipient_is_refused_when_they_are_not_of_this_session(api: Api) -> None:
    session, other = await api.session(ALICE, BOB), await api.session(ALICE, CAROL)
    answers = [
        await api.ask("POST", f"/v1/sessions/{session['id']}/messages", {"to": to, "text": "It is here."})
        for to in (other["participants"][0]["id"], session["id"], "par_" + "a" * 26, "", "\u0000", ALICE)
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert {json.dumps(answer.json()["errors"]) for answer in answers} == {
        '[{"field": "to", "code": "unknown_participant", "message": "must be a participant of this session"}]'
    }


async def test_a_text_is_refused_when_its_recipient_has_opted_out(api: Api) -> None:
    session = await api.session()
    stop = await inbound(api, ALICE, session["participants"][0]["proxy_number"], "STOP").post(api)
    body = {"to": session["participants"][0]["id"], "text": "It is here."}
    answer = await api.ask("POST", f"/v1/sessions/{session['id']}/messages", body)
    people = (await api.ask("GET", f"/v1/sessions/{session['id']}")).json()["participants"]

    assert stop.status_code == 204
    assert (answer.status_code, answer.json()["code"]) == (409, "participant_opted_out")
    assert [p["opted_out"] for p in people] == [True, False]


async def test_a_text_is_refused_when_its_session_is_closed(api: Api) -> None:
    session = await api.session()
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    body = {"to": session["participants"][0]["id"], "text": "It is here."}
    answer = await api.ask("POST", f"/v1/sessions/{session['id']}/messages", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "session_closed")


async def test_a_parked_text_leaves_when_it_is_retried(api: Api) -> None:
    session = await api.session()
    parked = await parked_text(api, session)
    before = (await api.ask("GET", f"/v1/messages/{parked}")).json()
    retried = await api.made(f"/v1/messages/{parked}/retry", {})
    await api.rig.send_all(bucket_of(parse(IdKind.MESSAGE, parked)))

    assert (before["state"], before["reason"]) == ("parked", "ambiguous")
    assert (retried["id"], retried["state"], retried["reason"]) == (parked, "queued", None)
    assert [t.to for t in api.rig.carrier.sent] == [ALICE]


async def test_a_parked_text_is_gone_when_it_is_discarded(api: Api) -> None:
    session = await api.session()
    parked = await parked_text(api, session)
    discarded = await api.made(f"/v1/messages/{parked}/discard", {})
    retried = await api.ask("POST", f"/v1/messages/{parked}/retry")
    await api.rig.send_all(bucket_of(parse(IdKind.MESSAGE, parked)))

    assert discarded["state"] == "refused"
    assert (retried.status_code, retried.json()["code"]) == (409, "not_parked")
    assert api.rig.carrier.sent == []


@pytest.mark.parametrize("what", ["retry", "discard"])
async def test_nothing_is_decided_when_the_text_is_not_parked(api: Api, what: str) -> None:
    session = await api.session()
    text = {"to": session["participants"][0]["id"], "text": "It is here."}
    message = await api.made(f"/v1/sessions/{session['id']}/messages", text)
    answer = await api.ask("POST", f"/v1/messages/{message['id']}/{what}")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_parked")
    assert (await api.ask("GET", f"/v1/messages/{message['id']}")).json() == message


async def test_a_parked_text_cannot_be_retried_when_its_session_is_closed(api: Api) -> None:
    session = await api.session()
    parked = await parked_text(api, session)
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    answer = await api.ask("POST", f"/v1/messages/{parked}/retry")

    assert (answer.status_code, answer.json()["code"]) == (409, "session_closed")
