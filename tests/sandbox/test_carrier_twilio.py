"""Twilio's official package judges the carrier: its Client speaks to it, its RequestValidator checks the signatures.

Where the two disagree, the carrier is wrong. The Client is synchronous, so it runs in a thread beside the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.carrier_rig import ALICE, BOB, NUMBER, OTHER_NUMBER, SID, TOKEN, Rig

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

twilio_rest = pytest.importorskip("twilio.rest")
twilio_http = pytest.importorskip("twilio.http.http_client")
twilio_errors = pytest.importorskip("twilio.base.exceptions")
twilio_signatures = pytest.importorskip("twilio.request_validator")


class Redirected:
    """The package's own HTTP client, with Twilio's host replaced by the carrier's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._inner = twilio_http.TwilioHttpClient()
        self._inner.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send the request to the carrier."""
        return self._inner.request(method, url.replace("https://api.twilio.com", self._url), *args, **kwargs)

    def close(self) -> None:
        """Close the kept connections."""
        self._inner.session.close()


@pytest.fixture
def client_for(rig: Rig) -> Iterator[Callable[[str], Any]]:
    opened = []

    def make(auth_token: str) -> Any:
        opened.append(Redirected(rig.url))
        return twilio_rest.Client(SID, auth_token, http_client=opened[-1])

    yield make
    for each in opened:
        each.close()


async def refusal_of(call: Callable[..., Any], **arguments: Any) -> Any:
    """The TwilioRestException that the call raises."""
    with pytest.raises(twilio_errors.TwilioRestException) as caught:
        await asyncio.to_thread(call, **arguments)
    return caught.value


async def test_message_is_accepted_when_the_official_client_creates_one(
    rig: Rig, client_for: Callable[[str], Any]
) -> None:
    client = client_for(TOKEN)

    made = await asyncio.to_thread(client.messages.create, to=BOB, from_=NUMBER, body="Hej då 👋")

    assert (made.status, made.num_segments, made.direction) == ("queued", "1", "outbound-api")
    assert (made.to, made.from_, made.body, made.error_code) == (BOB, NUMBER, "Hej då 👋", None)
    assert made.date_sent is None
    assert abs(made.date_created - datetime.now(UTC)) < timedelta(seconds=5)
    [entry] = await rig.ledger()
    assert (entry["id"], entry["to"], entry["text"], entry["token"]) == (made.sid, BOB, "Hej då 👋", None)


async def test_message_and_account_are_found_when_the_official_client_fetches_them(
    rig: Rig, client_for: Callable[[str], Any]
) -> None:
    client, sid = client_for(TOKEN), (await rig.send()).json()["sid"]

    message = await asyncio.to_thread(client.messages(sid).fetch)
    account = await asyncio.to_thread(client.api.accounts(SID).fetch)
    unknown = await refusal_of(client.messages("SM" + "0" * 32).fetch)

    assert (message.sid, message.status, message.body) == (sid, "delivered", "hello")
    assert (account.sid, account.status) == (SID, "active")
    assert (unknown.status, unknown.code) == (404, 20404)


async def test_every_page_is_walked_when_the_official_client_lists(rig: Rig, client_for: Callable[[str], Any]) -> None:
    for n in range(5):
        await rig.send(ALICE, str(n))
    await rig.send(BOB, "for another")
    client = client_for(TOKEN)

    listed = await asyncio.to_thread(client.messages.list, to=ALICE, from_=NUMBER, page_size=2)
    limited = await asyncio.to_thread(client.messages.list, limit=3)

    assert [message.body for message in listed] == ["4", "3", "2", "1", "0"]
    assert [message.body for message in limited] == ["for another", "4", "3"]


async def test_list_keeps_to_the_window_when_the_official_client_gives_times(
    rig: Rig, client_for: Callable[[str], Any]
) -> None:
    await rig.send(ALICE, "before")
    await rig.http.put("/control/config", json={"now_offset_s": 3600})
    await rig.send(ALICE, "an hour later")
    client, middle = client_for(TOKEN), datetime.now(UTC) + timedelta(minutes=30)

    after = await asyncio.to_thread(client.messages.list, to=ALICE, date_sent_after=middle)
    before = await asyncio.to_thread(client.messages.list, to=ALICE, date_sent_before=middle)
    nothing = await asyncio.to_thread(client.messages.list, to=ALICE, date_sent=datetime(2008, 1, 2, tzinfo=UTC))

    assert [message.body for message in after] == ["an hour later"]
    assert [message.body for message in before] == ["before"]
    assert nothing == []


async def test_send_is_refused_with_21610_when_the_person_has_said_stop(
    rig: Rig, client_for: Callable[[str], Any]
) -> None:
    await rig.text("Stop")
    client = client_for(TOKEN)

    refused = await refusal_of(client.messages.create, to=ALICE, from_=NUMBER, body="hello")
    other_number = await asyncio.to_thread(client.messages.create, to=ALICE, from_=OTHER_NUMBER, body="hello")

    assert (refused.status, refused.code) == (400, 21610)
    assert other_number.status == "queued"


async def test_client_is_refused_with_20003_when_its_token_is_wrong(rig: Rig, client_for: Callable[[str], Any]) -> None:
    client = client_for(TOKEN + "!")

    sending = await refusal_of(client.messages.create, to=ALICE, from_=NUMBER, body="hello")
    asking = await refusal_of(client.api.accounts(SID).fetch)

    assert (sending.status, sending.code) == (401, 20003)
    assert (asking.status, asking.code) == (401, 20003)
    assert await rig.ledger() == []


async def test_official_validator_accepts_every_webhook_when_the_carrier_signs_it(rig: Rig) -> None:
    validator = twilio_signatures.RequestValidator(TOKEN)
    await rig.text("på väg + 5 min\n👍", media=2)
    await rig.send(token="abc")
    await rig.http.post("/control/calls", json={"from": ALICE, "to": NUMBER})
    await rig.receiver.until(lambda: len(rig.receiver.receipts("abc")) == 2)

    assert {post.path for post in rig.receiver.posts} == {"/texts", "/calls", "/receipts/abc"}
    for post in rig.receiver.posts:
        assert validator.validate(post.url, post.form, post.signature), post.path
        assert not validator.validate(post.url, post.form | {"From": BOB}, post.signature), post.path
        assert not twilio_signatures.RequestValidator("another").validate(post.url, post.form, post.signature)
