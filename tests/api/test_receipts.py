"""Receipts: the carrier's later word on a message, at an address whose last part only we can make."""

from __future__ import annotations

from typing import Any

from relay.core.ids import IdKind, bucket_of, parse
from tests.api.answers import seen
from tests.api.rig import PUBLIC_URL, Api, Webhook
from tests.services.rig import ACCOUNT_SID, AUTH_TOKEN


async def sent_text(api: Api) -> tuple[str, str]:
    """The id of a message that the carrier accepted, and the path at which it posts its receipts."""
    session = await api.session()
    body = {"to": session["participants"][0]["id"], "text": "It is here."}
    message = await api.made(f"/v1/sessions/{session['id']}/messages", body)
    await api.rig.send_all(bucket_of(parse(IdKind.SESSION, session["id"])))
    return message["id"], api.rig.carrier.sent[-1].callback.removeprefix(PUBLIC_URL)


def receipt(path: str, status: str) -> Webhook:
    return Webhook(path, {"MessageSid": "SM" + "5" * 32, "AccountSid": ACCOUNT_SID, "MessageStatus": status})


async def state_of(api: Api, message: str) -> Any:
    return (await api.ask("GET", f"/v1/messages/{message}")).json()["state"]


async def test_a_message_is_delivered_when_its_receipt_says_so(api: Api) -> None:
    message, path = await sent_text(api)
    before = await state_of(api, message)
    answers = [
        await receipt(path, status).post(api) for status in ("sent", "delivered", "delivered", "sent", "no word")
    ]

    assert [answer.status_code for answer in answers] == [204] * 5
    assert (before, await state_of(api, message)) == ("accepted", "delivered")


async def test_a_receipt_changes_nothing_when_its_token_is_not_ours(api: Api) -> None:
    message, path = await sent_text(api)
    place, token = path.rsplit("/", 1)
    garbage = [token[:-1], token + "A", token.swapcase(), token[::-1], "A" * 64, "%00", "%F0%9F%91%8B", "x" * 5000, "."]
    garbage += [token[:i] + ("B" if token[i] != "B" else "C") + token[i + 1 :] for i in range(0, 60, 7)]
    answers = [await receipt(f"{place}/{written}", "undelivered").post(api) for written in garbage]
    forged = await receipt(path, "undelivered").post(api, token=AUTH_TOKEN[::-1])
    without = await receipt(place, "undelivered").post(api)

    assert {str(seen(answer)) for answer in answers} == {str(seen(forged))}
    assert (forged.status_code, without.status_code) == (403, 204)
    assert await state_of(api, message) == "accepted"
