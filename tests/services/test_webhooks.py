"""Endpoints and what they are told: each event once for each that wants it, numbered in its session, signed, tried
again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.core import signing
from relay.core.errors import NotFound
from relay.core.ids import IdKind, public
from relay.core.webhooks import SCHEDULE, DisabledReason
from relay.services.webhooks import EndpointChange
from relay.services.webhooks.ledger import EventsWanted
from relay.services.webhooks.telling import Telling
from relay.storage.database import Database
from tests.services.customers import Told
from tests.services.listening import URL, deliveries, give_out, listen, post, tell, types
from tests.services.people import ALICE, BOB, numbers
from tests.services.rig import Rig, make_rig, start_talk
from tests.services.stories import both_ways, closed_while_waiting, stop_then_start


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Unwatched: here events are told, not made."""
    return await make_rig(db)


async def happen(rig: Rig, count: int = 1, *, bucket: int | None = None, ago: float = 0) -> list[UUID]:
    """Events of no other meaning, in one transaction. ``ago``: so many seconds before their ids were made."""
    where = rig.account.bucket if bucket is None else bucket
    async with rig.relay.database.transaction() as tx:
        tx.now -= timedelta(seconds=ago)
        event_ids = tx.new_ids(where, count)
        await tx.execute(
            "insert into event (bucket, id, account_id, type, at)"
            " select $1::smallint, e.id, $2::uuid, 'pool.ready', $3::timestamptz from unnest($4::uuid[]) as e(id)",
            where, rig.account.id, tx.now, event_ids,
        )  # fmt: skip
    return event_ids


def ids(event_ids: list[UUID]) -> list[str]:
    return sorted(public(IdKind.EVENT, event_id) for event_id in event_ids)


def heard(rig: Rig) -> list[str]:
    """The ids of what came, sorted; an id as often as it came."""
    return sorted(told.event["id"] for told in rig.customers.posts)


async def due_in(rig: Rig) -> list[float]:
    """Seconds until each waiting delivery is due."""
    now = await rig.relay.database.now()
    rows = await rig.rows("select due_at from delivery where state = 'waiting' order by due_at")
    return [(row["due_at"] - now).total_seconds() for row in rows]  # type: ignore[operator]  # a column


async def test_every_event_is_told_once_signed_and_without_a_phone_when_people_text(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=7 * 86400)
    _, secret = await listen(rig)
    since = await rig.relay.database.now()
    for story in (both_ways, stop_then_start, closed_while_waiting):
        await story(talk)
    happened = await rig.rows("select id, type from event where at >= $1", since)
    told = await tell(rig)

    assert told == len(happened) > 15
    assert heard(rig) == ids([row["id"] for row in happened])  # type: ignore[misc]  # a column
    assert Counter(types(rig)) == Counter(str(row["type"]) for row in happened)
    assert await deliveries(rig) == {("delivered", None): told}
    for one in rig.customers.posts:
        signing.verify(secret, one.headers, one.body, now=datetime.now(tz=UTC))
        assert (one.url.text, one.headers["webhook-id"]) == (URL, one.event["id"])
        assert not any(private in one.body.decode() for private in (ALICE, BOB, ALICE[2:], "hello"))
    assert await tell(rig) == 0


