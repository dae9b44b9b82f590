"""Webhooks at the API: secrets shown once, addresses never shown whole, what was told, and what can be told again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.core import signing
from relay.core.ids import IdKind, bucket_of, parse, public
from relay.services.webhooks import MOST_ENDPOINTS
from tests.api.answers import problem_in, told
from tests.api.rig import CAROL, Api, Log, inbound
from tests.services.listening import tell

URL = "https://hooks.example.com/relay/T0K3N?token=abc089"


async def made(api: Api, *events: str, url: str = URL) -> dict[str, Any]:
    webhook = await api.made("/v1/webhooks", {"url": url, "events": list(events) or ["*"]})
    api.rig.later(milliseconds=1)
    return webhook


async def listed(api: Api, path: str) -> list[dict[str, Any]]:
    """All of a list, page by page of two."""
    found, cursor = [], ""
    while True:
        answer = await api.ask("GET", f"{path}{'&' if '?' in path else '?'}limit=2{cursor}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"


def is_newest_first(written: list[str]) -> bool:
    ids = [parse(IdKind.EVENT, one) for one in written]
    return ids == sorted(ids, reverse=True)


async def test_an_address_and_its_secret_are_not_shown_again_when_a_webhook_was_made(api: Api, log: Log) -> None:
    webhook = await made(api, "session.*", "session.*")
    secret = webhook.pop("secret")
    shown = [webhook, (await api.ask("GET", f"/v1/webhooks/{webhook['id']}")).json()]
    shown += (await api.ask("GET", "/v1/webhooks")).json()["data"]

    assert shown == [webhook] * 3
    assert (webhook["host"], webhook["events"], webhook["status"]) == ("hooks.example.com", ["session.*"], "enabled")
    assert secret.startswith("whsec_")
    for private in (secret, "T0K3N", "abc089"):
        assert private not in str(shown) + log.text


async def test_the_secret_is_not_in_the_answer_when_it_is_given_again(api: Api) -> None:
    body = {"url": URL}
    first = await api.ask("POST", "/v1/webhooks", body, idempotency_key="one")
    again = await api.ask("POST", "/v1/webhooks", body, idempotency_key="one")
    rotated = [
        await api.ask("POST", f"/v1/webhooks/{first.json()['id']}/rotate", {}, idempotency_key="two") for _ in range(2)
    ]

    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == {**first.json(), "secret": None}
    assert again.headers["idempotent-replayed"] == "true"
    assert rotated[1].json() == {**rotated[0].json(), "secret": None}
    assert len((await api.ask("GET", "/v1/webhooks")).json()["data"]) == 1


REFUSED = {
    "no https": ({"url": "http://hooks.example.com/"}, "url"),
    "this machine": ({"url": "https://127.0.0.1/"}, "url"),
    "a phone as a name": ({"url": "https://a.example/#+12025550177"}, "url"),
    "no event": ({"url": URL, "events": ["audit.read"]}, "events.0"),
    "no events": ({"url": URL, "events": []}, "events"),
    "another field": ({"url": URL, "secret": "whsec_"}, "secret"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_webhook_is_refused_when_it_cannot_be_told_anything(api: Api, what: str) -> None:
    body, field = REFUSED[what]
    answer = await api.ask("POST", "/v1/webhooks", body)

    assert answer.status_code == 422
    assert problem_in(answer)["errors"][0]["field"] == field
    assert "2025550177" not in answer.text


async def test_no_more_webhooks_are_made_when_an_account_has_many(api: Api) -> None:
    for _ in range(MOST_ENDPOINTS):
        await made(api)
    answer = await api.ask("POST", "/v1/webhooks", {"url": URL})

    assert (answer.status_code, problem_in(answer)["code"]) == (409, "too_many_webhooks")


async def test_an_address_can_be_tried_when_it_is_disabled_too(api: Api) -> None:
    webhook = await made(api)
    path = f"/v1/webhooks/{webhook['id']}"
    off = (await api.ask("PATCH", path, {"enabled": False})).json()
    answers = [await api.made(f"{path}/test", {})]
    api.rig.customers.say(302)
    answers.append(await api.made(f"{path}/test", {}))
    (told, _) = api.rig.customers.posts

    assert (off["status"], off["disabled_reason"]) == ("disabled", "api")
    assert answers == [
        {"delivered": True, "status": 204, "failure": None},
        {"delivered": False, "status": 302, "failure": None},
    ]
    assert (told.event["type"], told.event["data"]) == ("webhook.test", {"webhook": webhook["id"]})
    signing.verify(webhook["secret"], told.headers, told.body, now=datetime.now(tz=UTC))


async def test_the_address_and_the_filter_change_when_they_are_given(api: Api) -> None:
    webhook = await made(api, "pool.*")
    path = f"/v1/webhooks/{webhook['id']}"
    moved = (await api.ask("PATCH", path, {"url": "https://new.example:8443/x"})).json()
    refiltered = (await api.ask("PATCH", path, {"events": ["session.closed"], "enabled": True})).json()
    await api.made(f"{path}/test", {})
    (told,) = api.rig.customers.posts

    assert (moved["host"], moved["events"]) == ("new.example:8443", ["pool.*"])
    assert (refiltered["host"], refiltered["events"]) == ("new.example:8443", ["session.closed"])
    assert told.url.text == "https://new.example:8443/x"
    signing.verify(webhook["secret"], told.headers, told.body, now=datetime.now(tz=UTC))


async def test_the_ledger_says_what_was_told_and_what_was_not_when_it_is_read(api: Api) -> None:
    webhook = await made(api, "session.*")
    for other in (CAROL, CAROL, CAROL):
        session = await api.session(other=other)
        await api.made(f"/v1/sessions/{session['id']}/close", {})
    await tell(api.rig)
    api.rig.customers.say(500)
    await api.session(other=CAROL)
    await tell(api.rig)
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    all_of_it, waiting = await listed(api, path), await listed(api, f"{path}?state=waiting")

    assert [one["type"] for one in all_of_it] == ["session.opened", *["session.closed", "session.opened"] * 3]
    assert waiting == all_of_it[:1]
    assert {name: waiting[0][name] for name in ("state", "tries", "failure", "last_status")} == {
        "state": "waiting",
        "tries": 1,
        "failure": "status",
        "last_status": 500,
    }
    assert {one["state"] for one in all_of_it[1:]} == {"delivered"}
    assert is_newest_first([one["event"] for one in all_of_it])


async def test_the_events_are_those_that_were_told_when_they_are_listed(api: Api) -> None:
    await made(api)
    session = await api.session()
    number = session["participants"][0]["proxy_number"]
    await inbound(api, "+12025550177", number, "hello").post(api)
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    await tell(api.rig)
    sent = {post.event["id"]: post.event for post in api.rig.customers.posts}
    all_of_it = await listed(api, "/v1/events")
    of_session = await listed(api, f"/v1/events?session={session['id']}")
    of_type = await listed(api, f"/v1/events?session={session['id']}&type=message.received")

    assert {event["id"]: event for event in all_of_it if event["id"] in sent} == sent
    assert is_newest_first([event["id"] for event in all_of_it])
    assert len({bucket_of(parse(IdKind.EVENT, event["id"])) for event in all_of_it}) == 2
    assert {event["type"].split(".")[0] for event in all_of_it} == {"session", "message", "pool", "number", "webhook"}
    assert [event["sequence"] for event in of_session] == list(range(len(of_session), 0, -1))
    assert [event["type"] for event in of_type] == ["message.received"]
    assert "2025550177" not in str(all_of_it)


@pytest.mark.parametrize("query", ["type=key.created", "type=x", "session=+12025550177", "cursor=x", "kind=x"])
async def test_a_list_of_events_is_refused_when_it_is_asked_for_something_else(api: Api, query: str) -> None:
    answer = await api.ask("GET", f"/v1/events?{query}")

    assert answer.status_code == 422
    assert "2025550177" not in answer.text


async def test_an_event_of_before_is_told_when_it_is_replayed(api: Api) -> None:
    session = await api.session()
    (event,) = await listed(api, f"/v1/events?session={session['id']}")
    webhook, other = await made(api), await made(api, "pool.*")
    replayed = await api.made(f"/v1/events/{event['id']}/replay", {})
    await tell(api.rig)
    to_other = await api.made(f"/v1/events/{event['id']}/replay", {"webhook": other["id"]})
    await tell(api.rig)

    assert event["sequence"] is None
    assert (replayed["webhooks"], to_other["webhooks"]) == ([webhook["id"]], [other["id"]])
    came = [post.event for post in api.rig.customers.posts if post.event["type"] != "webhook.enabled"]
    assert came == [{**event, "sequence": 1}] * 2


async def test_a_delivery_begins_anew_when_its_event_is_replayed(api: Api) -> None:
    webhook = await made(api, "session.*")
    session = await api.session()
    api.rig.customers.say(410)
    await tell(api.rig)
    api.rig.customers.say(204)
    (event,) = await listed(api, f"/v1/events?session={session['id']}")
    path, replay = f"/v1/webhooks/{webhook['id']}", f"/v1/events/{event['id']}/replay"
    refused = await api.ask("POST", replay, {})
    assert (refused.status_code, problem_in(refused)["code"]) == (409, "no_webhook")
    await api.ask("PATCH", path, {"enabled": True})
    await api.made(replay, {})
    await tell(api.rig)
    (delivery,) = await listed(api, f"{path}/deliveries")

    assert (delivery["state"], delivery["tries"], delivery["failure"]) == ("delivered", 1, None)
    assert [post.event["id"] for post in api.rig.customers.posts] == [event["id"]] * 2


async def test_nothing_is_replayed_when_the_event_or_the_webhook_is_not_the_callers(api: Api) -> None:
    other = await api.other_account()
    await made(api)
    theirs = await made(other)
    await api.new_key()
    (key,) = await api.rig.rows("select id from event where type = 'key.created' order by id desc limit 1")
    session = await api.session()
    (event,) = await listed(api, f"/v1/events?session={session['id']}")
    unknown = await api.ask("POST", f"/v1/events/{IdKind.EVENT}_{'a' * 26}/replay", {})
    hidden = await api.ask("POST", f"/v1/events/{public(IdKind.EVENT, key['id'])}/replay", {})
    foreign = await other.ask("POST", f"/v1/events/{event['id']}/replay", {})
    to_theirs = await api.ask("POST", f"/v1/events/{event['id']}/replay", {"webhook": theirs["id"]})

    assert unknown.status_code == 404
    assert told(hidden) == told(unknown)
    assert told(foreign)[2] == told(unknown)[2]
    assert to_theirs.status_code == 422
    assert await api.rig.value("select count(*) from delivery where account_id = $1", other.rig.account.id) == 0


async def test_a_secret_lives_for_a_day_more_when_another_takes_its_place(api: Api) -> None:
    webhook = await made(api)
    before = await api.rig.relay.database.now()
    rotated = await api.made(f"/v1/webhooks/{webhook['id']}/rotate", {})
    until = datetime.fromisoformat(rotated["former_secret_until"])

    assert rotated["secret"] != webhook["secret"]
    assert abs(until - before - timedelta(days=1)) < timedelta(seconds=5)
