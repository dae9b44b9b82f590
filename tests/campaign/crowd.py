"""The people and their marketplace: they open sessions, text each other without a pause, say STOP and START, close, and write
down what they did and what they were answered. What is not answered 2xx is said again, as a carrier does.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.acceptance.webhooks import text_webhook
from tests.campaign.customer import NONSENSE, REFUSE, SILENT
from tests.campaign.history import NEVER, History, Opened, Said
from tests.campaign.world import PEOPLE, World

#: In every text, so that one look finds any of them wherever it may have been left.
MARK = "quokka marmalade"
LIFE = 600.0  # seconds of a session, unless it is to end by itself
_WORDS = (
    "",
    " see you at the corner",
    " ok 👍",
    " are you there yet? I am waiting in front of the station, near the clock",
)
#: Said in every pool; only hooks care. With how often.
_PLEAS = (("", REFUSE, SILENT, NONSENSE), (90, 6, 2, 2))
_IN_THE_WAY = {429, 409, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Manners:
    """What people do, and how often: shares of their turns."""

    talkers: int = 40
    turns: int = 24  #: texts in a session before it is closed
    copies: float = 0.05
    strangers: float = 0.01
    stops: float = 0.1  #: share of talkers who opt out in every session, and in again
    rate: float = 120.0  #: texts a second, all together


@dataclass(slots=True)
class Crowd:
    """Everybody. ``answers`` counts what webhooks were answered, 0 for no answer at all."""

    world: World
    history: History
    http: aiohttp.ClientSession
    chance: random.Random
    manners: Manners
    answers: Counter[int] = field(default_factory=Counter)
    acked: int = 0
    stopping: bool = False
    burst: int = 0  #: so many copies of the next text at once
    _talking: list[asyncio.Task[None]] = field(default_factory=list)
    _serial: Any = field(default_factory=lambda: itertools.count(1))
    _next_turn: float = 0.0

    def begin(self) -> None:
        """Everybody starts to talk."""
        self._talking = [asyncio.create_task(Talker(self, n).run()) for n in range(self.manners.talkers)]
        self._talking.append(asyncio.create_task(self._outlived()))

    async def talk_until(self, enough: Callable[[], bool], *, within: float) -> None:
        """Until there is enough of it, or time is up. Raises what any of them raised."""
        deadline = time.monotonic() + within
        while not enough() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            for talker in self._talking:
                if talker.done():
                    talker.result()

    async def finish(self) -> None:
        """Everybody finishes what they were saying."""
        self.stopping = True
        await asyncio.gather(*self._talking)

    async def turn(self) -> None:
        """Wait for the next of the evenly spaced turns."""
        self._next_turn = max(self._next_turn + 1 / self.manners.rate, time.monotonic())
        await asyncio.sleep(max(0.0, self._next_turn - time.monotonic()))

    def words(self) -> str:
        plea = self.chance.choices(*_PLEAS)[0] if self.world.customer else ""
        return f"{MARK} {next(self._serial)}{self.chance.choice(_WORDS)}{plea}"

    async def say(self, opened: Opened | None, sender: str, number: str, *, kind: str = "text", text: str = "") -> Said:
        """Text a number until it is acknowledged."""
        session = opened.session if opened else ""
        sid = f"SM{self.chance.getrandbits(128):032x}"
        said = Said(sid, kind, session, sender, number, text or self.words(), time.time())
        self.history.said.append(said)
        copies, self.burst = max(self.burst, 3 if self.chance.random() < self.manners.copies else 1), 0
        while said.acked == NEVER:
            said.tries += 1
            told = await asyncio.gather(*(self._post(said) for _ in range(copies)))
            if refused := {status for status in told if 400 <= status < 500}:
                raise AssertionError(f"a {kind} was answered {refused}")
            if any(200 <= status < 300 for status in told):
                said.acked = time.time()
                self.acked += kind == "text"
            else:
                await asyncio.sleep(0.05 + 0.2 * self.chance.random())
        return said

    def webhook(self, said: Said) -> tuple[dict[str, str], bytes]:
        """What a carrier posts for it: headers and body."""
        return text_webhook(self.world.inbound, sid=said.sid, sender=said.sender, number=said.number, text=said.text)

    async def _post(self, said: Said) -> int:
        headers, body = self.webhook(said)
        status = 0
        try:
            async with self.http.post(self.world.inbound, data=body, headers=headers) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        self.answers[status] += 1
        return status

    async def open(self, one: str, other: str, *, life: float = LIFE) -> Opened | None:
        """A session between two people; None when there is a reason against it."""
        people = [{"phone": one}, {"phone": other}]
        pool = self.chance.choice(self.world.pools)
        body = {"participants": people, "pool": pool, "expires_in": int(life)}
        asked = time.time()
        status, session = await self._call("/v1/sessions", body)
        if status != 201:
            return None
        seats = session["participants"]
        ids, numbers = [seat["id"] for seat in seats], [seat["proxy_number"] for seat in seats]
        opened = Opened(session["id"], ids, [one, other], numbers, asked, time.time(), life, pool=pool)
        self.history.opened.append(opened)
        return opened

    async def close(self, opened: Opened) -> None:
        opened.close_asked = time.time()
        status, answer = await self._call(f"/v1/sessions/{opened.session}/close", {})
        if status == 404:
            self.history.forgotten.append(opened.session)
            return
        if status != 200:
            raise AssertionError(f"a close was answered {status}")
        opened.closed, opened.in_flight = time.time(), answer["in_flight"]

    async def _call(self, path: str, body: object) -> tuple[int, Any]:
        """Ask until there is an answer that asking again would not change."""
        headers = {"authorization": f"Bearer {self.world.key}", "idempotency-key": f"{self.chance.getrandbits(64):x}"}
        for _ in range(600):
            try:
                async with self.http.post(self.world.url + path, json=body, headers=headers) as answer:
                    told = await answer.json(content_type=None)
                    if answer.status not in _IN_THE_WAY or told.get("code") in _REASONS:
                        return answer.status, told
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(0.2)
        raise AssertionError(f"no answer from {path} for minutes")

    async def _outlived(self) -> None:
        """Two people go on after their session's minute is over, if there is time for it."""
        one, other = PEOPLE[-1], PEOPLE[-2]
        opened = await self.open(one, other, life=60)
        over = time.monotonic() + 61.0
        while opened and not self.stopping:
            kind = "late" if time.monotonic() > over else "text"
            await self.say(opened, one, opened.numbers[0], kind=kind)
            await asyncio.sleep(2.0)


