"""A small marketplace in a fresh database: one account, one connection, pools with numbers, people who text.

Everything is real but the provider's socket, which is ``carrier.Carrier``. Time passes only by ``later``.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from relay.core.arrival import ArrivedText, Imprint
from relay.core.ids import Seed
from relay.core.model import Reason, State
from relay.core.phone import Phone, parse_number
from relay.providers.base import InboundText, Receipt, ReceiptWord
from relay.providers.guarded import GuardedTransport
from relay.providers.transport import Transport
from relay.services.inbound import Taken
from relay.services.numbers import NumberWanted
from relay.services.sending import HandedOver, Intent
from relay.services.sessions import (
    PersonWanted,
    ReopeningWanted,
    Replaced,
    Replacement,
    SessionView,
    SessionWanted,
)
from relay.settings import Settings
from relay.storage import leases, outbox
from relay.storage.configuration import Account, Connection, Pool
from relay.storage.database import Database
from relay.vault import keyring, keyring_file
from relay.vault.tokens import AttemptToken
from relay.vault.vault import open_vault
from relay.wiring import Relay, build
from tests.services.carrier import Carrier, SentText
from tests.services.customers import Customers
from tests.services.people import ALICE, BOB, numbers

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
CREDENTIALS: Mapping[str, str] = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
_serial = itertools.count(1)
_FOLDER = tempfile.TemporaryDirectory(prefix="relay-rigs-")  # journals, one folder for each rig


@dataclass(slots=True)
class Rig:
    relay: Relay
    carrier: Carrier
    account: Account
    connection: Connection
    epochs: dict[int, int] = field(default_factory=dict)
    customers: Customers = field(default_factory=Customers)

    async def seed(self) -> Seed:
        return Seed(await self.relay.database.now(), next(_serial).to_bytes(10, "big"))

    def later(self, **span: float) -> None:
        """Let time pass, as far as the database is asked."""
        self.relay.database.clock_offset += timedelta(**span)

    async def pool(self, name: str, rented: Sequence[str], *, rate: float = 1000.0) -> Pool:
        """A ready pool with these numbers."""
        return await self._pool(name, await self.seed(), rented, rate=rate)

    async def pool_in_one_bucket(self, name: str, rented: Sequence[str]) -> Pool:
        """The same, in the same bucket whoever makes it."""
        return await self._pool(name, Seed(await self.relay.database.now(), b"one bucket"), rented, rate=1000.0)

    async def _pool(self, name: str, seed: Seed, rented: Sequence[str], *, rate: float) -> Pool:
        pool = await self.relay.pools.add(self.account, name, seed)
        for e164 in rented:
            await self.rent(pool, e164, rate=rate)
        return pool

    async def rent(self, pool: Pool, e164: str, *, rate: float = 1000.0) -> None:
        """Put one more number into a pool."""
        wanted = NumberWanted(parse_number(e164), pool, self.connection.id, rate)
        await self.relay.numbers.add(self.account, wanted, await self.seed())

    async def session(
        self, pool: Pool, one: str, other: str, *, seed: Seed | None = None, **more: object
    ) -> SessionView:
        wanted = SessionWanted(pool=pool, people=people(one, other), **more)  # type: ignore[arg-type]  # a test's own words
        return await self.relay.sessions.open(self.account, wanted, seed or await self.seed())

    async def replace(
        self,
        view: SessionView,
        slot: int,
        phone: str,
        *,
        seed: Seed | None = None,
        label: str | None = None,
        **more: str,
    ) -> tuple[SessionView, Replaced]:
        """Put somebody else in a slot of a session; ``more`` is about who comes."""
        person = PersonWanted(Phone.parse(phone), **more)
        wanted = Replacement(view.session.id, view.participants[slot - 1].id, person, label)
        return await self.relay.sessions.replace(self.account, wanted, seed or await self.seed())

    async def reopen(self, talk: Talk, *people: str, seed: Seed | None = None, **more: Any) -> SessionView:
        """Open a talk's session again, with the phones of its two unless others are given."""
        one, other = (Phone.parse(e164) for e164 in people or (talk.one, talk.other))
        wanted = ReopeningWanted(talk.id, (one, other), **more)
        return await self.relay.sessions.reopen(self.account, wanted, seed or await self.seed())

    async def text(self, sender: str, number: str, text: str, *, sid: str | None = None, media: int = 0) -> Taken:
        """A person texts a number; returns what became of it at ingest."""
        inbound = InboundText(sid or new_sid(), sender, number, text, media)
        return await self.relay.inbound.receive(self.connection, inbound)

    async def epoch(self, bucket: int) -> int:
        """The epoch of a lease on this bucket that outlives any test."""
        if bucket not in self.epochs:
            async with self.relay.database.transaction() as tx:
                taken = await leases.take(tx, bucket, uuid4(), timedelta(days=400))
            assert taken is not None
            self.epochs[bucket] = taken
        return self.epochs[bucket]

    async def due(self, bucket: int) -> list[UUID]:
        """The messages that could leave now, one for each number."""
        async with self.relay.database.transaction() as tx:
            return [d.message_id for d in (await outbox.due(tx, bucket, limit=1000, waiting_numbers=[])).due]

    async def begin(self, bucket: int) -> list[Intent]:
        """Take everything that is due through the door, each number's texts one after the other."""
        begun: list[Intent] = []
        tried: list[UUID] = []
        while (due := await self.due(bucket)) != tried:
            begun += await self.relay.sending.begin(bucket, await self.epoch(bucket), due)
            tried = due
        return begun

    async def hand_over(self, bucket: int, intent: Intent) -> HandedOver:
        """Speak to the carrier and write down what came of it."""
        handed = await self.relay.sending.hand_over(intent, lease_until=float("inf"))
        await self.relay.sending.settle(bucket, handed)
        return handed

    async def send_all(self, bucket: int) -> int:
        """Send until nothing is due; returns how many were handed over."""
        count = 0
        while intents := await self.begin(bucket):
            for intent in intents:
                await self.hand_over(bucket, intent)
                count += 1
        return count

    async def receipt(self, sent: SentText, word: ReceiptWord, reason: Reason | None = None) -> State | None:
        """The carrier's later word on a text, by the token that it was given."""
        return await self.relay.receipts.take(self.connection, self.token(sent), Receipt("SM1", word, reason))

    def token(self, sent: SentText) -> AttemptToken:
        return self.relay.vault.tokens.read(sent.callback.rsplit("/", 1)[1])

    async def rows(self, statement: str, *args: object) -> list[dict[str, object]]:
        """What the database holds, for asserts."""
        async with self.relay.database.transaction() as tx:
            return [dict(row) for row in await tx.fetch(statement, *args)]

    async def value(self, statement: str, *args: object) -> object:
        """The one value that a statement gives."""
        async with self.relay.database.transaction() as tx:
            return await tx.fetchval(statement, *args)

    async def states(self, kind: str = "relay") -> list[tuple[object, object]]:
        """State and reason of every message of a kind, in the order of arrival."""
        rows = await self.rows("select state, reason from message where kind = $1 order by id", kind)
        return [(row["state"], row["reason"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Talk:
    """One open session between two people, to test with."""

    rig: Rig
    pool: Pool
    view: SessionView
    one: str
    other: str

    @property
    def id(self) -> UUID:
        return self.view.session.id

    @property
    def bucket(self) -> int:
        return self.pool.bucket

    def proxy(self, slot: int) -> str:
        """The number that the person in this slot texts."""
        return proxy_of(self.view, slot)

    async def say(self, text: str, *, slot: int = 1, sid: str | None = None, media: int = 0) -> Taken:
        """One of the two texts the other."""
        sender = self.one if slot == 1 else self.other
        return await self.rig.text(sender, self.proxy(slot), text, sid=sid, media=media)

    def arrived(self, text: str, *, slot: int = 1, sid: str | None = None) -> ArrivedText:
        """The same as a value, to be taken in with others."""
        sender, indexes = self.one if slot == 1 else self.other, self.rig.relay.vault.indexes
        return ArrivedText(
            account_id=self.rig.account.id,
            connection_id=self.rig.connection.id,
            bucket=self.bucket,
            number_id=self.view.participants[slot - 1].number_id,
            party=indexes.of(self.rig.account.id, sender),
            sender=sender,
            text=text,
            media=0,
            keyword=None,
            from_own_number=False,
            imprint=Imprint(
                indexes.fingerprint("test id", (sid or new_sid()).encode()),
                indexes.fingerprint("test body", text.encode()),
                key_id=1,
            ),
            provider_id=sid or new_sid(),
        )


async def start_talk(
    rig: Rig, *, pool: Pool | None = None, one: str = ALICE, other: str = BOB, seed: Seed | None = None, **more: object
) -> Talk:
    """Open a session, in a pool of three numbers unless one is given."""
    pool = pool or await rig.pool("default", numbers(3))
    return Talk(rig, pool, await rig.session(pool, one, other, seed=seed, **more), one, other)


async def make_rig(
    db: Database,
    *,
    answers: httpx.AsyncBaseTransport | None = None,
    guarded: GuardedTransport | None = None,
    **settings: object,
) -> Rig:
    """An account with a connection, in an empty database. ``answers`` stands in for the whole network, ``guarded`` leads to
    customers' real servers."""
    carrier = Carrier()
    own = Path(_FOLDER.name) / str(next(_serial))
    own.mkdir()
    # Here people say a lot in a moment, and often the same: what that leads to is tested where it is asked for.
    settings = {"data_dir": own, "leg_rate": 0, "leg_repeats": 0, "person_rate": 0, **settings}
    transport = Transport(answers or httpx.MockTransport(carrier))
    chosen = Settings(**settings)  # type: ignore[arg-type]  # pydantic checks them
    ring = keyring_file.load(chosen.keyring) if chosen.keyring else keyring.make()
    customers = Customers()
    relay = build(chosen, db, open_vault(ring), transport, guarded or customers)
    account = await relay.accounts.add(f"market {next(_serial)}")
    seed = Seed(await db.now(), next(_serial).to_bytes(10, "big"))
    connection = await relay.connections.add(account, "twilio", CREDENTIALS, seed)
    return Rig(relay, carrier, account, connection, customers=customers)


async def make_neighbour(rig: Rig) -> Rig:
    """Another account of the same installation, with a connection of its own."""
    account = await rig.relay.accounts.add(f"market {next(_serial)}")
    connection = await rig.relay.connections.add(account, "twilio", CREDENTIALS, await rig.seed())
    return Rig(rig.relay, rig.carrier, account, connection, rig.epochs, rig.customers)


def people(one: str, other: str) -> tuple[PersonWanted, PersonWanted]:
    return PersonWanted(Phone.parse(one), "one"), PersonWanted(Phone.parse(other), "other")


def new_sid() -> str:
    """A message id of the carrier's, as never before."""
    return f"SM{next(_serial):032x}"


def proxy_of(view: SessionView, slot: int) -> str:
    """The number that the participant in this slot texts."""
    return view.proxy_numbers[view.participants[slot - 1].number_id]
