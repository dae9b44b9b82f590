"""``kill -9`` in the worst places: nothing is lost, nothing is sent twice, and what cannot be known is there to be seen."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.acceptance.installation import Installation, installed
from tests.acceptance.processes import Process, until

pytestmark = pytest.mark.long

NUMBERS = [f"+120255501{n:02}" for n in range(10)]
PEOPLE = [f"+141555501{n:02}" for n in range(50, 90)]


async def _sessions(place: Installation, count: int) -> list[tuple[str, str, str]]:
    """(session, sender, number that the sender texts)."""
    made = []
    for i in range(count):
        session, number, _ = await place.open(PEOPLE[2 * i], PEOPLE[2 * i + 1])
        made.append((session, PEOPLE[2 * i], number))
    return made


async def _states(place: Installation, sessions: list[tuple[str, str, str]]) -> Counter[tuple[str, str | None]]:
    found: Counter[tuple[str, str | None]] = Counter()
    for session, _, _ in sessions:
        page = await place.call("GET", f"/v1/sessions/{session}/messages")
        found.update((message["state"], message["reason"]) for message in page["data"])
    return found


async def _wait_for(place: Installation, sessions: list[tuple[str, str, str]], wanted: set[str], within: float) -> None:
    for _ in range(int(within / 0.2)):
        states = await _states(place, sessions)
        if {state for state, _ in states} <= wanted:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"still {states}")


async def test_worker_killed_between_attempt_and_answer_sends_nothing_twice(tmp_path: Path, dsn: str) -> None:
    """The carrier had accepted: its receipts tell the next worker so."""
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        await place.carrier.put(
            "/control/config", json={"webhook_url": f"{place.url}/hooks/{place.connection}/inbound"}
        )
        await place.weather(latency_ms=2500, drop_receipts=True)
        await place.api()
        worker = await place.worker()
        sessions = await _sessions(place, 12)
        statuses = [await place.text(sender, number, f"text {i}") for i, (_, sender, number) in enumerate(sessions)]

        for _ in range(200):
            if len(await place.ledger()) == 12:
                break
            await asyncio.sleep(0.02)
        worker.kill()
        before = await _states(place, sessions)
        await place.weather(latency_ms=0, drop_receipts=False)
        await place.worker()
        await _wait_for(place, sessions, {"accepted", "delivered"}, within=15)

        assert statuses == [204] * 12
        assert before == {("sending", None): 12}
        assert Counter(row["text"] for row in await place.ledger()) == {f"text {i}": 1 for i in range(12)}


async def test_worker_killed_before_anybody_accepted_leaves_texts_parked_for_a_person(tmp_path: Path, dsn: str) -> None:
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        place.line.held = True
        await place.api()
        worker = await place.worker()
        sessions = await _sessions(place, 6)
        for i, (_, sender, number) in enumerate(sessions):
            assert await place.text(sender, number, f"text {i}") == 204

        await until(lambda: place.line.heard >= 6, worker)
        worker.kill()
        place.line.held = False
        await place.worker()
        await _wait_for(place, sessions, {"parked"}, within=15)
        parked = await _states(place, sessions)
        ledger_while_parked = await place.ledger()
        for i, (session, _, _) in enumerate(sessions):
            message = (await place.call("GET", f"/v1/sessions/{session}/messages"))["data"][0]["id"]
            await place.call("POST", f"/v1/messages/{message}/{'retry' if i % 2 else 'discard'}")
        await _wait_for(place, sessions, {"delivered", "refused"}, within=10)

        assert parked == {("parked", "ambiguous"): 6}
        assert ledger_while_parked == []
        assert sorted(row["text"] for row in await place.ledger()) == ["text 1", "text 3", "text 5"]


async def test_api_killed_after_commit_and_before_its_answer_takes_each_text_once(tmp_path: Path, dsn: str) -> None:
    """The carrier was told nothing, so it calls again; the relay has seen the text already."""
    chance = random.Random(7)
    async with installed(tmp_path, dsn, numbers=NUMBERS) as place:
        await place.worker()
        api = await place.api()
        sessions = await _sessions(place, 10)
        unanswered_but_stored = 0
        sent: list[str] = []
        for round_no in range(12):
            hooks = {}
            for i, (_, sender, number) in enumerate(sessions):
                text = f"round {round_no} text {i}"
                hooks[text] = place.webhook(sender, number, text)
            sent += hooks
            known = await _stored(dsn)
            answered = await _post_and_kill(hooks, api, dsn, stored=known + chance.randrange(1, len(hooks)))
            unanswered_but_stored += await _stored(dsn) - known - len(answered)
            api = await place.api()
            for text, (url, headers, body) in hooks.items():
                if text not in answered:
                    async with httpx.AsyncClient(timeout=20) as client:
                        assert (await client.post(url, headers=headers, content=body)).status_code == 204
            if unanswered_but_stored >= 5 and round_no >= 3:
                break
        await _wait_for(place, sessions, {"accepted", "delivered"}, within=20)

        assert unanswered_but_stored > 0, "no kill came between a commit and its answer: this run shows nothing"
        assert Counter(row["text"] for row in await place.ledger()) == dict.fromkeys(sent, 1)


async def _post_and_kill(
    hooks: dict[str, tuple[str, dict[str, str], bytes]], api: Process, dsn: str, *, stored: int
) -> set[str]:
    """Post all at once, kill the API as soon as so many are stored; returns the texts that were answered 2xx."""
    answered: set[str] = set()

    async def post(text: str, client: httpx.AsyncClient) -> None:
        url, headers, body = hooks[text]
        try:
            if (await client.post(url, headers=headers, content=body)).status_code < 300:
                answered.add(text)
        except httpx.TransportError:
            return

    async with httpx.AsyncClient(timeout=20) as client:
        posts = asyncio.gather(*(post(text, client) for text in hooks))
        watcher = await asyncpg.connect(dsn)
        while await watcher.fetchval("select count(*) from inbox_key") < stored:
            pass
        api.kill()
        await posts
        await watcher.close()
    return answered


async def _stored(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("select count(*) from inbox_key"))
    finally:
        await connection.close()


async def test_one_ambiguous_text_and_one_unreachable_person_hold_up_nobody_else(tmp_path: Path, dsn: str) -> None:
    """All sessions share one number. Only what goes to these two people waits."""
    ghost, shadow = PEOPLE[38], PEOPLE[39]
    async with installed(tmp_path, dsn, numbers=NUMBERS[:1], rate=100) as place:
        await place.weather(swallow_to=[ghost], mute=[ghost], refuse={shadow: 21611})
        await place.api(worker=True)
        bad = [await place.open(PEOPLE[36], ghost), await place.open(PEOPLE[37], shadow)]
        sessions = await _sessions(place, 15)
        await place.text(PEOPLE[36], bad[0][1], "into the void")
        await place.text(PEOPLE[37], bad[1][1], "nobody there")
        await asyncio.sleep(0.3)

        for i in range(3):
            for _, sender, number in sessions:
                await place.text(sender, number, f"{sender} {i}")
        await _wait_for(place, sessions, {"accepted", "delivered"}, within=5)
        waiting = [(await place.call("GET", f"/v1/sessions/{s}/messages"))["data"][0]["state"] for s, _, _ in bad]
        others = [row["text"] for row in await place.ledger() if row["to"] not in (ghost, shadow)]

        assert len(others) == 45
        for _, sender, _ in sessions:
            assert [text for text in others if text.startswith(sender)] == [f"{sender} {i}" for i in range(3)]
        assert waiting[0] in {"sending", "parked", "accepted"}  # looked for, given up, or found
        assert waiting[1] in {"queued", "sending"}  # between two tries, or in one