_REASONS = frozenset({"no_number_available", "participant_opted_out"})


@dataclass(slots=True)
class Talker:
    """Three people who know only each other: the first is in two sessions at once."""

    crowd: Crowd
    n: int

    async def run(self) -> None:
        crowd, (hub, one, other) = self.crowd, PEOPLE[3 * self.n : 3 * self.n + 3]
        stops = self.n < crowd.manners.stops * crowd.manners.talkers
        while not crowd.stopping:
            opened = [await crowd.open(hub, one), await crowd.open(other, hub)]
            talks = [session for session in opened if session]
            if not talks:
                await asyncio.sleep(0.5)
                continue
            await asyncio.gather(*(self._talk(session, stops=stops) for session in talks))
            if self.n % 4:  # some stay open to the end
                await asyncio.gather(*(self._end(session) for session in talks))

    async def _talk(self, session: Opened, *, stops: bool) -> None:
        crowd = self.crowd
        for turn in range(crowd.manners.turns):
            if crowd.stopping:
                return
            await crowd.turn()
            slot = crowd.chance.randrange(2)
            if stops and turn == crowd.manners.turns // 2:
                await self._opt_out_and_in(session)
            if crowd.chance.random() < crowd.manners.strangers:
                await crowd.say(None, PEOPLE[-3], session.numbers[slot], kind="stranger")
            await crowd.say(session, session.phones[slot], session.numbers[slot])

    async def _opt_out_and_in(self, session: Opened) -> None:
        """One says STOP in the middle of it; the other goes on, and is not heard until START."""
        crowd, (one, other), (number, others) = self.crowd, session.phones, session.numbers
        talking = asyncio.gather(*(crowd.say(session, other, others) for _ in range(5)))
        await crowd.say(session, one, number, kind="stop", text="STOP")
        await talking
        for _ in range(6):
            await asyncio.sleep(0.6)
            await crowd.say(session, other, others)
        await crowd.say(session, one, number, kind="start", text="START")

    async def _end(self, session: Opened) -> None:
        """A close while both are still talking, and a text that comes after it."""
        crowd = self.crowd
        last = [crowd.say(session, session.phones[slot], session.numbers[slot]) for slot in (0, 1, 0, 1)]
        await asyncio.gather(crowd.close(session), *last)
        if crowd.chance.random() < 0.5:
            await crowd.say(session, session.phones[0], session.numbers[0], kind="late")
