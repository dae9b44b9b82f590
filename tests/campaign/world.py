"""Everything that a run needs, as real processes: PostgreSQL of its own, the simulated carrier, and Relay's processes behind
one port that stays open while they come and go, as a load balancer's would.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from relay.cli.schema import migrate_now
from relay.core.hooks import HookKind, OnTimeout
from relay.core.ids import IdKind, Seed, public
from relay.core.model import OnAmbiguous, Scope
from relay.core.phone import parse_number
from relay.services.numbers import NumberWanted
from relay.settings import read_settings
from relay.storage.configuration import Account
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from relay.vault import keyring, keyring_file
from relay.wiring import Relay, open_relay
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN, running_carrier
from tests.campaign.customer import HOOK_TIMEOUT, WEBHOOKS, Customer

#: Waits that a run has no time for.
QUICK = {
    "RELAY_LEASE": "2.0",
    "RELAY_ASK_AFTER": "[0.3, 1.0, 2.0]",
    "RELAY_GIVE_UP_AFTER": "4.0",
    "RELAY_ABANDONED_AFTER": "6.0",
    "RELAY_SEND_DEADLINE": "3.0",
    "RELAY_CONNECT_TIMEOUT": "1.0",
    "RELAY_UPKEEP_PERIOD": "0.5",
    "RELAY_REQUEST_LEASE": "3",
    "RELAY_REDACT_AFTER": "40",
    "RELAY_API_RATE": "100000",
    "RELAY_LOG_LEVEL": "info",
    "RELAY_LEG_RATE": "0",  # more is said in a moment than people say
    "RELAY_PERSON_RATE": "0",
    "RELAY_DATABASE_CONNECTIONS": "8",
}
#: Settings of the server: many processes, and one that may follow it.
SERVER = {"max_connections": "200", "max_wal_senders": "4"}
_STRUCK = re.compile(r'\{"event": "struck", "point": "([^"]+)", "signal": (\d+)\}')


@dataclass(frozen=True, slots=True)
class Shape:
    """How big the world is, and what is in it. ``rate``: segments a second, for each number."""

    pools: int = 4
    numbers: int = 12
    rate: float = 50.0
    policy: OnAmbiguous = OnAmbiguous.PARK
    customer: bool = False  #: the marketplace has webhooks, and hooks for the last two pools

    def number(self, pool: int, n: int) -> str:
        which = pool * self.numbers + n
        return f"+1{AREAS[which // 100]}55501{which % 100:02}"


AREAS = (202, 206, 212, 213, 214, 216, 303, 305, 503, 512, 617, 702)
PEOPLE_AREAS = (312, 313, 314, 317, 404, 405, 408, 410, 412, 415)
PEOPLE = [f"+1{area}55501{n:02}" for area in PEOPLE_AREAS for n in range(100)]


@dataclass(slots=True)
class Child:
    """One process of Relay. ``serves``: it has the API, not only the worker."""

    process: subprocess.Popen[bytes]
    log: Path
    serves: bool
    paused: bool = False

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def struck(self) -> str | None:
        """The point at which it was told to strike itself, once it has."""
        found = _STRUCK.search(self.log.read_text(errors="replace"))
        return found[1] if found else None


@dataclass(slots=True)
class World:
    """``children`` by place: whoever takes a dead one's place is started with ``start``."""

    folder: Path
    url: str
    key: str
    connection: str
    pools: list[str]
    carrier: httpx.AsyncClient
    listener: socket.socket
    environment: dict[str, str]
    server: EmbeddedServer
    customer: Customer | None = None
    hooked: dict[str, str] = field(default_factory=dict)  #: pool -> what happens without an answer
    children: dict[str, Child] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    started: int = 0

    @property
    def inbound(self) -> str:
        """Where the carrier posts what people text."""
        return f"{self.url}/hooks/{self.connection}/inbound"

    def start(self, place: str, *, extra: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> Child:
        """A process in this place: ``api ...`` has API and worker, ``worker ...`` the worker alone."""
        self.started += 1
        log = self.folder / f"{place.replace(' ', '-')}-{self.started}.log"
        serves = place.startswith("api")
        port = str(self.listener.fileno())
        command = ["serve", "--listener", port, *arguments] if serves else ["worker"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RELAY_", "CAMPAIGN_"))}
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.campaign.child", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**inherited, **self.environment, **(extra or {})},
                pass_fds=(self.listener.fileno(),),
            )
        self.logs.append(log)
        self.children[place] = Child(process, log, serves)
        return self.children[place]

    async def ready(self, place: str, within: float = 40.0) -> None:
        """Wait until the process in this place works, or has ended."""
        child = self.children[place]
        for _ in range(int(within / 0.05)):
            if b'"ready"' in child.log.read_bytes() or child.process.poll() is not None:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{place} does not start:\n{child.log.read_text()[-2000:]}")

    async def weather(self, **faults: object) -> None:
        answer = await self.carrier.put("/control/weather", json=faults)
        if answer.status_code >= 300:
            raise ValueError(answer.text)

    async def ledger(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await self.carrier.get("/control/ledger")).json()
        return rows

    async def query(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask the database itself: to wait for the end of a run, and for events, which no API shows yet."""
        connection = await asyncpg.connect(self.server.dsn)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    def restart_postgres(self) -> None:
        self.server = start_embedded(self.folder / "postgres", binaries=binaries(), settings=SERVER)

    def stop_children(self) -> dict[str, int | None]:
        """End all in order; place -> exit code, None for one that had to be killed."""
        for child in self.children.values():
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGTERM)
        codes: dict[str, int | None] = {}
        for place, child in self.children.items():
            try:
                codes[place] = child.process.wait(30)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
                codes[place] = None
        return codes


def binaries() -> Path:
    return find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)


@asynccontextmanager
async def made(folder: Path, shape: Shape, customer: Customer | None = None) -> AsyncIterator[World]:
    """A world without any process of Relay yet. ``customer`` has the webhooks, and the hooks of the last two pools."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    server = start_embedded(folder / "postgres", binaries=binaries(), settings=SERVER)
    try:
        world = await _world(folder, server, shape, customer)
        async with running_carrier(folder) as world.carrier:
            world.environment["RELAY_CARRIER_URL"] = str(world.carrier.base_url)
            try:
                yield world
            finally:
                server = world.server
                for child in world.children.values():
                    child.signal(signal.SIGKILL)
                    child.process.wait()
                world.listener.close()
    finally:
        server.stop()


async def _world(folder: Path, server: EmbeddedServer, shape: Shape, customer: Customer | None) -> World:
    """Everything but the carrier."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ring, figures = folder / "keyring.json", folder / "figures"
    keyring_file.save_new(keyring.make(), ring)
    await asyncio.to_thread(figures.mkdir)
    await migrate_now(server.dsn)
    trial = {"RELAY_LOOPBACK_WEBHOOKS": "true"} if customer else {}
    async with open_relay(read_settings(keyring=ring, loopback_webhooks=bool(trial)), server.dsn) as relay:
        account, key, connection, pools = await _furnish(relay, shape)
        hooked = await _introduce(relay, account, customer) if customer else {}
    environment = {
        **QUICK,
        **trial,
        "RELAY_DATABASE_URL": server.dsn,
        "RELAY_KEYRING": str(ring),
        "RELAY_PUBLIC_URL": url,
        "PROMETHEUS_MULTIPROC_DIR": str(figures),
    }
    carrier = httpx.AsyncClient()
    return World(folder, url, key, connection, pools, carrier, listener, environment, server, customer, hooked)


async def _furnish(relay: Relay, shape: Shape) -> tuple[Account, str, str, list[str]]:
    """An account with its key, a connection, and pools of numbers."""
    account = await relay.accounts.add("campaign")
    await relay.accounts.change(account.id, {"on_ambiguous": shape.policy})
    key = await relay.keys.add(account, name="campaign", scopes=list(Scope))
    credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
    connection = await relay.connections.add(account, "twilio", credentials, await _seed(relay))
    names = [f"pool {n}" for n in range(shape.pools)]
    for p, name in enumerate(names):
        pool = await relay.pools.add(account, name, await _seed(relay))
        for n in range(shape.numbers):
            wanted = NumberWanted(parse_number(shape.number(p, n)), pool, connection.id, shape.rate)
            await relay.numbers.add(account, wanted, await _seed(relay))
    return account, key, public(IdKind.CONNECTION, connection.id), names


async def _introduce(relay: Relay, account: Account, customer: Customer) -> dict[str, str]:
    """The customer's webhooks and hooks; returns which pools are asked about, and what happens without an answer."""
    for name, events in WEBHOOKS.items():
        url = f"{customer.url}/webhooks/{name}"
        view, customer.secrets[name] = await relay.webhooks.add(account, url, events, await _seed(relay))
        customer.endpoints[str(view.endpoint.id)] = name
    pools = sorted((await relay.configuration.refreshed()).pools.values(), key=lambda pool: pool.name)
    hooked = list(zip(pools[-2:], OnTimeout, strict=True))
    for pool, on_timeout in hooked:
        name = pool.name.replace(" ", "-")
        wanted = relay.hooks.read(HookKind.INTERCEPT, f"{customer.url}/hooks/{name}", HOOK_TIMEOUT, on_timeout)
        customer.secrets[name] = await relay.hooks.set(pool, wanted) or ""
    return {pool.name: on_timeout.value for pool, on_timeout in hooked}


async def _seed(relay: Relay) -> Seed:
    return Seed(await relay.database.now(), os.urandom(10))
