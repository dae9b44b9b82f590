"""What Relay does for the outside world, one thing at a time: how each begins, who repeats what, and how it must have ended.

A ``Case`` is one thing done once, in a world that holds nothing else; so its checks count whole tables. ``act`` is what a
cut interrupts; ``afterwards`` is what marketplaces, carriers and workers really do then, and no more: a marketplace and a
carrier repeat what was not answered 2xx, but a carrier does not repeat a receipt. Nothing here knows of the wire.
"""

from __future__ import annotations

from datetime import timedelta

import httpx

from relay.worker.departures import Departures
from tests.api.rig import PUBLIC_URL, Webhook, inbound, opening
from tests.api.test_receipts import receipt
from tests.campaign.cut_case import Case, differing
from tests.campaign.cut_log import Forget, Seal
from tests.campaign.cut_place import LEASE
from tests.services.carrier import SentText
from tests.services.people import ALICE, BOB
from tests.services.sockets import Sockets

_SESSIONS = """
select s.status, count(*), sum((select count(*) from participant p where p.session_id = s.id and p.status = 'live')),
       sum((select count(*) from binding b where b.session_id = s.id and b.held_until = 'infinity')),
       sum((select count(*) from binding b where b.session_id = s.id and b.held_until < 'infinity'))
  from session s group by s.status
"""
_OPEN, _CLOSED = ("open", 1, 2, 2, 0), ("closed", 1, 0, 0, 2)


class Open(Case):
    """A marketplace opens a session under a key."""

    async def act(self) -> None:
        self.answer = await self._ask()

    async def _ask(self) -> httpx.Response:
        return await self.place.api.ask("POST", "/v1/sessions", opening(ALICE, BOB), idempotency_key="open")

    async def afterwards(self, *, gone: bool) -> None:
        await self.repeat(self._ask)

    async def wrong(self) -> list[str]:
        again = await self.place.until_taken(self._ask)
        same = self.last is not None and again.json() == self.last.json()
        return differing(
            ("sessions", await self.place.rows(_SESSIONS), [_OPEN]),
            ("the same answer again", same, True),
        )


class Close(Case):
    """A marketplace closes a session in which a text waits."""

    async def prepare(self) -> None:
        self.talk = await self.open_talk(self.place.pools[0], "too late")
        listed = await self.place.api.ask("GET", "/v1/sessions")
        self.path = f"/v1/sessions/{listed.json()['data'][0]['id']}/close"

    async def act(self) -> None:
        self.answer = await self._ask()

    async def _ask(self) -> httpx.Response:
        return await self.place.api.ask("POST", self.path, idempotency_key="close")

    async def afterwards(self, *, gone: bool) -> None:
        await self.repeat(self._ask)
        await self.send_from(self.talk.bucket)

    async def wrong(self) -> list[str]:
        again = await self.place.until_taken(self._ask)
        same = self.last is not None and again.json() == self.last.json()
        return differing(
            ("sessions", await self.place.rows(_SESSIONS), [_CLOSED]),
            ("messages", await self.messages(), {("refused", "session_closed"): 1}),
            ("texts at the carrier", self.asked_of_carrier(), []),
            ("the same answer again", same, True),
        )


class Inbound(Case):
    """Bob texts Alice; the carrier calls until it is answered 2xx."""

    async def prepare(self) -> None:
        self.talk = await self.open_talk(self.place.pools[0])
        self.webhook = inbound(self.place.api, BOB, self.talk.proxy(2), "Where are you?")

    async def act(self) -> None:
        self.answer = await self._ask()

    async def _ask(self) -> httpx.Response:
        return await self.webhook.post(self.place.api)

    async def afterwards(self, *, gone: bool) -> None:
        await self.repeat(self._ask)
        await self.send_from(self.talk.bucket)

    async def wrong(self) -> list[str]:
        return differing(
            ("sessions", await self.place.rows(_SESSIONS), [_OPEN]),
            ("messages", await self.messages(), {("accepted", None): 1}),
            ("texts at the carrier", self.asked_of_carrier(), [ALICE]),
        )


