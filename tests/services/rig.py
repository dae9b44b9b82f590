"""A small marketplace in a fresh database: one account, one connection, pools with numbers, people who text.

Everything is real but the provider's socket: ``Carrier`` answers Twilio's requests in memory and remembers what it took.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs
from uuid import uuid4

import httpx

from relay.core.ids import Seed
from relay.core.phone import Phone, parse_number
from relay.providers.base import InboundText
from relay.providers.transport import Transport
from relay.services.inbound import Taken
from relay.services.numbers import NumberWanted
from relay.services.sending import Intent
from relay.services.sessions import PersonWanted, SessionView, SessionWanted
from relay.settings import Settings
from relay.storage import leases, outbox
from relay.storage.configuration import Account, Connection, Pool
from relay.storage.database import Database
from relay.vault import keyring
from relay.vault.vault import open_vault
from relay.wiring import Relay, build

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class SentText:
    """A text that the carrier accepted."""

    sender: str
    to: str
    text: str
    callback: str


@dataclass(slots=True)
class Carrier:
    """Answers sends. ``answer`` may be replaced by a test to refuse, fail or hang up."""

    sent: list[SentText] = field(default_factory=list)
    answer: Callable[[SentText], httpx.Response | None] | None = None
    listed: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return answered(200, {"messages": self.listed})
        form = parse_qs(request.content.decode(), keep_blank_values=True)
        text = SentText(form["From"][0], form["To"][0], form["Body"][0], form["StatusCallback"][0])
        special = self.answer(text) if self.answer else None
        if special is not None:
            return special
        self.sent.append(text)
        return answered(201, {"sid": f"SM{len(self.sent):032x}", "status": "queued"})


def answered(status: int, document: object) -> httpx.Response:
    """A JSON answer whose body is still to be read, as it is over a socket."""
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(document).encode()))


def refusal(code: int, status: int = 400) -> httpx.Response:
    """Twilio's way of saying no."""
    return answered(status, {"code": code, "message": "no", "status": status})


@dataclass(slots=True)
class Rig:
    relay: Relay
    carrier: Carrier
    account: Account
    connection: Connection
    epochs: dict[int, int] = field(default_factory=dict)

    async def seed(self) -> Seed:
        return Seed(await self.relay.database.now(), next(_serial).to_bytes(10, "big"))

    async def pool(self, name: str, numbers: Sequence[str], *, rate: float = 1000.0) -> Pool:
        """A ready pool with these numbers."""
        pool = await self.relay.pools.add(self.account, name, await self.seed())
        for number in numbers:
            wanted = NumberWanted(parse_number(number), pool, self.connection.id, rate)
            await self.relay.numbers.add(self.account, wanted, await self.seed())
        return pool

    async def session(self, pool: Pool, one: str, other: str, **more: object) -> SessionView:
        people = (PersonWanted(Phone.parse(one), "one"), PersonWanted(Phone.parse(other), "other"))
        wanted = SessionWanted(pool=pool, people=people, **more)  # type: ignore[arg-type]  # a test's own words
        return await self.relay.sessions.open(self.account, wanted, await self.seed())

    async def text(self, sender: str, number: str, text: str, *, sid: str | None = None, media: int = 0) -> Taken:
        """A person texts a number; returns what became of it at ingest."""
        inbound = InboundText(sid or f"SM{next(_serial):032x}", sender, number, text, media)
        return await self.relay.inbound.receive(self.connection, inbound)

    async def epoch(self, bucket: int) -> int:
        """The epoch of a lease on this bucket that outlives any test."""
        if bucket not in self.epochs:
            async with self.relay.database.transaction() as tx:
                taken = await leases.take(tx, bucket, uuid4(), timedelta(days=400))
            assert taken is not None
            self.epochs[bucket] = taken
        return self.epochs[bucket]

    async def begin(self, bucket: int) -> list[Intent]:
        """Take everything that is due through the door."""
        async with self.relay.database.transaction() as tx:
            due = await outbox.due(tx, bucket, limit=1000, waiting_numbers=[])
        return await self.relay.sending.begin(bucket, await self.epoch(bucket), [d.message_id for d in due])

    async def send_all(self, bucket: int) -> int:
        """Send until nothing is due; returns how many were handed over."""
        count = 0
        while intents := await self.begin(bucket):
            for intent in intents:
                handed = await self.relay.sending.hand_over(intent, lease_until=float("inf"))
                await self.relay.sending.settle(bucket, handed)
                count += 1
        return count

    async def rows(self, statement: str, *args: object) -> list[dict[str, object]]:
        """What the database holds, for asserts."""
        async with self.relay.database.transaction() as tx:
            return [dict(row) for row in await tx.fetch(statement, *args)]


async def make_rig(db: Database, **settings: object) -> Rig:
    """An account with a connection, in an empty database."""
    carrier = Carrier()
    vault = open_vault(keyring.make())
    relay = build(Settings(**settings), db, vault, Transport(httpx.MockTransport(carrier)))  # type: ignore[arg-type]  # the same
    account = await relay.accounts.add(f"market {next(_serial)}")
    credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
    seed = Seed(await db.now(), next(_serial).to_bytes(10, "big"))
    connection = await relay.connections.add(account, "twilio", credentials, seed)
    return Rig(relay, carrier, account, connection)


def proxy_of(view: SessionView, slot: int) -> str:
    """The number that the participant in this slot texts."""
    return view.proxy_numbers[view.participants[slot - 1].number_id]
