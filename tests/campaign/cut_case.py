"""One thing that Relay does, as the campaign of cuts sees it: what came before, what is interrupted, what the world does then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx

from relay.storage.configuration import Pool
from tests.campaign.cut_place import Place
from tests.services.people import ALICE, BOB
from tests.services.rig import Talk, start_talk


class Case(ABC):
    """One thing that is done once. ``answer`` is what its first request was answered, if it was."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.answer: httpx.Response | None = None
        self.last: httpx.Response | None = None

    async def prepare(self) -> None:
        """What has happened before."""
        return

    @abstractmethod
    async def act(self) -> None:
        """What is interrupted. May raise StorageUnavailable, as a worker's turn may."""

    @abstractmethod
    async def afterwards(self, *, gone: bool) -> None:
        """What happens then; ``gone``: the process that acted is no more."""

    @abstractmethod
    async def wrong(self) -> list[str]:
        """What should not be so, in the end."""

    async def open_talk(self, pool: Pool, text: str = "") -> Talk:
        """Alice and Bob have a session; Bob has texted Alice, if a text is given."""
        talk = await start_talk(self.place.rig, pool=pool, one=ALICE, other=BOB)
        if text:
            await talk.say(text, slot=2)
        return talk

    async def repeat(self, ask: Callable[[], Awaitable[httpx.Response]]) -> None:
        """Whoever was not answered 2xx asks again."""
        answered = self.answer is not None and self.answer.is_success
        self.last = self.answer if answered else await self.place.until_taken(ask)

    async def send_from(self, *buckets: int) -> None:
        """Another process, a worker, takes these buckets and sends what waits there."""
        await self.place.start(self.place.looking)
        for bucket in buckets:
            await self.place.own(bucket)
            await self.place.rig.send_all(bucket)

    async def wrong_of_send(self, *, gone: bool) -> list[str]:
        """One text is with Alice, or parked where the process that had begun to send it is gone."""
        asked = self.asked_of_carrier()
        never_left = gone and asked == []
        return differing(
            ("messages", await self.messages(), {("parked", "ambiguous") if never_left else ("accepted", None): 1}),
            ("texts at the carrier", asked, [] if never_left else [ALICE]),
        )

    async def messages(self) -> Counter[tuple[object, ...]]:
        return Counter(await self.place.rows("select state, reason from message"))

    def asked_of_carrier(self) -> list[str]:
        return [text.to for text in self.place.rig.carrier.asked]


def differing(*expected: tuple[str, object, object]) -> list[str]:
    """(what, is, should be): those that are not as they should be, in words."""
    return [f"{what}: {found}, not {wanted}" for what, found, wanted in expected if found != wanted]