async def test_numbers_follow_the_order_of_events_when_sessions_are_told_in_several_looks(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    await listen(rig)
    talks = [await start_talk(rig, pool=pool) for _ in range(2)]
    for story in (both_ways, closed_while_waiting):
        for talk in talks:
            await story(talk)
        await tell(rig)
    given: dict[str, dict[str, int]] = defaultdict(dict)
    for told in rig.customers.posts:
        if session := told.event["data"].get("session"):
            given[session][told.event["id"]] = told.event["sequence"]
        else:
            assert told.event["sequence"] is None

    for talk in talks:
        numbered = given[public(IdKind.SESSION, talk.id)]
        rows = await rig.rows("select id from event where session_id = $1 order by id", talk.id)
        in_order = [numbered[public(IdKind.EVENT, row["id"])] for row in rows]
        assert in_order == list(range(1, len(rows) + 1))
        assert len(rows) > 6


async def test_only_what_it_asked_for_is_told_when_an_endpoint_has_a_filter(rig: Rig) -> None:
    await listen(rig, ["session.*"], url="https://a.example/sessions")
    await listen(rig, ["message.accepted", "session.closed"], url="https://a.example/some")
    talk = await start_talk(rig)
    await both_ways(talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    await tell(rig)
    told = defaultdict(list)
    for one in rig.customers.posts:
        told[one.url.target].append(one.event["type"])

    assert sorted(told["/sessions"]) == ["session.closed", "session.opened"]
    assert sorted(told["/some"]) == ["message.accepted", "message.accepted", "session.closed"]


async def test_nothing_of_before_is_told_when_an_endpoint_is_made(rig: Rig) -> None:
    await happen(rig, 3)
    rig.later(seconds=1)
    await listen(rig)
    fresh = await happen(rig)
    await tell(rig)

    assert heard(rig) == ids(fresh)


async def test_nothing_is_told_of_who_reads_the_log_and_of_keys(rig: Rig) -> None:
    await listen(rig)
    await rig.relay.keys.add(rig.account, name="app", scopes=frozenset({"audit"}))  # type: ignore[arg-type]  # a word
    await give_out(rig)

    assert await rig.value("select count(*) from event where type = 'key.created'") == 1
    assert await rig.value("select count(*) from numbered_event") == 0


async def test_another_accounts_events_are_not_told_when_they_lie_in_the_same_bucket(rig: Rig) -> None:
    await listen(rig)
    neighbour = await rig.relay.accounts.add("neighbour")
    other = Rig(rig.relay, rig.carrier, neighbour, rig.connection)
    await happen(other, 3, bucket=rig.account.bucket)
    await tell(rig)

    assert heard(rig) == []
    assert await rig.value("select count(*) from numbered_event") == 0


async def test_what_commits_late_is_told_when_its_id_is_from_before_the_last_look(rig: Rig) -> None:
    await listen(rig)
    rig.later(seconds=20)
    before = await happen(rig, 2)
    await tell(rig)
    late = await happen(rig, ago=8)
    await tell(rig)

    assert heard(rig) == ids([*before, *late])


async def test_what_every_look_has_missed_is_told_by_the_sweep(rig: Rig) -> None:
    await listen(rig)
    rig.later(minutes=10)
    before = await happen(rig, 2)
    await tell(rig)
    missed = await happen(rig, ago=300)
    await tell(rig)
    assert heard(rig) == ids(before)
    for _ in range(2):
        await rig.relay.telling.sweep(rig.account.bucket)
    await tell(rig)

    assert heard(rig) == ids([*before, *missed])


async def test_looking_goes_on_where_it_ended_when_another_process_takes_over(rig: Rig) -> None:
    await listen(rig)
    rig.later(minutes=10)
    first = await happen(rig, 600)
    await give_out(rig)
    rig.later(minutes=10)
    other = Telling(rig.relay.database, rig.relay.configuration)
    second = await happen(rig, 5)

    assert await other.tell_new(rig.account.bucket) == 5
    assert await rig.value("select count(*) from numbered_event") == len(first) + len(second)


async def test_each_event_is_numbered_and_told_once_when_many_look_at_once(rig: Rig) -> None:
    talk = await start_talk(rig)
    await listen(rig)
    await both_ways(talk)
    tellers = [Telling(rig.relay.database, rig.relay.configuration) for _ in range(6)]
    done = await asyncio.gather(*(one.tell_new(talk.bucket) for one in tellers))
    rows = await rig.rows("select n from numbered_event n join event e on e.id = n.event_id order by e.id")

    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(done) == len(rows) == await rig.value("select count(*) from delivery")


async def test_the_same_bytes_come_again_under_the_same_id_when_a_try_fails(rig: Rig) -> None:
    await listen(rig)
    event = await happen(rig)
    rig.customers.say(500)
    await tell(rig)
    (wait,) = await due_in(rig)
    assert await post(rig) == 0
    rig.later(seconds=6)
    rig.customers.answer = None
    await post(rig)
    first, second = rig.customers.posts

    assert SCHEDULE[1].total_seconds() * 0.85 <= wait <= SCHEDULE[1].total_seconds() * 1.11
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert heard(rig) == ids(event * 2)
    assert await deliveries(rig) == {("delivered", None): 1}
    assert await rig.value("select tries from delivery") == 2


async def test_a_delivery_fails_for_good_when_ten_tries_were_in_vain(rig: Rig) -> None:
    view, _ = await listen(rig)
    await happen(rig)
    rig.customers.say(503)
    await tell(rig)
    while waits := await due_in(rig):
        rig.later(seconds=waits[0] + 1)
        await post(rig)

    assert len(rig.customers.posts) == len(SCHEDULE) == 10
    assert await deliveries(rig) == {("failed", "status"): 1}
    assert (await rig.relay.webhooks.read(rig.account, view.endpoint.id)).endpoint.is_enabled


async def test_an_endpoint_is_disabled_and_that_is_told_to_others_when_it_is_gone(rig: Rig) -> None:
    view, _ = await listen(rig, url="https://gone.example/")
    await listen(rig, ["webhook.*"], url="https://there.example/")
    await happen(rig, 40)
    rig.customers.say(410)
    await give_out(rig)
    await rig.relay.delivering.deliver(rig.account.bucket, view.endpoint.id)
    ended = await deliveries(rig, view.endpoint.id)
    rig.customers.posts.clear()
    rig.customers.answer = None
    await tell(rig)
    after = await rig.relay.webhooks.read(rig.account, view.endpoint.id)

    assert after.endpoint.disabled_reason is DisabledReason.GONE
    assert [told.url.host for told in rig.customers.posts] == ["there.example"]
    assert rig.customers.posts[0].event["data"] == {
        "webhook": public(IdKind.ENDPOINT, view.endpoint.id),
        "state": "disabled",
        "reason": "gone",
    }
    assert await rig.value("select count(*) from event where type = 'webhook.disabled'") == 1
    assert ended == await deliveries(rig, view.endpoint.id) == {("failed", "status"): 1, ("failed", "disabled"): 40}


async def test_an_endpoint_is_disabled_when_it_has_taken_nothing_for_five_days(rig: Rig) -> None:
    view, _ = await listen(rig)
    rig.customers.say(500)
    for day in range(6):
        await happen(rig)
        await tell(rig)
        state = (await rig.relay.webhooks.read(rig.account, view.endpoint.id)).endpoint
        assert state.is_enabled is (day < 5)
        rig.later(days=1)

    assert state.disabled_reason is DisabledReason.FAILING


async def test_an_endpoint_stays_when_it_takes_one_in_a_while(rig: Rig) -> None:
    view, _ = await listen(rig)
    for day in range(8):
        rig.customers.say(204 if day % 3 == 0 else 500)
        await happen(rig)
        await tell(rig)
        rig.later(days=1)

    assert (await rig.relay.webhooks.read(rig.account, view.endpoint.id)).endpoint.is_enabled


async def test_nothing_is_told_while_an_endpoint_is_disabled_and_all_again_when_it_is_enabled(rig: Rig) -> None:
    view, _ = await listen(rig)
    webhooks, endpoint_id = rig.relay.webhooks, view.endpoint.id
    await webhooks.change(rig.account, endpoint_id, EndpointChange(enabled=False))
    unheard = await happen(rig, 2)
    await tell(rig)
    await webhooks.change(rig.account, endpoint_id, EndpointChange(enabled=True))
    rig.later(milliseconds=1)
    fresh = await happen(rig)
    await tell(rig)

    assert set(ids(fresh)) <= set(heard(rig))
    assert not set(ids(unheard)) & set(heard(rig))
    told = await rig.rows("select type, reason from event where endpoint_id = $1 order by id", endpoint_id)
    assert [(row["type"], row["reason"]) for row in told] == [
        ("webhook.enabled", None),
        ("webhook.disabled", "api"),
        ("webhook.enabled", None),
    ]


async def test_both_secrets_sign_for_a_day_when_a_secret_was_rotated(rig: Rig) -> None:
    view, former = await listen(rig)
    fresh, _ = await rig.relay.webhooks.rotate(rig.account, view.endpoint.id)
    await happen(rig)
    await tell(rig)
    rig.later(hours=25)
    await happen(rig)
    await tell(rig)
    soon, later = rig.customers.posts
    now = datetime.now(tz=UTC)

    for secret in (former, fresh):
        signing.verify(secret, soon.headers, soon.body, now=now)
    signing.verify(fresh, later.headers, later.body, now=now)
    with pytest.raises(signing.SignatureRefused):
        signing.verify(former, later.headers, later.body, now=now)


async def test_an_event_is_posted_again_when_its_process_dies_before_the_mark(rig: Rig) -> None:
    view, _ = await listen(rig)
    event = await happen(rig)
    await give_out(rig)
    arrived = asyncio.Event()

    async def hang(_: Told) -> int:
        arrived.set()
        await asyncio.Event().wait()
        return 200

    rig.customers.answer = hang
    dying = asyncio.create_task(rig.relay.delivering.deliver(rig.account.bucket, view.endpoint.id))
    await arrived.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    rig.customers.answer = None
    await tell(rig)

    assert heard(rig) == ids(event * 2)
    assert await deliveries(rig) == {("delivered", None): 1}


async def test_a_try_counts_once_when_two_processes_make_it(rig: Rig) -> None:
    view, _ = await listen(rig)
    await happen(rig)
    await give_out(rig)
    rig.customers.say(500)
    await asyncio.gather(*(rig.relay.delivering.deliver(rig.account.bucket, view.endpoint.id) for _ in range(2)))

    assert len(rig.customers.posts) == 2
    assert await rig.value("select tries from delivery") == 1


async def test_what_is_beside_events_goes_with_them_when_they_are_forgotten(rig: Rig) -> None:
    talk = await start_talk(rig)
    await listen(rig)
    await both_ways(talk)
    await tell(rig)
    rig.later(days=31)
    while await rig.relay.retention.forget_events(talk.bucket):
        pass
    left = "select (select count(*) from delivery where bucket = $1) as deliveries,"
    left += " (select count(*) from numbered_event where bucket = $1) as numbers"

    assert await rig.rows(left, talk.bucket) == [{"deliveries": 0, "numbers": 0}]
    assert await rig.value("select count(*) from session_sequence") == 1


async def test_another_account_sees_and_replays_nothing_when_it_lies_in_the_same_bucket(rig: Rig) -> None:
    added = await rig.relay.accounts.add("neighbour")
    await rig.rows("update account set bucket = $1 where id = $2 returning id", rig.account.bucket, added.id)
    await rig.rows("update configuration set version = version + 1 returning id")
    neighbour = (await rig.relay.configuration.refreshed()).accounts[added.id]
    other = Rig(rig.relay, rig.carrier, neighbour, rig.connection)
    view, _ = await listen(other)
    (event,) = await happen(rig)
    page = await rig.relay.ledger.events(neighbour, EventsWanted(), limit=50, before=None)

    assert {one.account_id for one in page.events} == {neighbour.id}
    for endpoint_id in (None, view.endpoint.id):
        with pytest.raises(NotFound):
            await rig.relay.ledger.replay(neighbour, event, endpoint_id)
    assert await deliveries(rig) == {}


async def test_nothing_secret_stands_in_the_database_in_clear_when_an_endpoint_was_made(rig: Rig) -> None:
    _, secret = await listen(rig)
    stored = str(await rig.rows("select row_to_json(e)::text as row from endpoint e"))

    for private in ("market.example", "token=abc089", secret, secret[6:20]):
        assert private not in stored
        assert private.encode().hex() not in stored


@pytest.mark.long
async def test_a_thousand_events_all_arrive_when_three_in_ten_tries_fail(rig: Rig) -> None:
    view, secret = await listen(rig)
    judge = pytest.importorskip("standardwebhooks").Webhook(secret)
    chance = random.Random(20261121)
    taken: Counter[str] = Counter()

    async def moody(told: Told) -> int:
        assert judge.verify(told.body, dict(told.headers))["id"] == told.headers["webhook-id"]
        if chance.random() < 0.3:
            return chance.choice([500, 503, 429, 301, 404])
        taken[told.event["id"]] += 1
        return 200

    rig.customers.answer = moody
    happened = [event for _ in range(10) for event in await happen(rig, 100)]
    await tell(rig)
    while waits := await due_in(rig):
        rig.later(seconds=waits[-1] + 1)
        await post(rig)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for told in rig.customers.posts:
        bodies[told.event["id"]].add(told.body)

    assert taken == Counter(ids(happened))
    assert {len(of_one) for of_one in bodies.values()} == {1}
    assert len(rig.customers.posts) > 1300
    assert await deliveries(rig) == {("delivered", None): 1000}
    assert (await rig.relay.webhooks.read(rig.account, view.endpoint.id)).endpoint.is_enabled
