"""One made-up history of an account: a few people, their sessions in its pools, and everything that may happen to them; played
against the real services, and judged by a book that knows nothing but who has said STOP.

What is judged is the door: of a person who has opted out, nothing begins to leave but the one confirmation, in any pool. What
began before, or at the very same time, is not (the races have tests of their own, by the server's commit timestamps).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.core.delivery import Outcome
from relay.core.errors import Conflict, InvalidInput
from relay.core.model import MessageKind
from relay.core.phone import Phone
from relay.services.sending import Intent
from relay.services.sessions import PersonWanted, SessionView
from relay.services.sessions.replacing import Replacement
from relay.services.texts import TextWanted
from relay.storage.configuration import Pool
from tests.services.carrier import unreachable
from tests.services.people import numbers, phone
from tests.services.rig import Rig, proxy_of

PEOPLE = 3
Step = tuple[str, int, int]  #: what happens, and two small numbers that say to whom and where
_NUMBERS = 3  # in each pool


@dataclass(slots=True)
class Book:
    """Who has opted out, and how many confirmations are owed: one for each STOP that was news, and none after START."""

    confirms: bool
    stopped: set[str] = field(default_factory=set)
    owed: Counter[str] = field(default_factory=Counter)

    def note(self, person: str, text: str) -> None:
        """What somebody said, if it was for us."""
        if text == "STOP" and person not in self.stopped:
            self.stopped.add(person)
            self.owed[person] += self.confirms
        elif text == "START" and person in self.stopped:
            self.stopped.discard(person)
            self.owed[person] = 0

    def judge(self, begun: Sequence[Intent]) -> list[str]:
        """What began to leave and must not, in words."""
        wrong = []
        for intent in begun:
            to, kind = intent.letter.phone, intent.passed.kind
            if kind == MessageKind.STOP_REPLY and to in self.stopped and self.owed[to]:
                self.owed[to] -= 1
            elif to in self.stopped or kind == MessageKind.STOP_REPLY:
                wrong.append(f"a {kind} began after {'STOP' if to in self.stopped else 'START'}")
        return wrong

    def not_left(self, intent: Intent) -> None:
        """It began and stayed: a confirmation is owed as before."""
        self.owed[intent.letter.phone] += intent.passed.kind == MessageKind.STOP_REPLY


@dataclass(slots=True)
class History:
    """An account of its own in the rig's database, and what happens in it."""

    rig: Rig
    book: Book
    pools: list[Pool] = field(default_factory=list)
    views: list[tuple[SessionView, tuple[str, str]]] = field(default_factory=list)
    begun: list[tuple[int, Intent]] = field(default_factory=list)  #: begun, not handed over yet
    wrong: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)  #: kinds of step that found something to do

    async def play(self, steps: Sequence[Step]) -> None:
        """Everything in turn; at the end all that waits is tried at every pool's door."""
        for what, one, other in steps:
            if await self._step(what, one, other):
                self.seen.add(what)
        await self._begin()

    async def _step(self, what: str, one: int, other: int) -> bool:
        if what == "pool":
            return await self._new_pool()
        if what == "open":
            return await self._open(one, other)
        if what == "send":
            return await self._begin() > 0
        if what == "answer":
            return await self._hand_over() > 0
        if what == "fail":
            return await self._fail() > 0
        if not self.views:
            return False
        view, people = self.views[other % len(self.views)]
        if what in ("say", "stop", "start"):
            return await self._text(view, people, one % 2, {"say": f"text {other}"}.get(what, what.upper()))
        if what == "tell":
            return await self._tell(view, one % 2)
        if what == "race":
            return await self._race(view, people, one % 2)
        if what == "cross":
            return await self._cross(view, people, one % 2)
        if what == "replace":
            return await self._replace(other % len(self.views), one)
        await self.rig.relay.sessions.close(self.rig.account, view.session.id)
        return True

    async def _new_pool(self) -> bool:
        start = _NUMBERS * len(self.pools)
        name = f"pool {len(self.pools)}"
        self.pools.append(await self.rig.pool(name, numbers(_NUMBERS, start=start)))
        await self.rig.epoch(self.pools[-1].bucket)  # now, and not by two doors of one bucket at once
        return True

    async def _open(self, one: int, other: int) -> bool:
        first, second = phone(one % PEOPLE), phone((one + 1) % PEOPLE)
        out = {first, second} & self.book.stopped
        try:
            view = await self.rig.session(self.pools[other % len(self.pools)], first, second)
        except Conflict as error:
            if bool(out) != (error.code == "participant_opted_out"):
                self.wrong.append(f"a session was refused: {error.code}, with {len(out)} opted out")
            return False
        if out:
            self.wrong.append("a session was opened with somebody who had opted out")
        self.views.append((view, (first, second)))
        return True

    async def _text(self, view: SessionView, people: tuple[str, str], slot: int, text: str) -> bool:
        await self.rig.text(people[slot], proxy_of(view, slot + 1), text)
        self.book.note(people[slot], text)
        return True

    async def _tell(self, view: SessionView, slot: int) -> bool:
        wanted = TextWanted(view.session.id, view.participants[slot].id, "from the platform")
        try:
            await self.rig.relay.texts.send(self.rig.account, wanted, await self.rig.seed())
        except Conflict:
            return False
        return True

    async def _replace(self, place: int, who: int) -> bool:
        """Somebody comes in the first one's place."""
        view, (_, second) = self.views[place]
        comes = phone(who % PEOPLE)
        wanted = Replacement(view.session.id, view.participants[0].id, PersonWanted(Phone.parse(comes)))
        try:
            now, _ = await self.rig.relay.sessions.replace(self.rig.account, wanted, await self.rig.seed())
        except (Conflict, InvalidInput):
            return False
        if comes in self.book.stopped:
            self.wrong.append("somebody who had opted out was put in another's place")
        self.views[place] = now, (comes, second)
        return True

    async def _race(self, view: SessionView, people: tuple[str, str], slot: int) -> bool:
        """STOP beside a text, a new pool and every door at once: what begins now may have been first."""
        me, other = people[slot], people[1 - slot]
        doors = (self.rig.begin(pool.bucket) for pool in self.pools)
        said = self.rig.text(other, proxy_of(view, 2 - slot), "are you there?")
        begun = asyncio.gather(*doors)
        await asyncio.gather(said, self.rig.text(me, proxy_of(view, slot + 1), "STOP"), self._new_pool(), begun)
        self.book.note(me, "STOP")
        for pool, found in zip(self.pools, begun.result(), strict=False):
            intents = self._own(found)
            self.begun += [(pool.bucket, intent) for intent in intents]
            confirmed = [i for i in intents if i.letter.phone == me and i.passed.kind == MessageKind.STOP_REPLY]
            self.wrong += self.book.judge([*(i for i in intents if i.letter.phone != me), *confirmed])
        return True

    async def _cross(self, view: SessionView, people: tuple[str, str], slot: int) -> bool:
        """STOP comes while a text to whoever says it is under way, and that text comes to its door once more."""
        await self._text(view, people, 1 - slot, "are you there?")
        begun = await self._begin()
        await self._text(view, people, slot, "STOP")
        return await self._fail() > 0 and begun > 0

    def _own(self, begun: Sequence[Intent]) -> list[Intent]:
        """What is this account's: in its bucket another history may have a pool, and something that waits for its next try."""
        return [intent for intent in begun if intent.passed.account_id == self.rig.account.id]

    async def _begin(self) -> int:
        """Whatever is due passes its door; it leaves later."""
        count = 0
        for pool in self.pools:
            intents = self._own(await self.rig.begin(pool.bucket))
            self.wrong += self.book.judge(intents)
            self.begun += [(pool.bucket, intent) for intent in intents]
            count += len(intents)
        return count

    async def _fail(self) -> int:
        """Whatever was begun finds no carrier, waits, and comes to its door once more: somebody may have said STOP meanwhile."""
        self.rig.carrier.answer = unreachable
        count = await self._hand_over()
        self.rig.carrier.answer = None
        self.rig.later(seconds=5)
        return count

    async def _hand_over(self) -> int:
        waiting, self.begun = self.begun, []
        for bucket, intent in waiting:
            handed = await self.rig.hand_over(bucket, intent)
            if handed.mark.outcome is not Outcome.ACCEPTED:  # no carrier; or, on a slow machine, begun too long ago
                self.book.not_left(intent)
        return len(waiting)