class Born(Inbound):
    """Bob texts Alice; the process that takes the text in owns its bucket, and sends it as soon as it is written."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.place.own(self.talk.bucket)

    async def act(self) -> None:
        rig, bucket = self.place.rig, self.talk.bucket
        self.sockets = Sockets(await rig.epoch(bucket))
        rig.relay.inbound.gate = lambda at, directory: Departures(self.sockets, at, directory, LEASE)
        self.answer = await self._ask()
        await self._send()

    async def _send(self) -> None:
        """What the sender does meanwhile."""
        rig, bucket = self.place.rig, self.talk.bucket
        while self.sockets.started:
            handed = await rig.relay.sending.hand_over(self.sockets.started.pop(), lease_until=float("inf"))
            await rig.relay.sending.settle_surely(bucket, handed)
        if self.sockets.taken_back:
            await rig.relay.sending.take_back(bucket, self.sockets.taken_back)

    async def afterwards(self, *, gone: bool) -> None:
        rig, bucket = self.place.rig, self.talk.bucket
        self.gone = gone
        await self.repeat(self._ask)
        if gone:
            await self.place.own(bucket)
            await rig.relay.ambiguity.declare(bucket, epoch=rig.epochs[bucket], begun_before=timedelta(seconds=LEASE))
        else:
            await self._send()
        await rig.send_all(bucket)
        if gone:
            await self.place.look_for_ambiguous(bucket)

    async def wrong(self) -> list[str]:
        return await self.wrong_of_send(gone=self.gone)


class Send(Case):
    """A worker sees what is due, takes it through the door, hands it over, and writes the outcome."""

    async def prepare(self) -> None:
        self.talk = await self.open_talk(self.place.pools[0], "I am here.")
        await self.place.own(self.talk.bucket)

    async def act(self) -> None:
        rig, bucket = self.place.rig, self.talk.bucket
        due, epoch = await rig.due(bucket), await rig.epoch(bucket)
        for intent in await rig.relay.sending.begin(bucket, epoch, due):
            handed = await rig.relay.sending.hand_over(intent, lease_until=float("inf"))
            await rig.relay.sending.settle_surely(bucket, handed)

    async def afterwards(self, *, gone: bool) -> None:
        """Another process declares what was abandoned, and looks for it; or the same one has its next turn."""
        rig, bucket = self.place.rig, self.talk.bucket
        self.gone = gone
        if gone:
            await self.place.own(bucket)
            await rig.relay.ambiguity.declare(bucket, epoch=rig.epochs[bucket], begun_before=timedelta(seconds=LEASE))
        await rig.send_all(bucket)
        if gone:
            await self.place.look_for_ambiguous(bucket)

    async def wrong(self) -> list[str]:
        return await self.wrong_of_send(gone=self.gone)


class Receipt(Case):
    """The carrier took a text and its answer was lost; now it says once, and never again, that the text was delivered."""

    async def prepare(self) -> None:
        rig, pool = self.place.rig, self.place.pools[0]
        await self.open_talk(pool, "I am here.")
        await self.place.own(pool.bucket)
        rig.carrier.answer = self._take_and_hang_up
        await rig.send_all(pool.bucket)
        path = rig.carrier.asked[0].callback.removeprefix(PUBLIC_URL)
        self.webhook: Webhook = receipt(path, "delivered")

    def _take_and_hang_up(self, text: SentText) -> httpx.Response:
        self.place.note(text)
        raise httpx.ReadTimeout("")

    async def act(self) -> None:
        self.answer = await self.webhook.post(self.place.api)

    async def afterwards(self, *, gone: bool) -> None:
        await self.place.look_for_ambiguous(self.place.pools[0].bucket)

    async def wrong(self) -> list[str]:
        found = set(await self.messages())
        taken = self.answer is not None and self.answer.is_success
        allowed = {("delivered", None)} if taken else {("delivered", None), ("accepted", None)}
        return differing(
            ("one message, with its end known", len(found) == 1 and found <= allowed, True),
            ("texts at the carrier", self.asked_of_carrier(), [ALICE]),
        )


class Stop(Case):
    """Alice, who has sessions and waiting texts in three pools, says STOP in one of them."""

    async def prepare(self) -> None:
        talks = [await self.open_talk(pool, "waits") for pool in self.place.pools]
        self.webhook = inbound(self.place.api, ALICE, talks[0].proxy(1), "STOP")

    async def act(self) -> None:
        self.answer = await self._ask()

    async def _ask(self) -> httpx.Response:
        return await self.webhook.post(self.place.api)

    async def afterwards(self, *, gone: bool) -> None:
        await self.repeat(self._ask)
        await self.send_from(*(pool.bucket for pool in self.place.pools))

    async def wrong(self) -> list[str]:
        rows = self.place.rows
        return differing(
            ("messages", await self.messages(), {("refused", "opted_out"): 4}),
            ("pools that know", await rows("select count(*) from person where opted_out"), [(3,)]),
            ("account's list", await rows("select count(*) from suppression where opted_out"), [(1,)]),
            ("events", await rows("select count(*) from event where type = 'participant.opted_out'"), [(1,)]),
            ("texts at the carrier", self.asked_of_carrier(), []),
        )


SCENARIOS: dict[str, type[Case]] = {
    "open": Open,
    "inbound": Inbound,
    "born": Born,
    "send": Send,
    "receipt": Receipt,
    "close": Close,
    "stop": Stop,
    "seal": Seal,
    "forget": Forget,
}
